"""ExportJournal: every line once, in order, of one state of the books; its totals are the trial balance."""

import asyncio
import itertools
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import asyncpg
import grpc
import pytest

from ledger_service import journal_export
from tallybook.ledger.v1 import journal_pb2, journal_pb2_grpc, verification_pb2
from tests.integration.ledger.caller import (
    Ledger,
    check,
    check_refund,
    credit,
    day,
    external_charge,
    memo_line,
    refusal_of_call,
    reversal,
    transfer,
    write_off,
)
from tests.support.databases import FreshDatabase

DEBIT: Final = journal_pb2.JOURNAL_SIDE_DEBIT
CREDIT: Final = journal_pb2.JOURNAL_SIDE_CREDIT
MAY: Final = date(2026, 5, 1)
JUNE: Final = date(2026, 6, 1)


async def export(
    ledger: Ledger, **limits: date
) -> tuple[list[journal_pb2.JournalLine], journal_pb2.JournalTotals]:
    """All lines, and the totals."""
    request = journal_pb2.ExportJournalRequest(
        client_no=ledger.client_no, **{field: day(value) for field, value in limits.items()}
    )
    answers = [
        answer async for answer in journal_pb2_grpc.JournalServiceStub(ledger.channel).ExportJournal(request)
    ]
    pages = [answer.page for answer in answers[:-1]]
    assert all(0 < len(page.lines) <= 2_000 for page in pages)
    assert answers[-1].HasField("totals")
    return [line for page in pages for line in page.lines], answers[-1].totals


async def trial_balances(ledger: Ledger, as_of: date | None = None) -> list[verification_pb2.TrialBalance]:
    """What GetTrialBalance answers."""
    request = verification_pb2.GetTrialBalanceRequest(
        client_no=ledger.client_no, as_of_date=None if as_of is None else day(as_of)
    )
    return list((await ledger.verification.GetTrialBalance(request)).trial_balances)


async def every_type(ledger: Ledger) -> dict[str, int]:
    """Books with a bit of everything; some numbers to be found again."""
    acct, other = await ledger.account(50_00), await ledger.account()
    foreign = await ledger.account(7, currency="JPY")
    invoice = await ledger.invoice(acct, (1, 40_00), (3, 1_00))
    line = invoice.lines[0].event_no
    paid, charged = await ledger.posted(check(acct, 10_00), external_charge(acct, 5_00))
    refund, reversed_ = await ledger.posted(
        check_refund(acct, paid, 4_00, document="r"), reversal(acct, charged, 1_00, document="r")
    )
    (memo,) = await ledger.posted(memo_line(acct, line, 1_00))
    (written_off,) = await ledger.posted(write_off(acct, invoice.invoice_no, 2_00))
    await ledger.posted(credit(acct, 1_00), transfer(acct, other, 3_00))
    await ledger.posted(external_charge(foreign, 9, currency="JPY"))
    voided = await ledger.void(written_off)
    return {
        "acct": acct,
        "invoice": invoice.invoice_no,
        "line": line,
        "memo": memo,
        "written_off": written_off,
        "void": voided.transactions[0].event_no,
        "refund": refund,
        "reversal": reversed_,
    }


