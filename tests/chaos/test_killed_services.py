"""Kills each service in the middle of a nightly cycle: nothing is lost, and nothing is done twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Final

import pytest
from google.type.date_pb2 import Date

from tallybook.audit.v1 import audit_pb2, audit_pb2_grpc
from tallybook.batch.v1 import (
    batch_pb2,
    batch_pb2_grpc,
    batch_status_pb2,
    billing_setup_pb2,
    billing_setup_pb2_grpc,
)
from tallybook.ledger.v1 import (
    account_pb2,
    account_pb2_grpc,
    invoice_pb2,
    invoice_pb2_grpc,
    ledger_pb2,
    ledger_pb2_grpc,
    transaction_type_pb2,
    verification_pb2,
    verification_pb2_grpc,
)
from tallybook.type.v1.money_pb2 import Money
from tests.support.launches import RunningTallybook, running_tallybook

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.timeout(240)]

CLIENT: Final = 1
ACCOUNTS: Final = 1_500
PRICE: Final = 1_250
ENDED: Final = {
    batch_status_pb2.BATCH_STATUS_OK,
    batch_status_pb2.BATCH_STATUS_INCOMPLETE,
    batch_status_pb2.BATCH_STATUS_ERROR,
    batch_status_pb2.BATCH_STATUS_PARTIAL,
    batch_status_pb2.BATCH_STATUS_WARNING,
}
CYCLE: Final = ["housekeeping", "invoicer", "billing_manager", "dunning_manager"]
DATE: Final = Date(year=2026, month=3, day=1)


@pytest.fixture
async def tallybook() -> AsyncIterator[RunningTallybook]:
    # What a dead worker held is picked up sooner than by default, so that the test does not wait for it.
    async with running_tallybook(
        {"TALLYBOOK_BATCH_LEASE_SECONDS": "3", "TALLYBOOK_BATCH_SWEEP_SECONDS": "1"}
    ) as running:
        yield running


@pytest.mark.parametrize("victim", ["ledger", "batch", "audit"])
async def test_a_cycle_survives_the_death_of_any_service(tallybook: RunningTallybook, victim: str) -> None:
    await open_accounts(tallybook)
    sessions = await run_daily_cycle(tallybook)
    assert [session.process_code for session in sessions] == CYCLE

    await until_half_way(tallybook, "invoicer")
    assert not await all_ended(tallybook), "the cycle was over before it could be disturbed"
    await tallybook.kill_and_restart(victim)
    # Without the audit service the cycle goes on, perhaps to its end: no event must get lost then either.
    await until_half_way(tallybook, "billing_manager")
    await tallybook.kill_and_restart(victim)
    ended = await until_ended(tallybook)

    assert [session.status for session in ended] == [batch_status_pb2.BATCH_STATUS_OK] * len(CYCLE), ended
    await assert_billed_and_paid_exactly_once(tallybook)
    await assert_audited(tallybook, ended)

    assert [session.session_no for session in await run_daily_cycle(tallybook, "again")] == [
        session.session_no for session in ended
    ]
    await assert_billed_and_paid_exactly_once(tallybook)


async def open_accounts(tallybook: RunningTallybook) -> None:
    """Opens accounts that are due on the date and pay by card."""
    accounts = account_pb2_grpc.AccountServiceStub(tallybook.channels["ledger"])
    setup = billing_setup_pb2_grpc.BillingSetupServiceStub(tallybook.channels["batch"])
    opened: list[account_pb2.Account] = []
    for first in range(0, ACCOUNTS, 100):
        answers = await asyncio.gather(
            *(
                accounts.CreateAccount(
                    account_pb2.CreateAccountRequest(
                        client_no=CLIENT,
                        request_id=f"open-{number}",
                        name=f"Subscriber {number}",
                        currency_code="USD",
                        plan_instance_names=["Basic"],
                    )
                )
                for number in range(first, first + 100)
            )
        )
        opened += [answer.account for answer in answers]
    for first in range(0, ACCOUNTS, 1_000):
        some = opened[first : first + 1_000]
        await setup.SetRecurringPlans(
            billing_setup_pb2.SetRecurringPlansRequest(
                client_no=CLIENT,
                request_id=f"plans-{first}",
                recurring_plans=[
                    billing_setup_pb2.RecurringPlan(
                        acct_no=account.acct_no,
                        plan_instance_no=account.plan_instances[0].plan_instance_no,
                        description="Basic",
                        price=Money(currency_code="USD", minor_units=PRICE),
                        timing=billing_setup_pb2.BILLING_TIMING_IN_ADVANCE,
                        period_months=1,
                        anchor_day=1,
                        start_date=DATE,
                    )
                    for account in some
                ],
            )
        )
        await setup.SetPaymentMethods(
            billing_setup_pb2.SetPaymentMethodsRequest(
                client_no=CLIENT,
                request_id=f"methods-{first}",
                payment_methods=[
                    billing_setup_pb2.PaymentMethod(
                        acct_no=account.acct_no,
                        kind=billing_setup_pb2.ACCOUNT_PAYMENT_KIND_CARD,
                        payment_token="tok_approve",
                    )
                    for account in some
                ],
            )
        )


async def run_daily_cycle(tallybook: RunningTallybook, key: str = "cycle") -> list[batch_pb2.BatchSession]:
    batch = batch_pb2_grpc.BatchServiceStub(tallybook.channels["batch"])
    answer = await batch.RunDailyCycle(
        batch_pb2.RunDailyCycleRequest(client_no=CLIENT, request_id=key, business_date=DATE)
    )
    return list(answer.sessions)


async def sessions_of(tallybook: RunningTallybook) -> dict[str, batch_pb2.BatchSession]:
    batch = batch_pb2_grpc.BatchServiceStub(tallybook.channels["batch"])
    answer = await batch.ListBatchSessions(
        batch_pb2.ListBatchSessionsRequest(client_no=CLIENT), wait_for_ready=True
    )
    return {session.process_code: session for session in answer.sessions}


async def until_half_way(tallybook: RunningTallybook, process_code: str) -> None:
    """Returns when some records of the process were worked, or all, when it was faster than we looked."""
    while True:
        session = (await sessions_of(tallybook))[process_code]
        if session.records_ok + session.records_failed > 0 or session.status in ENDED:
            return
        await asyncio.sleep(0.01)


async def all_ended(tallybook: RunningTallybook) -> bool:
    sessions = await sessions_of(tallybook)
    return all(sessions[code].status in ENDED for code in CYCLE)


async def until_ended(tallybook: RunningTallybook) -> list[batch_pb2.BatchSession]:
    """Returns the sessions of the cycle when all have ended."""
    async with asyncio.timeout(120):
        while True:
            sessions = await sessions_of(tallybook)
            if all(sessions[code].status in ENDED for code in CYCLE):
                return [sessions[code] for code in CYCLE]
            await asyncio.sleep(0.2)


async def assert_billed_and_paid_exactly_once(tallybook: RunningTallybook) -> None:
    ledger = ledger_pb2_grpc.LedgerServiceStub(tallybook.channels["ledger"])
    invoices = invoice_pb2_grpc.InvoiceServiceStub(tallybook.channels["ledger"])
    verification = verification_pb2_grpc.VerificationServiceStub(tallybook.channels["ledger"])

    posted: Counter[tuple[int, int]] = Counter()
    token = ""
    while True:
        page = await ledger.ListTransactions(
            ledger_pb2.ListTransactionsRequest(client_no=CLIENT, page_size=1_000, page_token=token)
        )
        posted.update((each.acct_no, each.transaction_type) for each in page.transactions)
        assert {each.amount.minor_units for each in page.transactions} == {PRICE}
        token = page.next_page_token
        if not token:
            break
    assert set(posted.values()) == {1}
    assert Counter(transaction_type for _, transaction_type in posted) == {
        transaction_type_pb2.TRANSACTION_TYPE_INVOICE_CHARGE_LINE_ITEM: ACCOUNTS,
        transaction_type_pb2.TRANSACTION_TYPE_ELECTRONIC_PAYMENT: ACCOUNTS,
    }
    first_page = await invoices.ListInvoices(
        invoice_pb2.ListInvoicesRequest(client_no=CLIENT, page_size=1_000)
    )
    assert len(first_page.invoices) == 1_000

    parts = [
        part
        async for part in verification.VerifyLedger(verification_pb2.VerifyLedgerRequest(client_no=CLIENT))
    ]
    assert [part.finding for part in parts if part.HasField("finding")] == []
    assert parts[-1].summary.transactions == 2 * ACCOUNTS


async def assert_audited(tallybook: RunningTallybook, ended: list[batch_pb2.BatchSession]) -> None:
    """The audit log knows every session as it ended; the relay may still be on its way."""
    audit = audit_pb2_grpc.AuditServiceStub(tallybook.channels["audit"])
    expected = {session.session_no: (session.status, session.records_ok) for session in ended}
    found: dict[int, tuple[int, int]] = {}
    for _ in range(150):
        answer = await audit.SearchBatchProcesses(
            audit_pb2.SearchBatchProcessesRequest(from_date=DATE, to_date=DATE, client_nos=[CLIENT])
        )
        found = {session.session_no: (session.status, session.records_ok) for session in answer.sessions}
        if found == expected:
            return
        await asyncio.sleep(0.2)
    assert found == expected
