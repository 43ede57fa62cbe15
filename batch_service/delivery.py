"""How chunks reach workers: a narrow port, so that the queue behind it can be another one tomorrow.

The port promises little, on purpose: a ticket that is deferred usually reaches one worker soon. It may get
lost and it may come twice; the table of chunks knows better, and the sweeper delivers again. So no
implementation needs transactions with our tables, stalled-job detection or retries.
tests/integration/batch/test_delivery.py holds what every implementation has to do.
"""

import asyncio
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
