"""Whom a lane takes along: those who are at the door, and on a busy loop those who are expected; but a caller
who is alone waits for nobody.
"""

import asyncio
import time
from dataclasses import dataclass

import pytest

from ledger_service import posting_queue
from ledger_service.loop_load import LoopLoad
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


class _Load(LoopLoad):
    """Whoever looks sees that the loop has been as busy as this."""

    def __init__(self, seen: float) -> None:
        super().__init__()
        self._seen = seen

    def look(self) -> None:
        """See it."""
        self.share = self._seen


def _queue(size: int, load: float = 0.0) -> PostingQueue:
    return PostingQueue(size, _Load(load))


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
    queue = _queue(100)
    await _company(queue)
    coming = asyncio.create_task(_put_one_by_one(queue, 20, turns_between=3))
    assert len(await queue.take(_GROUP_SIZE)) == 20
    await coming


async def test_who_comes_in_late_is_in_the_next_group() -> None:
    queue = _queue(100)
    await _company(queue)
    coming = asyncio.create_task(_put_one_by_one(queue, 2, turns_between=50))
    taken = await queue.take(_GROUP_SIZE)
    assert len(taken) == 1
    await coming
    queue.done(taken)
    assert len(await queue.take(_GROUP_SIZE)) == 1


async def test_after_a_group_of_one_nobody_is_waited_for() -> None:
    queue = _queue(100)
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
    queue = _queue(10_000)
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
    queue = _queue(10_000)
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
    queue = _queue(10_000)
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
    queue = _queue(10_000)
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
    queue = _queue(10_000)
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
    queue = _queue(10_000)
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
    queue = _queue(10_000)
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
    queue = _queue(10_000)
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
    queue = _queue(100)
    await _company(queue)
    gone = _waiting()
    queue.put(gone)
    coming = asyncio.create_task(_put_one_by_one(queue, 3, turns_between=3))
    asyncio.get_running_loop().call_soon(gone.answer.cancel)
    assert gone not in await queue.take(_GROUP_SIZE)
    await coming
    assert queue.drafts == 0


async def test_a_queue_that_is_full_takes_no_more() -> None:
    queue = _queue(10)
    queue.put(_waiting(25))
    with pytest.raises(DomainError) as refused:
        queue.put(_waiting(1))
    assert refused.value.reason == "OVERLOADED"


# ------------------------------------------------------------------------------------------- on a busy loop


@pytest.fixture
def _endless_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting_queue, "_QUIET_SECONDS", 100.0)
    monkeypatch.setattr(posting_queue, "_LONGEST_AT_THE_DOOR_SECONDS", 100.0)


async def _busy(answered: int, waiting: int = 0) -> PostingQueue:
    """The queue of a busy loop. So many requests have just been posted together, while so many came in."""
    queue = _queue(10_000, load=0.9)
    for _ in range(answered):
        queue.put(_waiting())
    taken = await queue.take(queue.size)
    for _ in range(waiting):
        queue.put(_waiting())
    queue.done(taken)
    return queue


async def _put_slower(queue: PostingQueue, requests: int, weight: int = 1) -> None:
    """Callers that take their time, and leave the loop some."""
    for _ in range(requests):
        await asyncio.sleep(0.001)
        queue.put(_waiting(weight))


@pytest.mark.usefixtures("_endless_quiet")
@pytest.mark.parametrize(
    ("answered", "waiting", "coming", "taken"), [(3, 0, 3, 3), (2, 3, 2, 5), (1, 0, 1, 1), (64, 0, 64, 40)]
)
async def test_on_a_busy_loop_a_lane_takes_as_many_as_there_were_before(
    answered: int, waiting: int, coming: int, taken: int
) -> None:
    queue = await _busy(answered, waiting)
    returning = asyncio.create_task(_put_slower(queue, coming))
    async with asyncio.timeout(10):
        assert len(await queue.take(_GROUP_SIZE)) == taken
    await returning


async def test_on_a_loop_that_has_time_to_spare_who_is_not_at_the_door_is_not_waited_for() -> None:
    queue = _queue(100, load=0.6)
    await _company(queue)
    returning = asyncio.create_task(_put_one_by_one(queue, 2, turns_between=50))
    assert len(await queue.take(_GROUP_SIZE)) == 1
    await returning


