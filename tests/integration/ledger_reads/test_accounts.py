"""AccountService: accounts and balances, as they are, as of a date, and as recorded at an event."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from service_kit.dates import date_to_proto
from tallybook.ledger.v1 import account_pb2 as pb
from tests.integration.ledger_reads.books import CLIENT, RECORDED_AT, Books, Entry, balance_at

if TYPE_CHECKING:
    from tallybook.ledger.v1.account_pb2_grpc import AccountServiceAsyncStub

MAY, JUNE, JULY = date(2026, 5, 1), date(2026, 6, 1), date(2026, 7, 1)


def reason_of(refusal: grpc.aio.AioRpcError) -> str:
    """The reason in the error's ErrorInfo."""
    info = ErrorInfo()
    status = rpc_status.from_call(refusal)  # type: ignore[arg-type]  # it has what is read of a Call
    assert status is not None
    for detail in status.details:
        if detail.Unpack(info):
            return info.reason
    raise AssertionError(f"{refusal} has no ErrorInfo")


async def test_an_account_is_found_by_either_of_its_identifiers(
    books: Books, accounts: AccountServiceAsyncStub
) -> None:
    acct_no, fibre, mobile = await books.account("Ada", plans=("Fibre", "Mobile"), external_id="crm-1")

    by_number = await accounts.GetAccount(pb.GetAccountRequest(client_no=CLIENT, acct_no=acct_no))
    by_external_id = await accounts.GetAccount(pb.GetAccountRequest(client_no=CLIENT, external_id="crm-1"))

    account = by_number.account
    assert by_external_id.account == account
    assert (account.acct_no, account.external_id, account.name) == (acct_no, "crm-1", "Ada")
    assert (account.currency_code, account.payment_term_days) == ("USD", 30)
    assert account.created_at.ToMicroseconds() == int(RECORDED_AT.timestamp() * 1_000_000)
    assert [(each.plan_instance_no, each.name) for each in account.plan_instances] == [
        (fibre, "Fibre"),
        (mobile, "Mobile"),
    ]


@pytest.mark.parametrize(
    "request_",
    [
        pb.GetAccountRequest(client_no=CLIENT, acct_no=999),
        pb.GetAccountRequest(client_no=CLIENT, external_id="crm-999"),
        pb.GetAccountRequest(client_no=8, acct_no=1),
        pb.GetAccountRequest(client_no=8, external_id="crm-1"),
    ],
)
async def test_an_account_that_the_client_does_not_have_is_not_found(
    books: Books, accounts: AccountServiceAsyncStub, request_: pb.GetAccountRequest
) -> None:
    await books.account(external_id="crm-1")

    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await accounts.GetAccount(request_)

    assert refusal.value.code() is grpc.StatusCode.NOT_FOUND
    assert reason_of(refusal.value) == "ACCOUNT_NOT_FOUND"


async def test_accounts_are_listed_in_pages_by_number(
    books: Books, accounts: AccountServiceAsyncStub
) -> None:
    await books.account("Eve", client_no=8)
    acct_nos = [(await books.account(name, plans=("Fibre",)))[0] for name in "ABCDE"]
    request = pb.ListAccountsRequest(client_no=CLIENT, page_size=2)
    pages: list[list[int]] = []
    while not pages or request.page_token:
        page = await accounts.ListAccounts(request)
        pages.append([account.acct_no for account in page.accounts])
        request.page_token = page.next_page_token

    assert pages == [acct_nos[:2], acct_nos[2:4], acct_nos[4:]]


async def test_a_page_token_fits_only_its_own_list(books: Books, accounts: AccountServiceAsyncStub) -> None:
    for name in "ABC":
        await books.account(name)
    page = await accounts.ListAccounts(pb.ListAccountsRequest(client_no=CLIENT, page_size=1))

    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await accounts.ListAccounts(pb.ListAccountsRequest(client_no=8, page_token=page.next_page_token))

    assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason_of(refusal.value) == "INVALID_PAGE_TOKEN"


async def test_a_balance_is_that_of_the_plan_instances_and_of_the_account_itself(
    books: Books, accounts: AccountServiceAsyncStub
) -> None:
    acct_no, fibre, mobile = await books.account(plans=("Fibre", "Mobile"))
    await books.post(
        Entry(acct_no, 14, 500, MAY, plan_instance_no=fibre),
        Entry(acct_no, 9, 70, MAY),
        Entry(acct_no, 10, 900, JUNE, plan_instance_no=mobile),
    )

    balance = await accounts.GetBalance(pb.GetBalanceRequest(client_no=CLIENT, acct_no=acct_no))

    assert (balance.balance.minor_units, balance.balance.currency_code) == (-330, "USD")
    assert balance.account_only_balance.minor_units == 70
    assert [
        (each.plan_instance_no, each.name, each.balance.minor_units)
        for each in balance.plan_instance_balances
    ] == [(fibre, "Fibre", 500), (mobile, "Mobile", -900)]


