"""Leases and epochs, statement by statement: who lost a chunk changes nothing (rules 25 and 27)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, date, datetime

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from batch_service import session_changes, store_chunks, store_sessions
from batch_service.chunks import ChunkState, ChunkTicket, Claim
from batch_service.delivery import InProcessDelivery
from batch_service.processes.contract import SelectedRecord
from batch_service.rules.statuses import BatchStatus
from batch_service.sessions import NewSession, Session
from batch_service.store_chunks import LeaseLostError
from batch_service.unit_of_work import UnitOfWork, UnitsOfWork
from service_kit.clock import VirtualClock
from service_kit.database import engine_on
from tests.support.databases import NewDatabase

LEASE = 60.0
OVER = -1.0
"""A lease that has run out as soon as it is given."""


@pytest.fixture
async def engine(new_database: NewDatabase) -> AsyncIterator[AsyncEngine]:
    """A database without any engine running on it."""
    database = await new_database("batch_service")
    engine = engine_on(database.url, name="test")
    yield engine
    await engine.dispose()


@pytest.fixture
def units(engine: AsyncEngine) -> UnitsOfWork:
    """Units of work on it, whose clock stands still."""
    clock = VirtualClock(datetime(2026, 3, 1, tzinfo=UTC))
    return UnitsOfWork(engine, clock, InProcessDelivery(), redelivery=30.0)


@pytest.fixture
async def session(units: UnitsOfWork) -> Session:
    """A running session whose set-up is pending."""
    async with units.begin() as unit:
        queued = await session_changes.queue(unit, _new_session())
        return await session_changes.start(unit, queued, actor="test")


def _new_session() -> NewSession:
    return NewSession(
        client_no=1,
        process_code="first",
        batch_no=3,
        process_name="First process",
        business_date=date(2026, 3, 1),
        attempt=1,
        file_name="",
        status=BatchStatus.NEW,
        actor="test",
        message="",
        queued_at=datetime(2026, 3, 1, tzinfo=UTC),
        job_names=("a", "b", "c", "d"),
    )


def setup_ticket(session: Session) -> ChunkTicket:
    return ChunkTicket(session.client_no, session.session_no, 0, 1)


async def claimed(unit: UnitOfWork, ticket: ChunkTicket, lease: float = LEASE) -> Claim:
    claim = await store_chunks.claim(unit.connection, ticket, "worker", lease)
    assert claim is not None
    return claim


async def test_a_chunk_is_claimed_once(units: UnitsOfWork, session: Session) -> None:
    async with units.begin() as unit:
        claim = await claimed(unit, setup_ticket(session))
        assert claim.ticket.epoch == 2
        assert await store_chunks.claim(unit.connection, setup_ticket(session), "other", LEASE) is None
        assert await store_chunks.claim(unit.connection, claim.ticket, "other", LEASE) is None


async def test_a_chunk_of_a_session_that_does_not_run_is_not_claimed(units: UnitsOfWork) -> None:
    async with units.begin() as unit:
        queued = await session_changes.queue(unit, _new_session())
        assert await store_chunks.claim(unit.connection, setup_ticket(queued), "worker", LEASE) is None


async def test_a_chunk_of_a_session_that_is_to_stop_is_not_claimed(
    units: UnitsOfWork, session: Session
) -> None:
    async with units.begin() as unit:
        await claimed(unit, setup_ticket(session))
        await session_changes.stop(unit, session, BatchStatus.INCOMPLETE, actor="test", message="stop")
    async with units.begin() as unit:
        stopping = await store_sessions.find_session(unit.connection, session.id)
        assert stopping is not None
        assert (stopping.status, stopping.stop_status) == (BatchStatus.RUNNING, BatchStatus.INCOMPLETE)
        assert await store_chunks.claim(unit.connection, setup_ticket(session), "worker", LEASE) is None


async def test_who_lost_the_lease_can_neither_settle_nor_give_back_nor_select(
    units: UnitsOfWork, session: Session
) -> None:
    async with units.begin() as unit:
        late = (await claimed(unit, setup_ticket(session), lease=OVER)).ticket
    async with units.begin() as unit:
        lost = await store_chunks.take_over(unit.connection, late, LEASE)
        assert lost is not None
        assert (lost.losses, lost.worker) == (1, "worker")
        await session_changes.give_back(unit, lost.ticket, actor="batch")
    attempts: list[Callable[[UnitOfWork], Awaitable[None]]] = [
        lambda unit: store_chunks.leave(unit.connection, late, ChunkState.SETTLED),
        lambda unit: store_chunks.give_back(unit.connection, late),
        lambda unit: store_chunks.put_off(unit.connection, late, 30.0),
        lambda unit: store_chunks.require_claim(unit.connection, late),
    ]
    for attempt in attempts:
        with pytest.raises(LeaseLostError):
            async with units.begin() as unit:
                await attempt(unit)
    async with units.begin() as unit:
        assert await store_chunks.keep(unit.connection, [late], LEASE) == {}


async def test_a_lease_that_is_kept_is_not_taken_over(units: UnitsOfWork, session: Session) -> None:
    async with units.begin() as unit:
        mine = (await claimed(unit, setup_ticket(session), lease=OVER)).ticket
    async with units.begin() as unit:
        assert await store_chunks.expired_leases(unit.connection, 10) == [mine]
        assert await store_chunks.keep(unit.connection, [mine], LEASE) == {mine: False}
    async with units.begin() as unit:
        assert await store_chunks.expired_leases(unit.connection, 10) == []
        assert await store_chunks.take_over(unit.connection, mine, LEASE) is None


async def test_a_heartbeat_hears_that_the_session_is_to_stop(units: UnitsOfWork, session: Session) -> None:
    async with units.begin() as unit:
        mine = (await claimed(unit, setup_ticket(session))).ticket
        await session_changes.stop(unit, session, BatchStatus.INCOMPLETE, actor="test", message="stop")
        assert await store_chunks.keep(unit.connection, [mine], LEASE) == {mine: True}


async def test_a_chunk_that_comes_back_to_a_session_that_stops_is_cancelled_and_ends_it(
    units: UnitsOfWork, session: Session
) -> None:
    """Else the session would wait for ever for a chunk that nobody may claim."""
    async with units.begin() as unit:
        mine = (await claimed(unit, setup_ticket(session))).ticket
        await session_changes.stop(unit, session, BatchStatus.INCOMPLETE, actor="test", message="stop")
    async with units.begin() as unit:
        await session_changes.give_back(unit, mine, actor="batch")
    async with units.read() as connection:
        ended = await store_sessions.find_session(connection, session.id)
    assert ended is not None
    assert (ended.status, ended.message, ended.chunks_open) == (BatchStatus.INCOMPLETE, "stop", 0)


async def test_a_delivery_that_got_lost_is_due_again_and_later_each_time(
    units: UnitsOfWork, session: Session
) -> None:
    async with units.begin() as unit:
        assert await store_chunks.due_deliveries(unit.connection, 30.0, 10) == []
        waits = []
        for _ in range(3):
            await _let_deliveries_be_due(unit)
            assert await store_chunks.due_deliveries(unit.connection, 30.0, 10) == [setup_ticket(session)]
            waits.append(
                await unit.connection.exec_driver_sql(
                    "SELECT round(extract(epoch FROM deliver_at - clock_timestamp())) FROM batch_chunk"
                )
            )
        assert [int(wait.scalar_one()) for wait in waits] == [60, 120, 240]


async def _let_deliveries_be_due(unit: UnitOfWork) -> None:
    await unit.connection.exec_driver_sql("UPDATE batch_chunk SET deliver_at = clock_timestamp()")


async def test_a_split_loses_no_record_and_keeps_their_order(units: UnitsOfWork, session: Session) -> None:
    records = [SelectedRecord(f"account:{number}") for number in range(1, 12)]
    async with units.begin() as unit:
        setup = (await claimed(unit, setup_ticket(session))).ticket
        await store_chunks.copy_records(
            unit.connection, session.id, records, first_record_no=1, chunk_size=20
        )
        await store_chunks.leave(unit.connection, setup, ChunkState.SETTLED)
        chunks = await store_chunks.insert_work_chunks(unit.connection, session.id, records=11, chunk_size=20)
        await session_changes.open_work(unit, session.id, chunks=chunks, records=11, actor="test")
    async with units.begin() as unit:
        work = (await claimed(unit, ChunkTicket(1, session.session_no, 1, 1))).ticket
        await session_changes.replace_by_halves(unit, work, (6, 5), (2, 0), actor="batch")
        halves = [
            [record.record_no for record in await store_chunks.load_records(unit.connection, ticket)]
            for ticket in (ChunkTicket(1, session.session_no, 2, 1), ChunkTicket(1, session.session_no, 3, 1))
        ]
        assert halves == [[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11]]
        after = await store_sessions.find_session(unit.connection, session.id)
        assert after is not None
        assert after.chunks_open == 2


async def test_what_a_text_can_not_hold_does_not_stop_a_selection(
    units: UnitsOfWork, session: Session
) -> None:
    records = [SelectedRecord("line:\x001"), SelectedRecord("line:\ud8002")]
    async with units.begin() as unit:
        await store_chunks.copy_records(
            unit.connection, session.id, records, first_record_no=1, chunk_size=20
        )
        stored = await store_chunks.load_records(unit.connection, ChunkTicket(1, session.session_no, 1, 1))
    assert [record.record_key for record in stored] == ["line:\ufffd1", "line:?2"]
