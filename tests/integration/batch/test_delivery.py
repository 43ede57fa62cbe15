"""What every implementation of the port ChunkDelivery has to do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from batch_service.chunks import ChunkTicket
from batch_service.delivery import ChunkDelivery, InProcessDelivery, OwnWorkersFirst, TakeTicket
from batch_service.delivery_procrastinate import procrastinate_delivery
from tests.integration.batch.stage import until
from tests.support.databases import NewDatabase


def tickets(count: int) -> list[ChunkTicket]:
    return [ChunkTicket(client_no=1, session_no=7, chunk_no=number, epoch=2**40) for number in range(count)]


@pytest.fixture(params=["in process", "Procrastinate", "own workers first"])
async def delivery(request: pytest.FixtureRequest, new_database: NewDatabase) -> AsyncIterator[ChunkDelivery]:
    """A delivery of each kind."""
    if request.param == "in process":
        yield InProcessDelivery()
        return
    database = await new_database("batch_service")
    async with procrastinate_delivery(database.url, name="test") as procrastinate:
        yield OwnWorkersFirst(procrastinate) if request.param == "own workers first" else procrastinate


@asynccontextmanager
async def taking(delivery: ChunkDelivery, take: TakeTicket, concurrency: int) -> AsyncIterator[None]:
    """Tickets are taken while the block runs."""
    running = asyncio.create_task(delivery.run(take, concurrency))
    try:
        yield
    finally:
        delivery.stop()
        await asyncio.wait_for(running, 10)


async def test_every_ticket_is_taken(delivery: ChunkDelivery) -> None:
    taken: list[ChunkTicket] = []

    async def take(ticket: ChunkTicket) -> None:
        taken.append(ticket)

    async def all_taken() -> bool:
        return len(taken) >= 20

    await delivery.defer(tickets(10))
    async with taking(delivery, take, 2):
        await delivery.defer(tickets(20)[10:])
        await until(all_taken)
    assert sorted(taken, key=lambda ticket: ticket.chunk_no) == tickets(20)


async def test_nothing_to_defer_is_nothing(delivery: ChunkDelivery) -> None:
    await delivery.defer([])


async def test_no_more_are_taken_at_a_time_than_asked_for(delivery: ChunkDelivery) -> None:
    now = most = done = 0

    async def take(_: ChunkTicket) -> None:
        nonlocal now, most, done
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.02)
        now -= 1
        done += 1

    async def all_done() -> bool:
        return done == 20

    await delivery.defer(tickets(20))
    async with taking(delivery, take, 3):
        await until(all_done)
    assert most == 3


async def test_who_is_stopped_finishes_what_was_taken_and_leaves_the_rest(delivery: ChunkDelivery) -> None:
    started, finished = asyncio.Event(), []

    async def take(ticket: ChunkTicket) -> None:
        started.set()
        await asyncio.sleep(0.1)
        finished.append(ticket)

    await delivery.defer(tickets(10))
    async with taking(delivery, take, 2):
        await started.wait()
    assert 1 <= len(finished) <= 2
    others: list[ChunkTicket] = []

    async def take_rest(ticket: ChunkTicket) -> None:
        others.append(ticket)

    async def rest_taken() -> bool:
        return len(others) == 10 - len(finished)

    async with taking(delivery, take_rest, 2):
        await until(rest_taken)
    assert {*finished, *others} == set(tickets(10))


async def test_a_stop_while_nothing_is_there_returns_at_once(delivery: ChunkDelivery) -> None:
    async def take(_: ChunkTicket) -> None:
        raise AssertionError("there is nothing to take")

    async with taking(delivery, take, 2):
        await asyncio.sleep(0.1)