async def test_who_does_not_come_back_is_not_waited_for_any_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting_queue, "_LONGEST_AT_THE_DOOR_SECONDS", 100.0)
    queue = await _busy(answered=5)
    queue.put(_waiting())
    async with asyncio.timeout(5):
        taken = await queue.take(_GROUP_SIZE)
    assert len(taken) == 1
    queue.done(taken)
    monkeypatch.setattr(posting_queue, "_QUIET_SECONDS", 100.0)
    queue.put(_waiting())
    async with asyncio.timeout(5):
        assert len(await queue.take(_GROUP_SIZE)) == 1


async def test_nobody_waits_for_long_for_those_who_come_one_by_one() -> None:
    queue = await _busy(answered=40)
    coming = asyncio.create_task(_put_slower(queue, 39))
    async with asyncio.timeout(5):
        assert 1 < len(await queue.take(_GROUP_SIZE)) < 39
    await coming


@pytest.mark.usefixtures("_endless_quiet")
async def test_who_brings_much_ends_the_wait_of_all() -> None:
    queue = await _busy(answered=20)
    queue.put(_waiting())
    coming = asyncio.create_task(_put_slower(queue, 1, weight=100))
    async with asyncio.timeout(5):
        assert _weights(await queue.take(queue.size)) == [1, 100]
    await coming


@pytest.mark.usefixtures("_endless_quiet")
async def test_what_a_lane_waited_with_when_it_was_stopped_is_taken_by_another() -> None:
    queue = await _busy(answered=2)
    lane = asyncio.create_task(queue.take(_GROUP_SIZE))
    queue.put(_waiting())
    await asyncio.sleep(0.01)
    lane.cancel()
    with pytest.raises(asyncio.CancelledError):
        await lane
    another = asyncio.create_task(queue.take(_GROUP_SIZE))
    await asyncio.sleep(0)
    queue.put(_waiting())
    async with asyncio.timeout(5):
        assert len(await another) == 2
    assert queue.is_single


@pytest.mark.usefixtures("_endless_quiet")
async def test_no_more_are_expected_than_a_group_or_the_queue_can_have() -> None:
    queue = await _busy(answered=8)
    for _ in range(3):
        queue.put(_waiting())
    async with asyncio.timeout(5):
        assert len(await queue.take(3)) == 3
    small = _queue(3, load=0.9)
    small.put(_waiting(20))
    small.done(await small.take(_GROUP_SIZE))
    small._expected = 20
    for _ in range(3):
        small.put(_waiting())
    async with asyncio.timeout(5):
        assert len(await small.take(_GROUP_SIZE)) == 3


@pytest.mark.usefixtures("_endless_quiet")
async def test_a_lane_waits_no_longer_when_the_loop_has_time_to_spare_again() -> None:
    queue = _queue(10_000, load=0.9)
    queue.put(_waiting(500))
    large = await queue.take(queue.size)
    for _ in range(8):
        queue.put(_waiting(40))
    other = await queue.take(queue.size)
    queue.done(other)
    waiting = asyncio.create_task(queue.take(queue.size))
    await asyncio.sleep(0)
    queue.put(_waiting())
    queue._lose_patience()
    await asyncio.sleep(0.01)
    assert not waiting.done()
    queue.load = _Load(0.1)
    queue.done(large)
    async with asyncio.timeout(5):
        assert len(await waiting) == 1


async def test_the_lane_that_has_just_finished_is_called_first() -> None:
    queue = _queue(100)
    idle = asyncio.create_task(queue.take(_GROUP_SIZE))
    await asyncio.sleep(0)
    queue.put(_waiting())
    taken = await idle
    another = asyncio.create_task(queue.take(_GROUP_SIZE))
    await asyncio.sleep(0)
    queue.put(_waiting())
    queue.done(taken)
    async with asyncio.timeout(5):
        assert len(await queue.take(_GROUP_SIZE)) == 1
    assert not another.done()
    another.cancel()
