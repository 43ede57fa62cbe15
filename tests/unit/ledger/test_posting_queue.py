"""Whom a lane takes along: those who are at the door, but a caller who is alone waits for nobody."""

import asyncio
import time
from dataclasses import dataclass

import pytest

from ledger_service.posting_queue import PostingQueue, WaitingRequest
from ledger_service.requests import PostingRequest
from service_kit.errors import DomainError

_GROUP_SIZE = 1_000


@dataclass
class _Stub:
    """Stands for a request that only has a weight."""

    weight: int = 1


def _waiting(weight: int = 1) -> WaitingRequest:
    request: PostingRequest = _Stub(weight)  # type: ignore[assignment]  # the queue looks at nothing else
    return WaitingRequest(request, weight, asyncio.get_running_loop().create_future())


async def _put_one_by_one(queue: PostingQueue, requests: int, turns_between: int) -> None:
    """As calls come in: each is accepted some turns of the event loop after the one before."""
    for _ in range(requests):
        for _ in range(turns_between):
            await asyncio.sleep(0)
        queue.put(_waiting())


async def _company(queue: PostingQueue) -> None:
    """A group of two, which has been posted."""
    queue.put(_waiting())
    queue.put(_waiting())
    assert len(await queue.take(_GROUP_SIZE)) == 2
    queue.done()


async def test_who_comes_in_soon_after_the_first_is_taken_along() -> None:
    queue = PostingQueue(size=100)
    await _company(queue)
    coming = asyncio.create_task(_put_one_by_one(queue, 20, turns_between=3))
    assert len(await queue.take(_GROUP_SIZE)) == 20
    await coming


async def test_who_comes_in_late_is_in_the_next_group() -> None:
    queue = PostingQueue(size=100)
    await _company(queue)
    coming = asyncio.create_task(_put_one_by_one(queue, 2, turns_between=50))
    assert len(await queue.take(_GROUP_SIZE)) == 1
    await coming
    queue.done()
    assert len(await queue.take(_GROUP_SIZE)) == 1


async def test_after_a_group_of_one_nobody_is_waited_for() -> None:
    queue = PostingQueue(size=100)
    queue.put(_waiting())
    assert len(await queue.take(_GROUP_SIZE)) == 1
    queue.done()
    coming = asyncio.create_task(_put_one_by_one(queue, 5, turns_between=3))
    assert len(await queue.take(_GROUP_SIZE)) == 1
    await coming
    queue.done()
    assert len(await queue.take(_GROUP_SIZE)) == 4


async def test_drafts_that_are_worth_a_lane_wait_for_nobody() -> None:
    queue = PostingQueue(size=10_000)
    await _company(queue)
    queue.put(_waiting(500))
    coming = asyncio.create_task(_put_one_by_one(queue, 5, turns_between=3))
    assert len(await queue.take(_GROUP_SIZE)) == 1
    await coming


async def test_nobody_waits_for_long_where_there_is_always_somebody_at_the_door() -> None:
    queue = PostingQueue(size=10_000)
    await _company(queue)
    coming = asyncio.create_task(_put_slowly(queue, 60))
    assert len(await queue.take(_GROUP_SIZE)) < 50
    await coming


async def _put_slowly(queue: PostingQueue, requests: int) -> None:
    """Turns of a busy loop: each takes a millisecond."""
    for _ in range(requests):
        time.sleep(0.001)  # noqa: ASYNC251  # work that holds the loop
        queue.put(_waiting())
        await asyncio.sleep(0)


async def test_who_gave_up_while_others_were_let_in_is_not_taken() -> None:
    queue = PostingQueue(size=100)
    await _company(queue)
    gone = _waiting()
    queue.put(gone)
    coming = asyncio.create_task(_put_one_by_one(queue, 3, turns_between=3))
    asyncio.get_running_loop().call_soon(gone.answer.cancel)
    assert gone not in await queue.take(_GROUP_SIZE)
    await coming
    assert queue.drafts == 0


async def test_a_queue_that_is_full_takes_no_more() -> None:
    queue = PostingQueue(size=10)
    queue.put(_waiting(25))
    with pytest.raises(DomainError) as refused:
        queue.put(_waiting(1))
    assert refused.value.reason == "OVERLOADED"
