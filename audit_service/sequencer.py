"""Gives events their places in the log: one writer in each process, taking turns with other processes.

Calls that come while a group is being written wait, and are written together as the next one (group commit),
so that the cost of a transaction is shared by whoever waits. A commit that nobody heard of, because the
connection broke, does no harm: the producer sends again, and the log knows the event.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from audit_service import store_log, store_projections
from audit_service.events import ReadEvent
from audit_service.rules.placement import Arrival, Placement, Placing, place
from audit_service.store_log import LogRow
from audit_service.store_projections import PlacedEvent
from service_kit.errors import ErrorKind
from service_kit.failures import as_domain_error

_log = structlog.get_logger()

# Bounds the transaction, and so how long the other processes wait for their turn.
MOST_EVENTS_IN_GROUP: Final = 10_000
MOST_BYTES_IN_GROUP: Final = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _WaitingCall:
    events: Sequence[ReadEvent]
    placements: asyncio.Future[list[Placement]]

    def bytes(self) -> int:
        return sum(len(event.event) for event in self.events)


class Sequencer:
    """The writer of this process. Open it with `running_sequencer`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._waiting: deque[_WaitingCall] = deque()
        self._arrived = asyncio.Event()

    async def append(self, events: Sequence[ReadEvent]) -> list[Placement]:
        """Append events in order and return what became of each, once it is committed.

        Raises what the database raised when the group could not be written; then nothing of this call was.
        """
        if not events:
            return []
        call = _WaitingCall(events, asyncio.get_running_loop().create_future())
        self._waiting.append(call)
        self._arrived.set()
        return await call.placements

    async def run(self) -> None:
        """Write group after group until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                await self._write(self._next_group())

    def _next_group(self) -> list[_WaitingCall]:
        """The calls that waited longest; at least one, whatever its size."""
        group = [self._waiting.popleft()]
        events, size = len(group[0].events), group[0].bytes()
        while self._waiting:
            events += len(self._waiting[0].events)
            size += self._waiting[0].bytes()
            if events > MOST_EVENTS_IN_GROUP or size > MOST_BYTES_IN_GROUP:
                break
            group.append(self._waiting.popleft())
        return group

    async def _write(self, group: list[_WaitingCall]) -> None:
        events = [event for call in group for event in call.events]
        try:
            async with self._engine.begin() as connection:
                placements = await append_group(connection, events)
        except Exception as failure:  # noqa: BLE001  # each caller is told; the writer goes on with the next
            await self._write_apart(group, failure)
            return
        answered = 0
        for call in group:
            _answer(call.placements, placements[answered : answered + len(call.events)])
            answered += len(call.events)

    async def _write_apart(self, group: list[_WaitingCall], failure: Exception) -> None:
        """After a failure that lies in what was written, not in the database: keep it from the neighbours."""
        lies_in_the_group = as_domain_error(failure).kind is ErrorKind.INTERNAL
        if lies_in_the_group and len(group) > 1:
            for call in group:
                await self._write([call])
            return
        _log.warning("events could not be written", calls=len(group), cause=repr(failure))
        for call in group:
            _answer(call.placements, failure)


def _answer(future: asyncio.Future[list[Placement]], answer: list[Placement] | Exception) -> None:
    if future.done():
        return  # the caller did not wait; its events are in the log all the same
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)


async def append_group(connection: AsyncConnection, events: Sequence[ReadEvent]) -> list[Placement]:
    """Append events within the transaction of `connection`, with what the search derives from them."""
    await store_log.lock_log(connection)
    known = await store_log.entries(connection, [event.event_id for event in events])
    end = await store_log.log_end(connection)
    placements = place([Arrival(event.event_id, event.leaf_hash) for event in events], known, end.next_index)
    appended = [
        PlacedEvent(placement.log_index, event)
        for placement, event in zip(placements, events, strict=True)
        if placement.placing is Placing.APPENDED
    ]
    if appended:
        rows = [
            LogRow(
                placed.log_index, placed.event.event_id, placed.event.event, placed.event.leaf_hash, end.now
            )
            for placed in appended
        ]
        await store_log.append(connection, rows)
        await store_projections.project(connection, appended)
    return placements


@asynccontextmanager
async def running_sequencer(engine: AsyncEngine) -> AsyncIterator[Sequencer]:
    """A sequencer that runs. At the end nobody may be waiting: leave after the last call ended."""
    sequencer = Sequencer(engine)
    writer = asyncio.create_task(sequencer.run(), name="sequencer")
    try:
        yield sequencer
    finally:
        writer.cancel()
        with suppress(asyncio.CancelledError):
            await writer
