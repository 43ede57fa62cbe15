"""Watches of committed transactions: page by page what there is, then what comes, and a sign of life between.

A watch holds no connection, no snapshot and at most one page: it reads a page when the caller has taken the
one before. So a slow caller costs nothing but its place among the watches.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import AdaptedConnection, event
from sqlalchemy.ext.asyncio import AsyncEngine

from ledger_service.commit_tail import CommitTail, Follower, running_tail
from ledger_service.rules import refusals
from ledger_service.rules.transactions import Transaction
from ledger_service.settings import LedgerSettings
from ledger_service.store_transactions import read_transactions
from ledger_service.store_watch import LOOK_UP_BY_INDEX, WatchFilter, read_stretch
from service_kit.database import create_engine, raw_connection

BEGINNING: Final = 0

_RETRY_AFTER: Final = timedelta(seconds=5)
# A statement looks at so many rows at most when a filter may leave out all of them.
_ROWS_OF_A_STRETCH: Final = 5_000
# However many watches catch up at once.
_READING_AT_ONCE: Final = 3


@dataclass(frozen=True, slots=True)
class WatchedPage:
    """Transactions, and the place after them; None: no place is known to be safe yet."""

    transactions: Sequence[Transaction]
    place: int | None


class TransactionWatcher:
    """Serves watches, as many as the settings allow; made by `running_watcher`."""

    def __init__(self, engine: AsyncEngine, tail: CommitTail, settings: LedgerSettings) -> None:
        self._engine = engine
        self._tail = tail
        self._most = settings.watches
        self._most_of_a_caller = settings.watches_per_caller
        self._heartbeat_seconds = settings.watch_heartbeat_seconds
        self._callers: Counter[str] = Counter()
        self._reading = asyncio.Semaphore(_READING_AT_ONCE)

    def wake(self) -> None:
        """Look soon: a group was committed in this process."""
        self._tail.wake()

    async def watch(
        self, wanted: WatchFilter, start: int | None, page_size: int, caller: str
    ) -> AsyncGenerator[WatchedPage, None]:
        """Pages for ever, from after `start` (None: from now). CURSOR_INVALID, TOO_MANY_WATCHES."""
        with self._admitted(caller), self._tail.following(wanted.client_no) as follower:
            while follower.last_event_no is None:
                await follower.wait(self._heartbeat_seconds)
            # What was told once is visible everywhere: a place beyond is of other books.
            if start is not None and start > follower.last_event_no:
                raise refusals.cursor_invalid("it is ahead of these books")
            page = WatchedPage((), self._tail.settled if start is None else start)
            while True:
                yield page
                page = await self._next(wanted, page.place, page_size, follower)

    async def _next(
        self, wanted: WatchFilter, place: int | None, page_size: int, follower: Follower
    ) -> WatchedPage:
        """The next page that is worth an answer: it has transactions, or the first place that is known, or it
        is time for a sign of life.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + self._heartbeat_seconds
        while True:
            settled = self._tail.settled
            if place is None and settled is not None:
                return WatchedPage((), settled)
            if place is not None and settled is not None:
                if self._tail.last_of(wanted.client_no) > place:
                    page = await self._read(wanted, place, settled, page_size)
                    if page.transactions:
                        return page
                    # All that is left out is passed over, a stretch at a time.
                    place = page.place
                else:
                    place = max(place, settled)
            left = end - loop.time()
            if left <= 0:
                return WatchedPage((), place)
            if place is None or self._tail.last_of(wanted.client_no) <= place:
                await follower.wait(left)

    async def _read(self, wanted: WatchFilter, after: int, upto: int, page_size: int) -> WatchedPage:
        rows = _ROWS_OF_A_STRETCH if wanted.leaves_out else page_size
        async with self._reading, self._engine.connect() as connection:
            driver = await raw_connection(connection)
            stretch = await read_stretch(driver, wanted, after, upto, rows)
            event_nos = stretch.event_nos[:page_size]
            found = await read_transactions(driver, [(wanted.client_no, number) for number in event_nos])
        transactions = [found[wanted.client_no, number] for number in event_nos]
        cut = len(event_nos) < len(stretch.event_nos)
        return WatchedPage(transactions, event_nos[-1] if cut else stretch.upto)

    @contextmanager
    def _admitted(self, caller: str) -> Iterator[None]:
        if self._callers[caller] >= self._most_of_a_caller:
            raise refusals.too_many_watches(f"{caller} has", self._most_of_a_caller, _RETRY_AFTER)
        if self._callers.total() >= self._most:
            raise refusals.too_many_watches("this server has", self._most, _RETRY_AFTER)
        self._callers[caller] += 1
        try:
            yield
        finally:
            self._callers[caller] -= 1
            if not self._callers[caller]:
                del self._callers[caller]


@asynccontextmanager
async def running_watcher(settings: LedgerSettings) -> AsyncIterator[TransactionWatcher]:
    """A watcher at work. Its connections, opened when somebody watches, are its own: so watches and all other
    reading don't wait for each other, and the tail for neither.
    """
    engine = create_engine(settings, name="ledger watch", pool_size=_READING_AT_ONCE + 1)

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: AdaptedConnection, _record: object) -> None:
        connection.run_async(lambda driver: driver.execute(LOOK_UP_BY_INDEX))

    try:
        async with running_tail(engine, settings.watch_poll_seconds) as tail:
            yield TransactionWatcher(engine, tail, settings)
    finally:
        await engine.dispose()
