"""When a lane of the poster keeps its connection, and when it gives it up."""

import asyncpg
import pytest

from ledger_service.lane_connection import LaneConnection
from ledger_service.settings import LedgerSettings
from tests.support.databases import FreshDatabase


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
