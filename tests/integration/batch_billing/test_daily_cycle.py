"""The whole night as the service runs it: queued over gRPC, worked by its workers, seen in the ledger."""

import grpc
import pytest

from batch_service.service import BATCH
from tallybook.batch.v1 import batch_pb2, batch_pb2_grpc, batch_status_pb2
from tallybook.batch.v1 import billing_setup_pb2 as setup
from tests.integration.batch_billing.books import Books
from tests.integration.batch_billing.caller import CLIENT, Caller, batch_settings, day, key, plan, usd
from tests.support.databases import FreshDatabase
from tests.support.servers import StartServer

OK = batch_status_pb2.BATCH_STATUS_OK
PARTIAL = batch_status_pb2.BATCH_STATUS_PARTIAL


@pytest.fixture
async def channel(
    batch_database: FreshDatabase,
    ledger_channel: grpc.aio.Channel,
    ledger_target: str,
    start_server: StartServer,
) -> grpc.aio.Channel:
    """A batch service with workers and a ledger."""
    return await start_server(BATCH, batch_settings(batch_database, ledger_target=ledger_target))


async def run_night(channel: grpc.aio.Channel, date: str) -> dict[str, batch_pb2.BatchSession]:
    stub: batch_pb2_grpc.BatchServiceAsyncStub = batch_pb2_grpc.BatchServiceStub(channel)
    queued = await stub.RunDailyCycle(
        batch_pb2.RunDailyCycleRequest(client_no=CLIENT, request_id=key(), business_date=day(date))
    )
    sessions = {}
    for session in queued.sessions:
        watched = stub.WatchBatchSession(
            batch_pb2.WatchBatchSessionRequest(client_no=CLIENT, session_no=session.session_no)
        )
        async for message in watched:
            sessions[session.process_code] = message.session
    return sessions


async def test_a_night_bills_collects_and_duns(
    channel: grpc.aio.Channel, ledger_channel: grpc.aio.Channel
) -> None:
    caller, books = Caller(channel), Books(ledger_channel, CLIENT)
    tokens = ["tok_approve", "tok_timeout", "tok_pending", "tok_soft_decline", "tok_hard_decline", ""]
    accounts = {token: await books.open_account() for token in tokens}
    await caller.set_plans(
        *[
            plan(acct_no=account.acct_no, plan_instance_no=account.plan_instance_no)
            for account in accounts.values()
        ]
    )
    await caller.set_methods(
        *[
            setup.PaymentMethod(
                acct_no=account.acct_no,
                kind=setup.ACCOUNT_PAYMENT_KIND_CARD if token else setup.ACCOUNT_PAYMENT_KIND_EXTERNAL,
                payment_token=token,
            )
            for token, account in accounts.items()
        ]
    )
    await caller.set_steps(
        setup.DunningStep(
            step_no=1, days_past_due=1, action=setup.DUNNING_ACTION_FIXED_CHARGE, fixed_charge=usd(500)
        )
    )

    first = await run_night(channel, "2026-01-01")
    assert {code: session.status for code, session in first.items()} == {
        "housekeeping": OK,
        "invoicer": OK,
        "billing_manager": PARTIAL,
        "dunning_manager": OK,
    }
    assert first["invoicer"].records_ok == len(tokens)
    assert (first["billing_manager"].records_ok, first["billing_manager"].records_failed) == (2, 3)

    second = await run_night(channel, "2026-01-02")
    assert second["billing_manager"].status == PARTIAL
    balances = {token: await books.balance(account) for token, account in accounts.items()}
    assert balances == {
        "tok_approve": 0,
        "tok_timeout": 0,
        "tok_pending": 0,
        "tok_soft_decline": 3600,
        "tok_hard_decline": 3600,
        "": 3600,
    }
    assert len(await caller.positions()) == 3

    again = await run_night(channel, "2026-01-02")
    assert {session.attempt for session in again.values()} == {1}
    assert {token: await books.balance(account) for token, account in accounts.items()} == balances
