"""Follows the commits of all posters, this process's and others', for whoever watches transactions here.

One task looks at the database for all watches together: a few times a second, and soon after a group of this
process's own was committed. While nobody watches it rests, so posting pays for it no more than a look at a
flag. The database is asked and not listened to: NOTIFY would take a lock of the whole database in the commit
of every group, and a watch has to ask anyway, for a transaction that ends without a word.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from ledger_service.rules.commit_order import Glimpse, SettledOrder
from ledger_service.store_watch import read_glimpse
from service_kit.database import raw_connection
from service_kit.errors import DomainError
from service_kit.failures import as_domain_error

_log = structlog.get_logger()

# However fast groups are committed here: so often is enough.
_SHORTEST_PAUSE_SECONDS: Final = 0.05


class Follower:
    """One watch: told when there may be something new for its client."""

    def __init__(self, client_no: int) -> None:
        self.client_no = client_no
        self.last_event_no: int | None = None
        """The highest number at the last look; None before the first one."""
        self.failure: DomainError | None = None
        self.told = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Return when it is told something, or after so many seconds; raises when the database is gone."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.told.wait()
        self.told.clear()
        if self.failure is not None:
            raise self.failure


class CommitTail:
    """How far the order of commits is settled; made by `running_tail`."""

    def __init__(self, engine: AsyncEngine, poll_seconds: float) -> None:
        self._engine = engine
        self._poll_seconds = poll_seconds
        self._order = SettledOrder()
        self._followers: set[Follower] = set()
        self._wake = asyncio.Event()

    @property
    def settled(self) -> int | None:
        """The place up to which the order is settled; None as long as that is not known."""
        return self._order.upto

    def last_of(self, client_no: int) -> int:
        """A number beyond which nothing of what is settled is the client's."""
        return self._order.last_of(client_no)

    def wake(self) -> None:
        """Look soon: a group was committed in this process."""
        if self._followers:
            self._wake.set()

    @contextmanager
    def following(self, client_no: int) -> Iterator[Follower]:
        """A follower, told of what is new as long as the context lasts."""
        if not self._followers:
            # What was settled when somebody last watched may be long ago, and no start for a watch from now.
            self._order = SettledOrder()
        follower = Follower(client_no)
        self._followers.add(follower)
        self._wake.set()
        try:
            yield follower
        finally:
            self._followers.discard(follower)

    async def run(self) -> None:
        """Look at the database for ever, as long as anybody follows."""
        while True:
            if self._followers:
                await self._look()
                await asyncio.sleep(_SHORTEST_PAUSE_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll_seconds if self._followers else None):
                    await self._wake.wait()
            self._wake.clear()

    async def _look(self) -> None:
        followers = list(self._followers)
        try:
            glimpse = await self._read({follower.client_no for follower in followers})
            has_news = self._order.take(glimpse)
        except Exception as failure:  # noqa: BLE001  # whatever it is, those who follow must know
            error = as_domain_error(failure)
            _log.warning("the commits can't be followed", cause=repr(failure))
            # Nobody knows which database answers the next time.
            self._order = SettledOrder()
            for follower in followers:
                follower.failure = error
                follower.told.set()
            return
        for follower in followers:
            if has_news or follower.last_event_no is None:
                follower.told.set()
            follower.last_event_no = glimpse.last_event_no

    async def _read(self, clients: set[int]) -> Glimpse:
        async with self._engine.connect() as connection:
            return await read_glimpse(await raw_connection(connection), sorted(clients))


@asynccontextmanager
async def running_tail(engine: AsyncEngine, poll_seconds: float) -> AsyncIterator[CommitTail]:
    """A tail at work."""
    tail = CommitTail(engine, poll_seconds)
    work = asyncio.create_task(tail.run())
    try:
        yield tail
    finally:
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
