"""Whatever is asked for, the answer arrives: at a client that takes 4 MiB, as gRPC has it by default."""

import asyncio
from datetime import date
from typing import Final

import asyncpg
import grpc
import pytest

from tallybook.ledger.v1 import account_pb2
from tests.integration.ledger.caller import (
    JANUARY,
    Ledger,
    RefusedError,
    check,
    check_refund,
    day,
    external_charge,
    invoice_line,
    key,
    number,
    payment,
    refusal_of,
    reversal,
)

# As many bytes as a character can have, and one that messages show by its number.
WIDE: Final = "\U000e0001"


async def test_ten_thousand_refusals_arrive_and_each_has_its_reason(ledger: Ledger) -> None:
    acct = await ledger.account()
    response = await ledger.post(*(payment(acct, 1, WIDE * 128) for _ in range(10_000)))
    (posted,) = response.results[0].transactions
    refusals = [refusal_of(result.error) for result in response.results[1:]]
    assert {(each.reason, each.domain) for each in refusals} == {
        ("GATEWAY_REFERENCE_TAKEN", "ledger.tallybook")
    }
    assert all(each.message.startswith("the gateway reference") for each in refusals)
    assert posted.event_no


async def test_few_refusals_are_told_in_full(ledger: Ledger) -> None:
    acct = await ledger.account()
    await ledger.posted(check(acct, 1, WIDE * 64))
    (refused,) = (await ledger.post(check(acct, 1, WIDE * 64))).results
    assert refusal_of(refused.error).metadata["acct_no"] == str(acct)
    assert refusal_of(refused.error).subjects == (f"account/{acct}",)


async def test_a_document_has_at_most_a_thousand_drafts_and_the_voids_of_all_arrive(ledger: Ledger) -> None:
    acct = await ledger.account()
    lines = [
        invoice_line(acct, 1, 1, document="long", comment=WIDE * 500, reason_code=WIDE * 32)
        for _ in range(1_001)
    ]
    for line in lines:
        line.new_invoice_line.description = WIDE * 255
    assert set(await ledger.refusals(*lines)) == {"DOCUMENT_INVALID"}
    await ledger.posted(*lines[1:])
    page = await ledger.transaction(1)
    voids = await ledger.void_invoice(page.invoice_line.invoice_no, comment=WIDE * 500, reason_code=WIDE * 32)
    assert len(voids.transactions) == 1_000
    assert await ledger.balance(acct) == 0


async def test_a_refund_is_voided_with_all_the_reversals_that_it_can_have(ledger: Ledger) -> None:
    acct = await ledger.account()
    (charge, paid) = await ledger.posted(external_charge(acct, 10_000), check(acct, 10_000))
    reversals = [reversal(acct, charge, 1, document="r", comment=WIDE * 500) for _ in range(999)]
    refund, *_ = await ledger.posted(check_refund(acct, paid, 999, document="r"), *reversals)
    assert len((await ledger.void(refund, comment=WIDE * 500)).transactions) == 1_000


async def test_a_page_of_accounts_ends_earlier_when_their_plans_have_long_names(ledger: Ledger) -> None:
    opened = await asyncio.gather(*(ledger.open_account(plans=[WIDE * 255] * 100) for _ in range(50)))
    listed: list[int] = []
    token = ""
    while True:
        page = await ledger.accounts.ListAccounts(
            account_pb2.ListAccountsRequest(client_no=1, page_size=1_000, page_token=token)
        )
        listed += [account.acct_no for account in page.accounts]
        token = page.next_page_token
        if not token:
            break
    assert listed == sorted(each.account.acct_no for each in opened)
    assert len(page.accounts) < len(listed), "they came on one page, so nothing was tested"


async def test_a_statement_with_more_text_than_a_message_holds_is_refused(ledger: Ledger) -> None:
    acct = await ledger.account()
    await ledger.posted(
        *(check(acct, 1, f"{number()}-{WIDE * 50}", comment=WIDE * 500) for _ in range(2_000))
    )
    period = {"period_start": day(date.min), "period_end": day(date.max)}
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ledger.accounts.GetStatement(
            account_pb2.GetStatementRequest(client_no=1, acct_no=acct, **period)
        )
    assert refused.value.code() is grpc.StatusCode.OUT_OF_RANGE
    assert "choose a shorter period" in (refused.value.details() or "")


async def test_an_invoice_twice_in_a_call_that_is_all_or_nothing_says_which_draft_is_refused(
    ledger: Ledger,
) -> None:
    acct = await ledger.account()
    twice = [invoice_line(acct, 1, 10, JANUARY), invoice_line(acct, 1, 20, JANUARY)]
    with pytest.raises(RefusedError) as refused:
        await ledger.post(*twice, all_or_nothing=True)
    assert refused.value.refusal.reason == "INVOICE_EXISTS"
    assert refused.value.refusal.metadata["draft"] == "1"
    assert refused.value.refusal.message.startswith("drafts[1]: ")


async def test_an_account_has_no_more_plan_instances_than_fit_into_one_answer(
    ledger: Ledger, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    acct = await ledger.account(plans=[WIDE * 255] * 100)
    # As CreatePlanInstance would have added them, one call after the other.
    await sql.execute(
        """
        WITH added AS (
            INSERT INTO plan_instance (client_no, plan_instance_no, acct_no, name, created_at)
            SELECT 1, 1000000 + number, $1, $2, now() FROM generate_series(1, 2899) AS number
            RETURNING client_no, plan_instance_no
        )
        INSERT INTO plan_instance_balance (client_no, plan_instance_no, balance)
        SELECT client_no, plan_instance_no, 0 FROM added
        """,
        acct,
        WIDE * 255,
    )

    async def add() -> str:
        request = account_pb2.CreatePlanInstanceRequest(
            client_no=1, request_id=key(), acct_no=acct, name=WIDE * 255
        )
        try:
            await ledger._call(ledger.accounts.CreatePlanInstance, request)
        except RefusedError as refused:
            return refused.refusal.reason
        return ""

    added = await asyncio.gather(*(add() for _ in range(3)))

    assert sorted(added) == ["", "TOO_MANY_PLAN_INSTANCES", "TOO_MANY_PLAN_INSTANCES"]
    found = await ledger.accounts.GetAccount(account_pb2.GetAccountRequest(client_no=1, acct_no=acct))
    assert len(found.account.plan_instances) == 3_000
    balance = await ledger.accounts.GetBalance(account_pb2.GetBalanceRequest(client_no=1, acct_no=acct))
    assert len(balance.plan_instance_balances) == 3_000
