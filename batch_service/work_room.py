"""Where a worker works its chunks: many at once, or one that must not take others down with it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class WorkRoom:
    """Any number may be in it at once, or one alone. Who has to be alone goes before those who come later."""

    def __init__(self) -> None:
        self._inside = 0
        self._to_be_alone = 0
        self._moved = asyncio.Event()

    @asynccontextmanager
    async def entered(self, *, alone: bool) -> AsyncIterator[None]:
        """Wait until there is room, and be inside while the block runs."""
        if alone:
            self._to_be_alone += 1
        try:
            await self._until((lambda: not self._inside) if alone else (lambda: not self._to_be_alone))
            self._inside += 1
            try:
                yield
            finally:
                self._inside -= 1
        finally:
            if alone:
                self._to_be_alone -= 1
            self._moved.set()
            self._moved = asyncio.Event()

    async def _until(self, there_is_room: Callable[[], bool]) -> None:
        while not there_is_room():
            await self._moved.wait()
