"""Plans that were made for a small table are made again when it has grown."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

import pytest

from ledger_service.lane_connection import LaneConnection
from ledger_service.settings import LedgerSettings
from service_kit.database import RawConnection, driver_connection, engine_on
from service_kit.plan_age import forget_old_plans
from tests.support.databases import FreshDatabase

_Connections: TypeAlias = Callable[[], AbstractAsyncContextManager[RawConnection]]

_PREPARE = """
    SET plan_cache_mode = force_generic_plan;
    CREATE TEMPORARY TABLE posted (event_no bigint PRIMARY KEY, amount bigint);
    INSERT INTO posted VALUES (1, 100);
    ANALYZE posted;
    PREPARE look_up AS
     SELECT amount
       FROM unnest($1::bigint[]) AS wanted (event_no)
       JOIN posted USING (event_no)
"""
_GROW = "INSERT INTO posted SELECT event_no, 100 FROM generate_series(2, 20000) AS event_no"


@dataclass
class _Hand:
    """A clock that is moved by hand."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


async def _reads_by_key(connection: RawConnection) -> bool:
    plan = await connection.fetch("EXPLAIN EXECUTE look_up('{1,2,3}')")
    return any("Index Cond" in line for (line,) in plan)


@asynccontextmanager
async def _lane(url: str, clock: Callable[[], float]) -> AsyncIterator[_Connections]:
    """The connection of a lane of the poster."""
    lane = LaneConnection(LedgerSettings(database_url=url, port=0), clock)
    async with aclosing(lane):
        yield lane.trusted


@asynccontextmanager
async def _pool(url: str, clock: Callable[[], float]) -> AsyncIterator[_Connections]:
    """The only connection of a pool."""
    engine = engine_on(url, name="tests", pool_size=1)
    forget_old_plans(engine, clock)
    try:
        yield lambda: driver_connection(engine)
    finally:
        await engine.dispose()


@pytest.mark.parametrize("opened", [_lane, _pool])
async def test_plans_are_made_again_when_they_are_old(
    database: FreshDatabase,
    opened: Callable[[str, Callable[[], float]], AbstractAsyncContextManager[_Connections]],
) -> None:
    clock = _Hand()
    async with opened(database.url, clock) as connections:
        async with connections() as connection:
            await connection.execute(_PREPARE)
            assert not await _reads_by_key(connection), "the table is read whole: there is one row"
            await connection.execute(_GROW)
        clock.seconds = 0.9
        async with connections() as connection:
            assert not await _reads_by_key(connection)
        clock.seconds = 1.0
        async with connections() as connection:
            assert await _reads_by_key(connection)
