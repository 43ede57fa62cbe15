"""ListAging: what the rules say, of the right accounts, in pages that hold however few are selected."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import grpc
import pytest

from service_kit.dates import date_to_proto
from tallybook.ledger.v1 import account_pb2 as pb
from tests.integration.ledger_reads.books import CLIENT, Books, Entry

if TYPE_CHECKING:
    from tallybook.ledger.v1.account_pb2_grpc import AccountServiceAsyncStub

AS_OF = date(2026, 6, 30)


def ago(days: int) -> date:
    """So many days before the date that aging is asked for."""
    return AS_OF - timedelta(days=days)


async def aging(
    accounts: AccountServiceAsyncStub, as_of: date = AS_OF, **filters: object
) -> list[pb.AccountAging]:
    """All pages of a list of aging."""
    request = pb.ListAgingRequest(client_no=CLIENT, as_of_date=date_to_proto(as_of), **filters)  # type: ignore[arg-type]
    listed: list[pb.AccountAging] = []
    while True:
        page = await accounts.ListAging(request)
        assert len(page.accounts) <= (request.page_size or 100)
        listed.extend(page.accounts)
        if not page.next_page_token:
            return listed
        assert page.accounts, "a page with a next one is never empty"
        request.page_token = page.next_page_token


def amounts(account: pb.AccountAging) -> dict[str, int]:
    """What is not zero."""
    return {
        field.name: value.minor_units
        for field, value in account.ListFields()
        if field.message_type and field.message_type.name == "Money" and value.minor_units
    }


async def test_an_account_is_aged_by_the_due_dates_of_its_invoices(
    books: Books, accounts: AccountServiceAsyncStub
) -> None:
    ada, plan = await books.account("Ada", plans=("Fibre",))
    old_invoice, (old_line, _) = await books.invoice(
        ada, 1_000, -100, day=ago(100), due=ago(70), plan_instance_no=plan
    )
    await books.invoice(ada, 500, 50, day=ago(40), due=ago(10))
    await books.invoice(ada, 300, day=ago(5), due=AS_OF)
    await books.invoice(ada, 9_999, day=AS_OF + timedelta(days=1), due=AS_OF)
    await books.post(Entry(ada, 15, 25, ago(3)))
    await books.post(Entry(ada, 3, 200, ago(20), row={"payment_method_kind": 1}))
    await books.post(Entry(ada, 6, 40, ago(2), row={"kind": 2, "invoice_no": old_invoice}))
    await books.memo(ada, old_invoice, (old_line, 60), day=ago(1))

    (account,) = await aging(accounts)

    assert (account.acct_no, account.name) == (ada, "Ada")
    assert amounts(account) == {
        "balance": 1_475,
        "not_due": 300,
        "days_1_to_30": 575,
        "days_61_to_90": 600,
        "overdue": 1_175,
        "overdue_without_dunning_charges": 1_150,
    }
    assert account.oldest_due_date == date_to_proto(ago(70))
    assert account.balance.currency_code == "USD"


async def test_voided_pairs_are_left_out_once_both_halves_have_taken_effect(
    books: Books, accounts: AccountServiceAsyncStub
) -> None:
    (ada,) = await books.account()
    await books.post(Entry(ada, 14, 100, ago(50)))
    (payment,) = await books.post(Entry(ada, 2, 100, ago(40)))
    await books.void(payment, day=ago(10))
    invoice_no, lines = await books.invoice(ada, 700, day=ago(45), due=ago(15))
    await books.void_invoice(invoice_no, lines, day=ago(10))

    (before,), (after,) = await aging(accounts, ago(11)), await aging(accounts)

    assert amounts(before) == {
        "balance": 700,
        "days_1_to_30": 700,
        "overdue": 700,
        "overdue_without_dunning_charges": 700,
    }
    assert amounts(after) == {
        "balance": 100,
        "days_31_to_60": 100,
        "overdue": 100,
        "overdue_without_dunning_charges": 100,
    }


async def test_only_accounts_that_owe_or_are_owed_on_the_date_are_listed(
    books: Books, accounts: AccountServiceAsyncStub
) -> None:
    (owing,) = await books.account("owing")
    (owed,) = await books.account("owed")
    (settled,) = await books.account("settled")
    (settled_later,) = await books.account("settled later")
    (charged_later,) = await books.account("charged later")
    (empty,) = await books.account("empty")
    (other,) = await books.account("of another client", client_no=8)
    later = AS_OF + timedelta(days=1)
    await books.post(
        Entry(owing, 14, 100, ago(1)),
        Entry(owed, 10, 30, ago(1)),
        Entry(settled, 14, 5, ago(9)),
        Entry(settled, 10, 5, ago(8)),
        Entry(settled_later, 14, 7, ago(1)),
        Entry(settled_later, 10, 7, later),
        Entry(charged_later, 14, 7, later),
    )
    await books.post(Entry(other, 14, 100, ago(1)), client_no=8)

    assert [account.acct_no for account in await aging(accounts)] == [owing, owed, settled_later]
    named = await aging(accounts, acct_nos=[empty, settled, owing, 999, other])
    assert [(account.acct_no, account.balance.minor_units) for account in named] == [
        (owing, 100),
        (settled, 0),
        (empty, 0),
    ]
    (_, credit, _) = await aging(accounts)
    assert amounts(credit) == {"balance": -30, "unapplied_credit": 30}
    assert not credit.HasField("oldest_due_date")


async def test_pages_are_full_however_few_accounts_the_filter_selects(
    books: Books, accounts: AccountServiceAsyncStub
) -> None:
    overdue = []
    entries = []
    for place in range(450):
        (acct_no,) = await books.account(f"account {place}")
        is_selected = place % 60 == 59
        entries.append(Entry(acct_no, 14, 100, ago(31 if is_selected else 30)))
        overdue += [acct_no] * is_selected
    await books.post(*entries)

    for page_size in (1, 3, 7, 8, 1000):
        listed = await aging(accounts, min_days_past_due=31, page_size=page_size)
        assert [account.acct_no for account in listed] == overdue
    first = await accounts.ListAging(
        pb.ListAgingRequest(
            client_no=CLIENT, as_of_date=date_to_proto(AS_OF), min_days_past_due=31, page_size=5
        )
    )
    assert [account.acct_no for account in first.accounts] == overdue[:5]
    assert len(await aging(accounts, page_size=100)) == 450
    assert [account.acct_no for account in await aging(accounts, acct_nos=overdue, page_size=2)] == overdue
    assert await aging(accounts, min_days_past_due=32) == []


async def test_a_page_token_is_refused_with_another_filter(
    books: Books, accounts: AccountServiceAsyncStub
) -> None:
    for _ in range(2):
        (acct_no,) = await books.account()
        await books.post(Entry(acct_no, 14, 100, ago(1)))
    request = pb.ListAgingRequest(client_no=CLIENT, as_of_date=date_to_proto(AS_OF), page_size=1)
    request.page_token = (await accounts.ListAging(request)).next_page_token
    request.min_days_past_due = 1

    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await accounts.ListAging(request)

    assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT
