"""Sessions that load a file: one for each name, several for a date (rule 34)."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from batch_service.delivery import InProcessDelivery
from batch_service.processes.registry import ProcessRegistry
from batch_service.queueing import SessionQueue
from batch_service.rules.statuses import BatchStatus
from batch_service.sessions import Session
from batch_service.unit_of_work import UnitsOfWork
from service_kit.clock import VirtualClock
from service_kit.database import engine_on
from service_kit.errors import DomainError
from tests.integration.batch.staged_processes import First, Loader
from tests.support.databases import NewDatabase


class FileDesk:
    """Queues sessions for files on a database without any engine running on it."""

    def __init__(self, engine: AsyncEngine) -> None:
        clock = VirtualClock(datetime(2026, 3, 1, tzinfo=UTC))
        self._units = UnitsOfWork(engine, clock, InProcessDelivery(), redelivery=30.0)
        self._queue = SessionQueue(ProcessRegistry([First(engine), Loader(engine)]))

    async def load(self, file_name: str, *, client_no: int = 1) -> Session:
        """Queue a session for a file."""
        async with self._units.begin() as unit:
            return await self._queue.start_file_session(
                unit, client_no, date(2026, 3, 1), "loader", file_name=file_name, actor="ann"
            )


@pytest.fixture
async def desk(new_database: NewDatabase) -> AsyncIterator[FileDesk]:
    """A desk of its own."""
    database = await new_database("batch_service")
    engine = engine_on(database.url, name="test", pool_size=10)
    yield FileDesk(engine)
    await engine.dispose()


async def test_each_file_of_a_date_has_a_session(desk: FileDesk) -> None:
    sessions = [await desk.load(name) for name in ("a.csv", "b.csv", "c.csv")]
    assert [(session.file_name, session.attempt) for session in sessions] == [
        ("a.csv", 1),
        ("b.csv", 2),
        ("c.csv", 3),
    ]
    assert {session.status for session in sessions} == {BatchStatus.NEW}
    assert {session.actor for session in sessions} == {"ann"}


async def test_a_file_name_is_loaded_once_for_a_client(desk: FileDesk) -> None:
    first = await desk.load("a.csv")
    with pytest.raises(DomainError, match=f"was loaded before, in session {first.session_no}") as refusal:
        await desk.load("a.csv")
    assert refusal.value.reason == "FILE_ALREADY_LOADED"
    await desk.load("a.csv", client_no=2)


async def test_of_many_that_load_the_same_file_at_once_one_does(desk: FileDesk) -> None:
    results = await asyncio.gather(*(desk.load("a.csv") for _ in range(6)), return_exceptions=True)
    refusals = [result for result in results if isinstance(result, DomainError)]
    assert [refusal.reason for refusal in refusals] == ["FILE_ALREADY_LOADED"] * 5
