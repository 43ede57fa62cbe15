"""Plans that were made for a small table are made again when it has grown."""

from dataclasses import dataclass

import asyncpg
import pytest

from ledger_service.lane_connection import LaneConnection
from ledger_service.settings import LedgerSettings
from service_kit.database import RawConnection
from tests.support.databases import FreshDatabase

_PREPARE = """
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


async def test_plans_are_made_again_when_they_are_old(database: FreshDatabase) -> None:
    clock = _Hand()
    lane = LaneConnection(LedgerSettings(database_url=database.url, port=0), clock)
    async with lane.trusted() as connection:
        await connection.execute(_PREPARE)
        assert not await _reads_by_key(connection), "the table is read whole: there is one row"
        await connection.execute(_GROW)
        assert not await _reads_by_key(connection)
    clock.seconds = 1.0
    async with lane.trusted() as connection:
        assert await _reads_by_key(connection)
    await lane.aclose()


async def test_a_connection_is_kept_when_a_race_is_lost_and_given_up_when_anything_else_happens(
    database: FreshDatabase,
) -> None:
    lane = LaneConnection(LedgerSettings(database_url=database.url, port=0))
    with pytest.raises(asyncpg.SerializationError):
        async with lane.trusted() as first:
            raise asyncpg.SerializationError("somebody was faster")
    async with lane.trusted() as second:
        assert second is first
    with pytest.raises(ValueError, match="who knows"):
        async with lane.trusted():
            raise ValueError("who knows in what state it is")
    async with lane.trusted() as third:
        assert third is not first
    assert first.is_closed()
    await lane.aclose()
