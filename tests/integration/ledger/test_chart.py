"""GlAccountService: a client's own accounts and mappings concern what comes, never what was read before."""

import asyncio
from datetime import date, timedelta
from typing import Any, Final

import asyncpg
import grpc
import pytest

from ledger_service import store_chart
from tallybook.audit.v1 import audit_event_pb2
from tallybook.ledger.v1 import gl_account_pb2, gl_account_pb2_grpc, verification_pb2
from tests.integration.ledger.caller import (
    Ledger,
    check,
    credit,
    day,
    external_charge,
    key,
    refusal_of_call,
    transfer,
)
from tests.integration.ledger.conftest import Serve

REVENUE: Final = gl_account_pb2.GL_ACCOUNT_KIND_REVENUE
DEFAULT: Final = gl_account_pb2.GL_ORIGIN_DEFAULT
OWN: Final = gl_account_pb2.GL_ORIGIN_CLIENT
RECURRING: Final = {"invoice_line_type": 1}
EXTERNAL_CHARGE: Final = {"transaction_type": 14}
TODAY: Final = date(2026, 6, 15)


class Chart:
    """Calls GlAccountService for the client of a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.stub = gl_account_pb2_grpc.GlAccountServiceStub(ledger.channel)

    async def create(self, code: str, name: str = "Fibre revenue", request_id: str = "") -> Any:
        """An account of the client's own."""
        return await self.stub.CreateGlAccount(
            gl_account_pb2.CreateGlAccountRequest(
                client_no=self.ledger.client_no,
                request_id=request_id or key(),
                code=code,
                name=name,
                kind=REVENUE,
            )
        )

    async def set(self, of: dict[str, Any], code: str, request_id: str = "", **fields: Any) -> Any:
        """Another counter account."""
        return await self.stub.SetGlMapping(
            gl_account_pb2.SetGlMappingRequest(
                client_no=self.ledger.client_no,
                request_id=request_id or key(),
                key=gl_account_pb2.GlMappingKey(**of),
                gl_account=code,
                **fields,
            )
        )

    async def reset(self, of: dict[str, Any]) -> Any:
        """The default again."""
        return await self.stub.ResetGlMapping(
            gl_account_pb2.ResetGlMappingRequest(
                client_no=self.ledger.client_no, request_id=key(), key=gl_account_pb2.GlMappingKey(**of)
            )
        )

    async def mapping(self, of: dict[str, Any], effective_date: date | None = None) -> Any:
        """What is booked where."""
        answer = await self.stub.ListGlMappings(
            gl_account_pb2.ListGlMappingsRequest(
                client_no=self.ledger.client_no,
                effective_date=None if effective_date is None else day(effective_date),
            )
        )
        (found,) = [each for each in answer.mappings if each.key == gl_account_pb2.GlMappingKey(**of)]
        return found

    async def balances(self) -> dict[str, int]:
        """Debits less credits of each general ledger account; in sound books they come to nothing."""
        request = verification_pb2.GetTrialBalanceRequest(client_no=self.ledger.client_no)
        answer = await self.ledger.verification.GetTrialBalance(request)
        balances = {
            line.gl_account: line.debits.minor_units - line.credits.minor_units
            for trial_balance in answer.trial_balances
            for line in trial_balance.lines
        }
        assert sum(balances.values()) == 0
        return {code: balance for code, balance in balances.items() if balance}


@pytest.fixture
def chart(ledger: Ledger) -> Chart:
    """The chart of client 1."""
    return Chart(ledger)


