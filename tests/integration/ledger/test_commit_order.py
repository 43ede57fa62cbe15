"""The order of commits is settled only when nothing can be added to it, whichever way transactions run."""

import itertools
from collections.abc import AsyncIterator

import asyncpg
import pytest

from ledger_service.rules.commit_order import Glimpse, SettledOrder
from ledger_service.store_watch import read_glimpse
from tests.support.databases import FreshDatabase

_GROUP_NOS = itertools.count(1)

Sql = asyncpg.Connection


@pytest.fixture
async def connections(database: FreshDatabase) -> AsyncIterator[list[Sql]]:
    """Three connections: of two posters, and of who looks."""
    opened = [await asyncpg.connect(database.owner_url) for _ in range(3)]
    yield opened
    for each in opened:
        await each.close()


async def reserve(sql: Sql) -> int:
    """The event_no that a poster reserves."""
    (event_no,) = await sql.fetchval("SELECT reserve_numbers('{event_no}', '{1}')")
    return int(event_no)


async def write(sql: Sql, event_no: int) -> None:
    """The mark of a group with one transaction of client 1."""
    group_no = next(_GROUP_NOS)
    await sql.execute(
        "INSERT INTO commit_group VALUES ($1, $2, $2, 1, '', '2026-01-01T00:00Z')", group_no, event_no
    )
    await sql.execute("INSERT INTO commit_group_part VALUES (1, $1, $2, $2, 1, '')", group_no, event_no)


async def look(order: SettledOrder, sql: Sql) -> int | None:
    """How far it is settled after another look."""
    order.take(await read_glimpse(sql, [1]))
    return order.upto


async def test_what_is_visible_is_settled_at_once_when_nobody_is_at_work(connections: list[Sql]) -> None:
    poster, _, looker = connections
    order = SettledOrder()
    assert await look(order, looker) == 0
    event_no = await reserve(poster)
    await write(poster, event_no)
    assert await look(order, looker) == event_no
    assert order.last_of(1) == event_no
    assert order.last_of(2) == event_no, "of whom nothing is known, anything may have happened"


async def test_the_holder_of_a_lower_number_is_waited_for_though_the_database_numbered_it_later(
    connections: list[Sql],
) -> None:
    """The number after the newest that has ended is no bound: those of running transactions lie beyond it."""
    early, late, looker = connections
    order = SettledOrder()
    await look(order, looker)
    first, second = early.transaction(), late.transaction()
    await first.start()
    await second.start()
    assert await early.fetchval("SELECT pg_current_xact_id()") < await late.fetchval(
        "SELECT pg_current_xact_id()"
    )
    lower, higher = await reserve(late), await reserve(early)
    await write(early, higher)
    await first.commit()
    for _ in range(3):
        assert await look(order, looker) == 0
    await write(late, lower)
    await second.commit()
    assert await look(order, looker) == higher


async def test_whoever_begins_later_is_not_waited_for(connections: list[Sql]) -> None:
    early, late, looker = connections
    order = SettledOrder()
    event_no = await reserve(early)
    first, second = early.transaction(), late.transaction()
    await first.start()
    await early.fetchval("SELECT pg_current_xact_id()")
    await write(looker, event_no)
    assert await look(order, looker) is None
    await second.start()
    await late.fetchval("SELECT pg_current_xact_id()")
    await first.rollback()
    assert await look(order, looker) == event_no
    await second.rollback()


def test_what_a_client_got_while_lower_numbers_were_waited_for_is_not_passed_over() -> None:
    """Client 1 has 10, which is not visible yet when client 2's 20 is; when 20 is settled, 10 is there."""
    order = SettledOrder()
    order.take(Glimpse(20, {1: 5, 2: 20}, oldest_running=100, next_number=103))
    order.take(Glimpse(30, {1: 10, 2: 30}, oldest_running=103, next_number=105))
    assert order.upto == 20
    assert order.last_of(1) == 10
    assert order.last_of(2) == 20, "of what is not settled nothing is told, or a watch would look in vain"
