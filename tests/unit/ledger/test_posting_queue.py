"""Whom a lane takes along: those who are at the door, but a caller who is alone waits for nobody."""

import asyncio
import time
from dataclasses import dataclass

import pytest

from ledger_service import posting_queue
from ledger_service.posting_queue import TURNS_AT_THE_DOOR, PostingQueue, WaitingRequest
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
    taken = await queue.take(_GROUP_SIZE)
    assert len(taken) == 2
    queue.done(taken)


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
    taken = await queue.take(_GROUP_SIZE)
    assert len(taken) == 1
    await coming
    queue.done(taken)
    assert len(await queue.take(_GROUP_SIZE)) == 1


async def test_after_a_group_of_one_nobody_is_waited_for() -> None:
    queue = PostingQueue(size=100)
    queue.put(_waiting())
    taken = await queue.take(_GROUP_SIZE)
    assert len(taken) == 1
    queue.done(taken)
    coming = asyncio.create_task(_put_one_by_one(queue, 5, turns_between=3))
    taken = await queue.take(_GROUP_SIZE)
    assert len(taken) == 1
    await coming
    queue.done(taken)
    assert len(await queue.take(_GROUP_SIZE)) == 4


async def test_drafts_that_are_worth_a_lane_wait_for_nobody() -> None:
    queue = PostingQueue(size=10_000)
    await _company(queue)
    queue.put(_waiting(500))
    coming = asyncio.create_task(_put_one_by_one(queue, 5, turns_between=3))
    assert len(await queue.take(_GROUP_SIZE)) == 1
    await coming


async def _another_takes(queue: PostingQueue, *coming: int) -> list[int] | None:
    """The weights of what another lane takes when calls come in one after the other; None if it takes nothing
    for now.
    """
    another = asyncio.create_task(queue.take(queue.size))
    for weight in coming:
        await asyncio.sleep(0)
        queue.put(_waiting(weight))
    # As long as it may wait for those at the door.
    for _ in range(3 * TURNS_AT_THE_DOOR):
        await asyncio.sleep(0)
    if another.done():
        return _weights(another.result())
    another.cancel()
    return None


def _weights(taken: list[WaitingRequest]) -> list[int]:
    return [waiting.weight for waiting in taken]


async def _beside(under_way: int) -> PostingQueue:
    """A queue of which one lane has taken so many drafts."""
    queue = PostingQueue(size=10_000)
    queue.put(_waiting(under_way))
    await queue.take(queue.size)
    return queue


@pytest.fixture
def _much_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting_queue, "_PATIENCE_SECONDS", 100.0)
    monkeypatch.setattr(posting_queue, "_PATIENCE_FOR_COMPANY_SECONDS", 100.0)


@pytest.mark.usefixtures("_much_patience")
async def test_a_call_as_large_as_the_group_under_way_is_posted_beside_it() -> None:
    assert await _another_takes(await _beside(100), 100) == [100]


@pytest.mark.usefixtures("_much_patience")
@pytest.mark.parametrize(
    ("under_way", "first", "second"), [(200, 100, 100), (1_000, 500, 250), (1_000_000, 2_999, 1)]
)
async def test_a_group_beside_another_begins_when_it_is_about_as_large(
    under_way: int, first: int, second: int
) -> None:
    assert await _another_takes(await _beside(under_way), first) is None
    assert await _another_takes(await _beside(under_way), first, second) == [first, second]


@pytest.mark.usefixtures("_much_patience")
async def test_a_few_drafts_wait_also_beside_a_smaller_group() -> None:
    assert await _another_takes(await _beside(1), 99) is None


@pytest.mark.usefixtures("_much_patience")
async def test_a_third_group_is_compared_with_one_of_those_before_it() -> None:
    queue = await _beside(1_000)
    assert await _another_takes(queue, 800) == [800]
    assert await _another_takes(queue, 674) is None
    assert await _another_takes(queue, 1) == [674, 1]


@pytest.mark.usefixtures("_much_patience")
async def test_what_waited_beside_a_group_is_taken_after_it() -> None:
    queue = PostingQueue(size=10_000)
    queue.put(_waiting(1_000))
    taken = await queue.take(queue.size)
    another = asyncio.create_task(queue.take(queue.size))
    await asyncio.sleep(0)
    queue.put(_waiting(100))
    await asyncio.sleep(0)
    assert not another.done()
    queue.done(taken)
    async with asyncio.timeout(5):
        assert _weights(await another) == [100]


@pytest.mark.usefixtures("_much_patience")
async def test_what_was_posted_or_given_up_is_not_under_way_any_more() -> None:
    queue = PostingQueue(size=10_000)
    gone = _waiting(3_000)
    gone.answer.cancel()
    queue.put(_waiting(2_000))
    queue.put(gone)
    queue.done(await queue.take(queue.size))
    queue.put(_waiting(100))
    await queue.take(queue.size)
    assert await _another_takes(queue, 100) == [100]


@pytest.mark.parametrize(
    ("weight", "patience"), [(100, "_PATIENCE_FOR_COMPANY_SECONDS"), (99, "_PATIENCE_SECONDS")]
)
@pytest.mark.usefixtures("_much_patience")
async def test_nobody_waits_for_long_for_a_larger_group(
    monkeypatch: pytest.MonkeyPatch, weight: int, patience: str
) -> None:
    monkeypatch.setattr(posting_queue, patience, 0.01)
    queue = await _beside(1_000)
    another = asyncio.create_task(queue.take(queue.size))
    await asyncio.sleep(0)
    queue.put(_waiting(weight))
    await asyncio.sleep(0)
    assert not another.done()
    async with asyncio.timeout(5):
        assert _weights(await another) == [weight]


@pytest.mark.usefixtures("_much_patience")
async def test_who_comes_while_others_are_let_in_is_taken_along_by_that_lane() -> None:
    queue = PostingQueue(size=10_000)
    await _company(queue)
    lanes = [asyncio.create_task(queue.take(queue.size)) for _ in range(2)]
    await asyncio.sleep(0)
    for weight in (1, 100, 1):
        queue.put(_waiting(weight))
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        done, pending = await asyncio.wait(lanes, return_when=asyncio.FIRST_COMPLETED)
    assert [_weights(lane.result()) for lane in done] == [[1, 100, 1]]
    for lane in pending:
        lane.cancel()


async def test_a_lane_that_was_stopped_is_not_called() -> None:
    queue = PostingQueue(size=10_000)
    stopped = asyncio.create_task(queue.take(queue.size))
    await asyncio.sleep(0)
    stopped.cancel()
    await asyncio.sleep(0)
    queue.put(_waiting(7))
    async with asyncio.timeout(5):
        assert _weights(await queue.take(queue.size)) == [7]
    assert queue.is_single


async def test_patience_that_was_not_needed_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting_queue, "_PATIENCE_SECONDS", 0.01)
    queue = PostingQueue(size=10_000)
    await _company(queue)
    first = asyncio.create_task(queue.take(queue.size))
    await asyncio.sleep(0)
    for _ in range(3):
        queue.put(_waiting())
        await asyncio.sleep(0)
    assert len(await first) == 3
    await asyncio.sleep(0.03)
    monkeypatch.setattr(posting_queue, "_PATIENCE_SECONDS", 100.0)
    assert await _another_takes(queue, 1) is None


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