async def reason_of(call: Any) -> tuple[grpc.StatusCode, str]:
    """Why a call is refused."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    refusal = refusal_of_call(caught.value)
    return refusal.code, refusal.reason


async def test_the_chart_begins_with_the_defaults_and_takes_accounts_of_the_clients_own(chart: Chart) -> None:
    created = await chart.create("4001")
    assert (created.gl_account.code, created.gl_account.name) == ("4001", "Fibre revenue")
    answer = await chart.stub.ListGlAccounts(gl_account_pb2.ListGlAccountsRequest(client_no=1))
    codes = [account.code for account in answer.gl_accounts]
    assert codes == sorted(codes)
    assert [each.code for each in answer.gl_accounts if each.origin == OWN] == ["4001"]
    assert {"1000", "1200", "4000", "6100"} < set(codes)
    others = await chart.stub.ListGlAccounts(gl_account_pb2.ListGlAccountsRequest(client_no=2))
    assert "4001" not in [account.code for account in others.gl_accounts]


async def test_every_type_and_line_type_has_its_default_mapping(chart: Chart) -> None:
    answer = await chart.stub.ListGlMappings(gl_account_pb2.ListGlMappingsRequest(client_no=1))
    assert len(answer.mappings) == 14 + 9
    assert all(each.origin == DEFAULT and not each.overrides for each in answer.mappings)
    assert all("1200" in {each.debit_gl_account, each.credit_gl_account} for each in answer.mappings)
    recurring, payment = await chart.mapping(RECURRING), await chart.mapping({"transaction_type": 3})
    assert (recurring.name, recurring.debit_gl_account, recurring.credit_gl_account) == (
        "Recurring Charge",
        "1200",
        "4000",
    )
    assert (payment.debit_gl_account, payment.credit_gl_account) == ("1010", "1200")


async def test_a_change_concerns_what_is_recorded_after_it_and_a_reset_too(chart: Chart) -> None:
    ledger, acct = chart.ledger, await chart.ledger.account()
    await chart.create("4001")
    await ledger.posted(external_charge(acct, 1))
    changed = await chart.set(EXTERNAL_CHARGE, "4001")
    assert [each.credit_gl_account for each in changed.mappings] == ["4001"]
    assert await chart.balances() == {"1200": 1, "4100": -1}
    await ledger.posted(external_charge(acct, 10))
    assert await chart.balances() == {"1200": 11, "4100": -1, "4001": -10}
    await chart.reset(EXTERNAL_CHARGE)
    await ledger.posted(external_charge(acct, 100))
    assert await chart.balances() == {"1200": 111, "4100": -101, "4001": -10}
    mapping = await chart.mapping(EXTERNAL_CHARGE)
    assert (mapping.origin, mapping.credit_gl_account) == (DEFAULT, "4100")
    assert [override.gl_account for override in mapping.overrides] == ["4001", ""]
    assert mapping.overrides[0].from_event_no < mapping.overrides[1].from_event_no
    assert await ledger.findings() == []


async def test_a_change_may_wait_for_a_day_to_take_effect(chart: Chart) -> None:
    ledger, acct = chart.ledger, await chart.ledger.account()
    await chart.create("4001")
    await chart.set(EXTERNAL_CHARGE, "4001", effective_from=day(TODAY))
    eve = TODAY - timedelta(days=1)
    await ledger.posted(
        external_charge(acct, 1, effective_date=day(eve)),
        external_charge(acct, 10, effective_date=day(TODAY)),
    )
    assert await chart.balances() == {"1200": 11, "4100": -1, "4001": -10}
    assert (await chart.mapping(EXTERNAL_CHARGE, eve)).credit_gl_account == "4100"
    assert (await chart.mapping(EXTERNAL_CHARGE, TODAY)).credit_gl_account == "4001"


async def test_a_void_is_booked_where_what_it_voids_was(chart: Chart) -> None:
    ledger, acct = chart.ledger, await chart.ledger.account()
    await chart.create("4001")
    old, older = await ledger.posted(
        external_charge(acct, 1), external_charge(acct, 2, effective_date=day(TODAY - timedelta(days=9)))
    )
    await chart.set(EXTERNAL_CHARGE, "4001", effective_from=day(TODAY))
    (new,) = await ledger.posted(external_charge(acct, 10, effective_date=day(TODAY)))
    for event_no in (old, older, new):
        await ledger.void(event_no, effective_date=day(TODAY + timedelta(days=1)))
    assert await chart.balances() == {}
    assert await ledger.findings() == []


async def test_a_line_type_has_a_mapping_of_its_own(chart: Chart) -> None:
    ledger, acct = chart.ledger, await chart.ledger.account()
    await chart.create("4001")
    await chart.set(RECURRING, "4001")
    invoice = await ledger.invoice(acct, (1, 100), (6, 10), (3, 1))
    assert await chart.balances() == {"1200": 109, "4001": -100, "4020": -10, "4900": 1}
    await ledger.void_invoice(invoice.invoice_no)
    assert await chart.balances() == {}


async def test_both_legs_of_a_transfer_always_meet_on_one_account(chart: Chart) -> None:
    ledger = chart.ledger
    source, target = await ledger.account(50), await ledger.account()
    await chart.create("1301", "Transfers")
    changed = await chart.set({"transaction_type": 4}, "1301")
    assert [each.key.transaction_type for each in changed.mappings] == [4, 5]
    await ledger.posted(transfer(source, target))
    assert await chart.balances() == {"1200": 50, "3900": -50}


async def test_two_changes_in_a_row_without_a_posting_between_leave_the_newer_one(chart: Chart) -> None:
    acct = await chart.ledger.account()
    for code in ("4001", "4002"):
        await chart.create(code)
        await chart.set(EXTERNAL_CHARGE, code)
    await chart.ledger.posted(external_charge(acct, 1))
    assert await chart.balances() == {"1200": 1, "4002": -1}


async def test_nothing_that_could_be_read_before_a_change_is_booked_elsewhere_after_it(
    chart: Chart,
    serve: Serve,
    sql: "asyncpg.Connection[asyncpg.Record]",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is posted while a change is under way is booked as before, or has to wait for the change."""
    ledgers = [chart.ledger, Ledger(await serve(), 1)]
    accounts = [await ledger.account() for ledger in ledgers]
    await chart.create("4001")
    insert = store_chart.insert_overrides
    read: dict[int, str] = {}

    async def journal() -> dict[int, str]:
        rows = await sql.fetch("SELECT event_no, gl_account FROM journal WHERE line_no = 2")
        return {row["event_no"]: row["gl_account"] for row in rows}

    async def insert_late(*arguments: Any, **fields: Any) -> None:
        await insert(*arguments, **fields)
        await asyncio.sleep(0.1)
        read.update(await journal())

    monkeypatch.setattr(store_chart, "insert_overrides", insert_late)
    done = asyncio.Event()

    async def post(ledger: Ledger, acct: int) -> None:
        while not done.is_set():
            await ledger.posted(external_charge(acct, 1))

    posting = [
        asyncio.create_task(post(*each)) for each in zip(ledgers, accounts, strict=True) for _ in range(3)
    ]
    for code in ("4001", "4100") * 3:
        await asyncio.sleep(0.05)
        await chart.set(EXTERNAL_CHARGE, code)
        now = await journal()
        assert {event_no: now[event_no] for event_no in read} == read
    done.set()
    await asyncio.gather(*posting)
    assert set((await journal()).values()) == {"4001", "4100"}
    assert await chart.ledger.findings() == []


