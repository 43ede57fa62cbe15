"""What waits to be posted: a queue that is bounded, and when its lanes are called to take from it.

A group is as large as what waits when a lane takes it. So that many calls at once become few groups, each of
which costs a commit, a lane is not called as soon as something waits, and what it takes is not only what was
there at that moment. And a lane that begins beside others waits until there is about as much for it as they
have: two groups of two calls cost less than three groups of which only one has two.

Whom a lane takes along depends on what calls wait for. While the loop has time to spare, only those who are
at the door: to wait for more would make all of them later. When the loop itself is what they wait for, it
does more of them in the same time the larger the groups are (ADR 0040).
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from ledger_service.group_decisions import Decided, Refusal, named_refusal
from ledger_service.loop_load import LoopLoad
from ledger_service.requests import FirstAnswer, PostingRequest
from ledger_service.rules import refusals
from service_kit.errors import DomainError

# What is worth a group of its own while others are under way: this part of what one of them has.
_PART_WORTH_ANOTHER_LANE: Final = 0.75
# However small they are, fewer drafts than these are not.
_LEAST_WORTH_ANOTHER_LANE: Final = 100
# However large they are, so many drafts are.
_SURELY_WORTH_ANOTHER_LANE: Final = 3_000
# Fewer drafts than are worth a lane wait so long. On a busy machine a group takes tens of milliseconds by
# itself, and another beside it would slow both.
_PATIENCE_SECONDS: Final = 0.1
# More wait only for company: those who were answered together come back within this time.
_PATIENCE_FOR_COMPANY_SECONDS: Final = 0.05

TURNS_AT_THE_DOOR: Final = 8
"""Turns of the event loop. A call that has come in takes two to be accepted, and a few more to be queued."""

# However it waits: there may always be somebody, since calls come in at a rate of their own. A group takes
# about as long.
_LONGEST_AT_THE_DOOR_SECONDS: Final = 0.02

# Of its time, what the loop is at work where calls wait for it.
_BUSY: Final = 0.7
# What a group costs by itself is little for each of so many, and others are left to come in meanwhile.
_MOST_EXPECTED: Final = 40
# If nobody comes back within this time, who was answered does something else now.
_QUIET_SECONDS: Final = 0.005
_OVERLOADED_RETRY: Final = timedelta(milliseconds=500)


@dataclass(slots=True)
class WaitingRequest:
    """A request that waits, and who waits for its answer."""

    request: PostingRequest
    weight: int
    answer: "asyncio.Future[bytes]"

    def resolve(self, result: Decided | FirstAnswer | Refusal) -> None:
        """Answer, unless nobody waits any more."""
        if self.answer.done():
            return
        if isinstance(result, FirstAnswer):
            self.answer.set_result(result.answer)
        elif isinstance(result, Decided):
            self.answer.set_result(result.answer())
        else:
            self.answer.set_exception(named_refusal(result))

    def fail(self, failure: DomainError) -> None:
        """Answer with a failure, unless nobody waits any more."""
        if not self.answer.done():
            self.answer.set_exception(failure)


@dataclass(slots=True)
class PostingQueue:
    """What waits, in order, bounded by `size` drafts; and the lanes that wait for something to do.

    load: of the loop in which all that happens.
    """

    size: int
    load: LoopLoad = field(default_factory=LoopLoad)
    drafts: int = 0
    """How many wait."""
    _drafts_under_way: int = 0
    """How many were taken and are not posted yet."""
    _waiting: deque[WaitingRequest] = field(default_factory=deque)
    _idle_lanes: "list[asyncio.Future[None]]" = field(default_factory=list)
    _lanes_at_work: int = 0
    _is_called: bool = False
    """Whether a lane was called that has taken nothing yet."""
    _patience: asyncio.TimerHandle | None = None
    _is_out_of_patience: bool = False
    _had_company: bool = False
    """Whether the last group that was done had several requests."""
    _expected: int = 0
    """How many requests are to wait before a lane takes them, for a while: on a busy loop."""
    _are_there: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when they are, or so much else that nobody has to wait."""

    def put(self, waiting: WaitingRequest) -> None:
        """Add a request; OVERLOADED when too much waits. A request alone is taken whatever its size."""
        if self.drafts and self.drafts + waiting.weight > self.size:
            raise refusals.overloaded(self.drafts, _OVERLOADED_RETRY)
        self._waiting.append(waiting)
        self.drafts += waiting.weight
        self._call_a_lane()
        if self._is_enough:
            self._are_there.set()

    async def take(self, group_size: int) -> list[WaitingRequest]:
        """Wait to be called, and take what waits, up to `group_size` drafts."""
        while True:
            await self._be_called()
            try:
                self._expected = min(self._expected, group_size)
                if self._expected:
                    await self._let_in_expected()
                elif self._had_company:
                    await self._let_in_from_the_door()
            except BaseException:
                self._lanes_at_work -= 1
                self._is_called = False
                self._call_a_lane()
                raise
            self._is_called = False
            taken: list[WaitingRequest] = []
            drafts = 0
            while self._waiting and drafts < group_size:
                waiting = self._waiting.popleft()
                self.drafts -= waiting.weight
                # Who gave up (deadline, cancelled call) gets nothing posted any more.
                if not waiting.answer.done():
                    taken.append(waiting)
                    drafts += waiting.weight
            if taken:
                self._drafts_under_way += drafts
                self._call_a_lane()
                return taken
            self._lanes_at_work -= 1

    def done(self, taken: Sequence[WaitingRequest]) -> None:
        """Say that what was taken is posted, or given up."""
        self._drafts_under_way -= sum(waiting.weight for waiting in taken)
        self._lanes_at_work -= 1
        self.load.look()
        self._had_company = len(taken) > 1
        # Who is answered now may come back as soon as who waits already is posted.
        everybody = len(taken) + len(self._waiting)
        self._expected = min(everybody, _MOST_EXPECTED) if self.load.share > _BUSY else 0
        if self._is_enough:
            self._are_there.set()
        # Who says so mostly takes the next group, and is the last idle lane then.
        asyncio.get_running_loop().call_soon(self._call_a_lane)

    @property
    def is_single(self) -> bool:
        """Whether only one lane is at work."""
        return self._lanes_at_work == 1

    async def _be_called(self) -> None:
        call = asyncio.get_running_loop().create_future()
        self._idle_lanes.append(call)
        self._call_a_lane()
        await call

    @property
    def _is_enough(self) -> bool:
        much = min(_LEAST_WORTH_ANOTHER_LANE, self.size)
        return len(self._waiting) >= self._expected or self.drafts >= much

    async def _let_in_expected(self) -> None:
        """Wait for those who are expected: until they are there, or nobody came in between two looks."""
        self._are_there.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST_AT_THE_DOOR_SECONDS):
                while not self._is_enough:
                    before = self.drafts
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_QUIET_SECONDS):
                            await self._are_there.wait()
                    if self.drafts == before:
                        return

    async def _let_in_from_the_door(self) -> None:
        """Wait for those who are at the door, since their callers were answered together or came together:
        until nobody came in for a few turns, which are short when there is nothing else to do.
        """
        loop = asyncio.get_running_loop()
        before, until = 0, loop.time() + _LONGEST_AT_THE_DOOR_SECONDS
        while before < self.drafts < _LEAST_WORTH_ANOTHER_LANE and loop.time() < until:
            before = self.drafts
            for _ in range(TURNS_AT_THE_DOOR):
                await asyncio.sleep(0)

    def _call_a_lane(self) -> None:
        """What is little beside the groups under way waits for them, and shares the next: to post it beside
        them would cost all another commit, and gain nobody time. Unless these have to wait for somebody
        themselves. A lane that is called takes all that waits by then.
        """
        if not self._waiting or self._is_called:
            return
        if self._lanes_at_work == 0 or self._is_worth_another_lane() or self._is_out_of_patience:
            self._call_last_idle_lane()
        elif self._patience is None:
            is_much = self.drafts >= _LEAST_WORTH_ANOTHER_LANE
            seconds = _PATIENCE_FOR_COMPANY_SECONDS if is_much else _PATIENCE_SECONDS
            self._patience = asyncio.get_running_loop().call_later(seconds, self._lose_patience)

    def _is_worth_another_lane(self) -> bool:
        part_of_one = _PART_WORTH_ANOTHER_LANE * self._drafts_under_way / self._lanes_at_work
        return self.drafts >= max(_LEAST_WORTH_ANOTHER_LANE, min(part_of_one, _SURELY_WORTH_ANOTHER_LANE))

    def _call_last_idle_lane(self) -> None:
        """The last lane to become idle: in the caches of the processor, its connection is the warmest."""
        while self._idle_lanes:
            call = self._idle_lanes.pop()
            if call.done():
                continue  # the lane was stopped
            if self._patience is not None:
                self._patience.cancel()
                self._patience = None
            self._is_out_of_patience = False
            self._is_called = True
            self._lanes_at_work += 1
            call.set_result(None)
            return

    def _lose_patience(self) -> None:
        self._is_out_of_patience = True
        self._call_a_lane()