async def test_a_balance_is_zero_before_anything_is_posted(
    books: Books, accounts: AccountServiceAsyncStub
) -> None:
    (acct_no,) = await books.account()
    now = pb.GetBalanceRequest(client_no=CLIENT, acct_no=acct_no)
    then = pb.GetBalanceRequest(client_no=CLIENT, acct_no=acct_no, effective_date=date_to_proto(MAY))

    assert (await accounts.GetBalance(now)).balance.minor_units == 0
    assert (await accounts.GetBalance(then)).balance.minor_units == 0


async def test_a_balance_of_a_date_counts_by_effective_date_and_one_at_an_event_by_what_was_recorded(
    books: Books, accounts: AccountServiceAsyncStub
) -> None:
    acct_no, fibre = await books.account(plans=("Fibre",))
    first, second = await books.post(
        Entry(acct_no, 14, 500, JULY, plan_instance_no=fibre), Entry(acct_no, 14, 20, JUNE)
    )
    (back_dated,) = await books.post(Entry(acct_no, 10, 3, MAY))
    (void,) = await books.void(second, day=JULY)

    async def balance(**as_of: object) -> tuple[int, int]:
        request = pb.GetBalanceRequest(client_no=CLIENT, acct_no=acct_no, **as_of)  # type: ignore[arg-type]
        answer = await accounts.GetBalance(request)
        (of_plan,) = answer.plan_instance_balances
        return answer.balance.minor_units, of_plan.balance.minor_units

    assert await balance(effective_date=date_to_proto(date(2026, 4, 30))) == (0, 0)
    assert await balance(effective_date=date_to_proto(MAY)) == (-3, 0)
    assert await balance(effective_date=date_to_proto(JUNE)) == (17, 0)
    assert await balance(effective_date=date_to_proto(JULY)) == (497, 500)
    assert await balance(event_no=first) == (500, 500)
    assert await balance(event_no=second) == (520, 500)
    assert await balance(event_no=back_dated) == (517, 500)
    assert await balance(event_no=void) == await balance() == (497, 500)


async def test_a_balance_is_at_every_date_the_sum_of_what_takes_effect_by_then(
    books: Books, accounts: AccountServiceAsyncStub
) -> None:
    # From either end of the history: what is nearer is read.
    acct_no, fibre = await books.account(plans=("Fibre",))
    days = [MAY + timedelta(days=day) for day in (0, 0, 30, 3, 9, 1, 30, 12, 27)]
    entries = [
        Entry(acct_no, (14, 10)[place % 2], 3**place, day, plan_instance_no=fibre if place % 3 else None)
        for place, day in enumerate(days)
    ]
    for entry in entries:
        await books.post(entry)

    for as_of in (date.min, *(MAY + timedelta(days=day) for day in range(-1, 32)), date.max):
        request = pb.GetBalanceRequest(client_no=CLIENT, acct_no=acct_no, effective_date=date_to_proto(as_of))
        answer = await accounts.GetBalance(request)
        assert answer.balance.minor_units == balance_at(entries, as_of, None, fibre)
        assert answer.plan_instance_balances[0].balance.minor_units == balance_at(entries, as_of, fibre)
        assert answer.account_only_balance.minor_units == balance_at(entries, as_of, None)


async def test_a_day_that_is_not_in_the_calendar_is_refused(
    books: Books, accounts: AccountServiceAsyncStub
) -> None:
    (acct_no,) = await books.account()
    request = pb.GetBalanceRequest(client_no=CLIENT, acct_no=acct_no)
    request.effective_date.year, request.effective_date.month, request.effective_date.day = 2026, 2, 30

    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await accounts.GetBalance(request)

    assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason_of(refusal.value) == "DATE_INVALID"


async def test_balances_of_many_accounts_come_in_the_order_of_the_request(
    books: Books, accounts: AccountServiceAsyncStub
) -> None:
    (ada,) = await books.account("Ada")
    (bob,) = await books.account("Bob", currency="JPY")
    (eve,) = await books.account("Eve", client_no=8)
    await books.post(Entry(ada, 14, 500, MAY), Entry(bob, 10, 9, MAY, currency="JPY"))

    answer = await accounts.BatchGetBalances(
        pb.BatchGetBalancesRequest(client_no=CLIENT, acct_nos=[bob, 999, eve, ada])
    )

    assert [
        (each.acct_no, each.balance.minor_units, each.balance.currency_code) for each in answer.balances
    ] == [(bob, -9, "JPY"), (ada, 500, "USD")]