async def test_the_same_key_changes_the_chart_once(
    chart: Chart, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    created = await asyncio.gather(*(chart.create("4001", request_id="chart-1") for _ in range(5)))
    assert all(each == created[0] for each in created)
    changed = await asyncio.gather(
        *(chart.set(EXTERNAL_CHARGE, "4001", request_id="chart-2") for _ in range(5))
    )
    assert all(each == changed[0] for each in changed)
    assert await sql.fetchval("SELECT count(*) FROM gl_override") == 1
    reused = (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")
    assert await reason_of(chart.set(EXTERNAL_CHARGE, "4000", request_id="chart-2")) == reused
    assert await reason_of(chart.create("4002", request_id="chart-2")) == reused


async def test_every_change_of_the_chart_is_told_to_the_audit_log(
    chart: Chart, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await sql.execute("DELETE FROM audit_outbox")
    await chart.create("4001")
    await chart.set(RECURRING, "4001", effective_from=day(TODAY))
    await chart.reset({"transaction_type": 5})
    rows = await sql.fetch("SELECT payload FROM audit_outbox ORDER BY outbox_no")
    events = [audit_event_pb2.AuditEvent.FromString(row["payload"]) for row in rows]
    assert [
        (each.event_type, each.entity_changed.entity_id, each.entity_changed.action) for each in events
    ] == [
        ("ledger.gl_account", "4001", "created"),
        ("ledger.gl_mapping", "invoice_line_type 1", "changed"),
        ("ledger.gl_mapping", "transaction_type 4", "reset"),
        ("ledger.gl_mapping", "transaction_type 5", "reset"),
    ]
    assert {(each.client_no, each.actor) for each in events} == {(1, "developer")}
    assert "4001" in events[1].summary
    assert "2026-06-15" in events[1].summary


async def test_what_can_not_be_in_a_chart_is_refused(chart: Chart) -> None:
    invalid = (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    await chart.create("4001")
    exists = (grpc.StatusCode.ALREADY_EXISTS, "GL_ACCOUNT_EXISTS")
    assert await reason_of(chart.create("4001")) == exists
    assert await reason_of(chart.create("1200")) == exists
    for code in ("", "40 01", "-4001", "4" * 21, "a\0"):
        assert await reason_of(chart.create(code)) == invalid
    assert await reason_of(chart.create("4002", "a\0b")) == invalid
    not_found = (grpc.StatusCode.NOT_FOUND, "GL_ACCOUNT_NOT_FOUND")
    assert await reason_of(chart.set(RECURRING, "4999")) == not_found
    not_allowed = (grpc.StatusCode.INVALID_ARGUMENT, "GL_ACCOUNT_NOT_ALLOWED")
    assert await reason_of(chart.set(RECURRING, "1200")) == not_allowed
    for kind in (0, 21, 22, -2, 7):
        assert await reason_of(chart.set({"transaction_type": kind}, "4001")) == invalid
    assert await reason_of(chart.set({"invoice_line_type": 10}, "4001")) == invalid
    assert await reason_of(chart.set({}, "4001")) == invalid
    stranger = Chart(Ledger(chart.ledger.channel, 2))
    assert await reason_of(stranger.set(RECURRING, "4001")) == not_found


async def test_a_mapping_to_an_account_that_is_gone_from_the_chart_is_found(
    chart: Chart, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    acct = await chart.ledger.account(5)
    await chart.create("4001")
    await chart.set({"transaction_type": 10}, "4001")
    await chart.ledger.posted(credit(acct, 1), check(acct, 1))
    assert await chart.ledger.findings() == []
    await sql.execute("DELETE FROM client_gl_account")
    assert await chart.ledger.findings() == ["the journal has no general ledger account for its debit"]
