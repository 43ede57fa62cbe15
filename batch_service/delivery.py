"""How chunks reach workers: a narrow port, so that the queue behind it can be another one tomorrow.

The port promises little, on purpose: a ticket that is deferred usually reaches one worker soon. It may get
lost and it may come twice; the table of chunks knows better, and the sweeper delivers again. So no
implementation needs transactions with our tables, stalled-job detection or retries.
tests/integration/batch/test_delivery.py holds what every implementation has to do.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from batch_service.chunks import ChunkTicket

TakeTicket = Callable[[ChunkTicket], Awaitable[None]]
"""What a worker does with a ticket. It never raises."""


class ChunkDelivery(Protocol):
    """Delivers tickets to workers, in this process or in others."""

    async def defer(self, tickets: Sequence[ChunkTicket]) -> None:
        """Hand over tickets for delivery."""
        ...

    async def run(self, take: TakeTicket, concurrency: int) -> None:
        """Call `take` for tickets as they come, at most `concurrency` at a time, until `stop`; then return
        once those that are being taken are done.
        """
        ...

    def stop(self) -> None:
        """Take no more tickets."""
        ...


class OwnWorkersFirst:
    """Gives tickets to the workers of this process that have nothing to do, and the rest to a queue of all.

    So a session goes from step to step without waiting for a queue, and when there is more to do than this
    process can work at once, others take part: in all but the tickets that this process has fetched from the
    queue meanwhile, at most as many as it has workers. A ticket that was given directly is lost when the
    process ends before it is claimed, like one that was fetched from a queue: it is delivered again.
    """

    def __init__(self, queue: ChunkDelivery) -> None:
        self._queue = queue
        self._take: TakeTicket | None = None
        self._room = asyncio.Semaphore(0)
        self._given: set[asyncio.Task[None]] = set()

    async def defer(self, tickets: Sequence[ChunkTicket]) -> None:
        """Let those be taken at once that there are idle workers for, and put the others into the queue."""
        waiting = deque(tickets)
        while waiting and self._take is not None and not self._room.locked():
            await self._room.acquire()  # at once, since there is room
            self._give(waiting.popleft(), self._take)
        if waiting:
            await self._queue.defer(waiting)

    async def run(self, take: TakeTicket, concurrency: int) -> None:
        """Take what is given and what the queue has, together at most `concurrency` at a time."""
        self._room = room = asyncio.Semaphore(concurrency)
        self._take = take

        async def take_in_turn(ticket: ChunkTicket) -> None:
            async with room:
                await take(ticket)

        try:
            await self._queue.run(take_in_turn, concurrency)
        finally:
            self._take = None
            await asyncio.gather(*self._given)

    def stop(self) -> None:
        """Take no more tickets: what is deferred from now on is for others."""
        self._take = None
        self._queue.stop()

    def _give(self, ticket: ChunkTicket, take: TakeTicket) -> None:
        task = asyncio.create_task(self._take_given(ticket, take), name=f"given {ticket}")
        self._given.add(task)
        task.add_done_callback(self._given.discard)

    async def _take_given(self, ticket: ChunkTicket, take: TakeTicket) -> None:
        try:
            await take(ticket)
        finally:
            self._room.release()


class InProcessDelivery:
    """Delivers to the workers of this process alone. Nothing survives it: for tests and one-process tools."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[ChunkTicket] = asyncio.Queue()
        self._stopped = asyncio.Event()

    async def defer(self, tickets: Sequence[ChunkTicket]) -> None:
        """Put tickets into the queue of this process."""
        for ticket in tickets:
            self._queue.put_nowait(ticket)

    async def run(self, take: TakeTicket, concurrency: int) -> None:
        """Take tickets until `stop`."""
        self._stopped.clear()
        async with asyncio.TaskGroup() as workers:
            for _ in range(concurrency):
                workers.create_task(self._take_until_stopped(take))

    def stop(self) -> None:
        """Take no more tickets."""
        self._stopped.set()

    async def _take_until_stopped(self, take: TakeTicket) -> None:
        stopped = asyncio.ensure_future(self._stopped.wait())
        try:
            while not self._stopped.is_set():
                waiting = asyncio.ensure_future(self._queue.get())
                await asyncio.wait({waiting, stopped}, return_when=asyncio.FIRST_COMPLETED)
                if not waiting.done():
                    waiting.cancel()
                    return
                await take(waiting.result())
        finally:
            stopped.cancel()