async def test_every_transaction_has_a_debit_and_a_credit_line_by_event_no(ledger: Ledger) -> None:
    books = await every_type(ledger)
    lines, totals = await export(ledger)
    assert [(line.event_no, line.side) for line in lines] == [
        (event_no, side) for event_no in sorted({line.event_no for line in lines}) for side in (DEBIT, CREDIT)
    ]
    assert (totals.transactions, totals.lines) == (len(lines) // 2, len(lines))
    by_event = {
        event_no: list(each) for event_no, each in itertools.groupby(lines, lambda line: line.event_no)
    }
    debit, credited = by_event[books["line"]]
    transaction = await ledger.transaction(books["line"])
    assert (debit.gl_account, credited.gl_account) == ("1200", "4000")
    assert debit.amount == credited.amount == transaction.amount
    assert (debit.transaction_type, debit.invoice_line_type) == (21, 1)
    assert (debit.effective_date, debit.recorded_at) == (transaction.effective_date, transaction.created_at)
    assert (debit.acct_no, debit.source_no) == (transaction.acct_no, transaction.source_no)
    for name in ("line", "memo", "written_off", "void"):
        assert {line.invoice_no for line in by_event[books[name]]} == {books["invoice"]}, name
    for name in ("refund", "reversal"):
        assert {line.invoice_no for line in by_event[books[name]]} == {0}, name
    void_debit, void_credit = by_event[books["void"]]
    assert (void_debit.gl_account, void_credit.gl_account) == ("1200", "6100")
    assert void_debit.voids_event_no == void_credit.voids_event_no == books["written_off"]


async def test_the_totals_are_those_of_the_trial_balance(ledger: Ledger) -> None:
    await every_type(ledger)
    acct = await ledger.account()
    await ledger.posted(check(acct, 1, effective_date=day(MAY)), check(acct, 2, effective_date=day(JUNE)))
    _, totals = await export(ledger)
    assert list(totals.trial_balances) == await trial_balances(ledger)
    assert len(totals.trial_balances) == 2
    _, totals = await export(ledger, effective_to=MAY)
    assert list(totals.trial_balances) == await trial_balances(ledger, MAY)
    stranger = Ledger(ledger.channel, 2)
    assert await export(stranger) == ([], journal_pb2.JournalTotals())


async def test_a_range_has_both_of_its_days_and_ranges_combine(
    ledger: Ledger, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    acct = await ledger.account()
    days = [MAY, JUNE, JUNE + timedelta(days=1)]
    event_nos = await ledger.posted(*(check(acct, 1, effective_date=day(each)) for each in days))
    recorded = ["2026-05-31T23:59:59.999999Z", "2026-06-01T00:00:00Z", "2026-06-01T23:59:59.999999Z"]
    for event_no, instant in zip(event_nos, recorded, strict=True):
        await sql.execute(
            "UPDATE acct_transaction SET created_at = $1 WHERE event_no = $2",
            datetime.fromisoformat(instant),
            event_no,
        )

    async def places(**limits: date) -> list[int]:
        lines, totals = await export(ledger, **limits)
        assert totals.lines == len(lines)
        return sorted({event_nos.index(line.event_no) for line in lines})

    assert await places() == [0, 1, 2]
    assert await places(effective_from=JUNE) == [1, 2]
    assert await places(effective_from=MAY, effective_to=JUNE) == [0, 1]
    assert await places(recorded_from=JUNE) == [1, 2]
    assert await places(recorded_to=JUNE) == [0, 1, 2]
    assert await places(recorded_to=JUNE - timedelta(days=1)) == [0]
    assert await places(recorded_from=JUNE, recorded_to=JUNE, effective_to=JUNE) == [1]
    assert await places(effective_from=date.max) == []
    assert await places(effective_to=date.max, recorded_to=date.max) == [0, 1, 2]
    for first, last in (("effective_from", "effective_to"), ("recorded_from", "recorded_to")):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await export(ledger, **{first: JUNE, last: MAY})
        assert refusal_of_call(caught.value).reason == "DATE_INVALID"


async def test_an_export_has_one_state_of_the_books_however_long_it_takes(ledger: Ledger) -> None:
    acct = await ledger.account()
    await ledger.posted(*(external_charge(acct, 1) for _ in range(5_000)))
    expected = await trial_balances(ledger)
    call: Any = journal_pb2_grpc.JournalServiceStub(ledger.channel).ExportJournal(
        journal_pb2.ExportJournalRequest(client_no=1)
    )
    pages = [(await call.read()).page]
    await ledger.posted(*(external_charge(acct, 1) for _ in range(1_000)))
    while (answer := await call.read()).HasField("page"):
        pages.append(answer.page)
    assert [len(page.lines) for page in pages] == [2_000] * 5
    assert list(answer.totals.trial_balances) == expected
    assert len({line.event_no for page in pages for line in page.lines}) == 5_000


async def test_an_export_by_days_of_recording_waits_for_what_is_under_way(
    ledger: Ledger, database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ledger.posted(check(await ledger.account(), 1))
    today = datetime.now(UTC).date()
    somebody = await asyncpg.connect(database.owner_url)
    try:
        async with somebody.transaction():
            await somebody.execute("SELECT pg_current_xact_id()")
            lines, _ = await export(ledger)
            assert len(lines) == 2
            waiting = asyncio.create_task(export(ledger, recorded_to=today))
            await asyncio.sleep(0.3)
            assert not waiting.done()
        lines, _ = await waiting
        assert len(lines) == 2
        monkeypatch.setattr(journal_export, "_LONGEST_WAIT_SECONDS", 0.1)
        async with somebody.transaction():
            await somebody.execute("SELECT pg_current_xact_id()")
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await export(ledger, recorded_to=today)
        assert refusal_of_call(caught.value).reason == "CONCURRENT_CHANGE"
    finally:
        await somebody.close()


async def test_an_export_that_nobody_takes_any_more_gives_its_connection_back(
    ledger: Ledger, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    acct = await ledger.account()
    await ledger.posted(*(external_charge(acct, 1) for _ in range(5_000)))
    call: Any = journal_pb2_grpc.JournalServiceStub(ledger.channel).ExportJournal(
        journal_pb2.ExportJournalRequest(client_no=1)
    )
    await call.read()
    call.cancel()
    for _ in range(100):
        open_snapshots = await sql.fetchval(
            """
            SELECT count(*) FROM pg_stat_activity
             WHERE application_name = 'ledger' AND datname = current_database() AND state <> 'idle'
            """
        )
        if not open_snapshots:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the snapshot is held for ever")
