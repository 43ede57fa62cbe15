"""The poster: the one path by which the books change.

Whatever waits, one request or thousands, becomes a commit group. Its accounts are locked in order, what the
rules need is read for all of it at once, every request is decided on its own, and what is accepted is written
and committed in one go. So a single call costs a small part of a commit, and nobody waits longer than for the
group before.

A few groups are under way at once ("lanes"), each on a connection of its own: while the database works on
one, the next is prepared. Lanes, and posters of other processes, meet only in the database: at the locks of
accounts and at unique indexes. Who loses there starts again from the new state.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import asyncpg
import structlog
from prometheus_client import Counter, Gauge, Histogram
from sqlalchemy import AdaptedConnection, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ledger_service import store_applications, store_books, store_groups
from ledger_service.audit_events import events_of
from ledger_service.group_decisions import Decided, GroupDecisions, Refusal, named_refusal
from ledger_service.requests import FirstAnswer, PostingRequest
from ledger_service.rules import refusals
from ledger_service.rules.books import Books
from ledger_service.rules.commit_groups import CommitGroup, lay_out, numbers_needed
from ledger_service.rules.group_applications import GroupApplications, apply_group, items_needed
from ledger_service.rules.needs import Needs
from ledger_service.settings import LedgerSettings
from service_kit import outbox
from service_kit.clock import Clock
from service_kit.database import (
    DatabaseUnavailableError,
    RawConnection,
    create_engine,
    raw_connection,
)
from service_kit.errors import DomainError, ErrorKind, SharedReason
from service_kit.failures import as_domain_error, is_database_unavailable

_log = structlog.get_logger()

_OVERLOADED_RETRY: Final = timedelta(milliseconds=500)
# A lost race is won or lost for good the next time, but for races with yet others.
_ATTEMPTS: Final = 5
_PAUSE_SECONDS: Final = 0.05
# What a concurrent group may do to us: take a name that was free, or a lock in another order.
_LOST_RACE: Final = (
    asyncpg.UniqueViolationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
)

_TRANSACTIONS: Final = Counter("tallybook_ledger_transactions", "Transactions that were posted.")
_GROUPS: Final = Counter("tallybook_ledger_commit_groups", "Commit groups that were written.")
_RETRIES: Final = Counter(
    "tallybook_ledger_commit_group_retries", "Groups that were begun again, by cause.", ["cause"]
)
_GROUP_SECONDS: Final = Histogram("tallybook_ledger_commit_group_seconds", "From begin to commit.")
_WAITING_DRAFTS: Final = Gauge("tallybook_ledger_waiting_drafts", "Drafts that wait for a group.")


@dataclass(slots=True)
class _Waiting:
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
class _Queue:
    """What waits, in order. Bounded by `size` drafts."""

    size: int
    _waiting: deque[_Waiting] = field(default_factory=deque)
    _drafts: int = 0
    _arrival: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, waiting: _Waiting) -> None:
        """Add a request; OVERLOADED when too much waits. A request alone is taken whatever its size."""
        if self._drafts and self._drafts + waiting.weight > self.size:
            raise refusals.overloaded(self._drafts, _OVERLOADED_RETRY)
        self._waiting.append(waiting)
        self._count(waiting.weight)
        self._arrival.set()

    async def take(self, group_size: int) -> list[_Waiting]:
        """Wait for something, and take what waits, up to `group_size` drafts."""
        taken: list[_Waiting] = []
        while not taken:
            await self._arrival.wait()
            drafts = 0
            while self._waiting and drafts < group_size:
                waiting = self._waiting.popleft()
                self._count(-waiting.weight)
                # Who gave up (deadline, cancelled call) gets nothing posted any more.
                if not waiting.answer.done():
                    taken.append(waiting)
                    drafts += waiting.weight
            if not self._waiting:
                self._arrival.clear()
        return taken

    def _count(self, drafts: int) -> None:
        self._drafts += drafts
        _WAITING_DRAFTS.set(self._drafts)


class _LaneConnection:
    """The connection of a lane, which it keeps from group to group; opened when it is first needed."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._held: AsyncConnection | None = None

    @asynccontextmanager
    async def trusted(self) -> AsyncIterator[RawConnection]:
        """The connection, which is given up when anything but a lost race happens on it."""
        if self._held is None:
            self._held = await self._engine.connect()
        try:
            yield await raw_connection(self._held)
        except _LOST_RACE:
            raise
        except BaseException:
            await self._held.invalidate()
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Give the connection back."""
        held, self._held = self._held, None
        if held is not None:
            await held.close()


class Poster:
    """Posts requests in groups; made by `running_poster`."""

    def __init__(
        self, settings: LedgerSettings, engine: AsyncEngine, clock: Clock, wake_relay: Callable[[], None]
    ) -> None:
        self._group_size = settings.posting_group_size
        self._queue = _Queue(settings.posting_queue_size)
        self._engine = engine
        self._clock = clock
        self._wake_relay = wake_relay

    async def post(self, request: PostingRequest) -> bytes:
        """Post a request and return its answer, the first one when its key is known; DomainError when
        refused.

        Whoever stops waiting before the request is in a group has posted nothing.
        """
        waiting = _Waiting(request, request.weight, asyncio.get_running_loop().create_future())
        self._queue.put(waiting)
        return await waiting.answer

    async def run_lane(self) -> None:
        """Post group after group, for ever."""
        async with contextlib.aclosing(_LaneConnection(self._engine)) as lane:
            while True:
                group = await self._queue.take(self._group_size)
                try:
                    await self._post(lane, group)
                except asyncio.CancelledError:
                    for waiting in group:
                        waiting.fail(_stopping())
                    raise

    async def _post(self, lane: _LaneConnection, group: Sequence[_Waiting]) -> None:
        """Post a group. When it fails for no reason that passes, its halves are posted apart: so one request
        that can't be posted never fails its neighbours.
        """
        try:
            results = await self._post_with_retries(lane, [waiting.request for waiting in group])
            for waiting, result in zip(group, results, strict=True):
                waiting.resolve(result)
        except Exception as failure:  # noqa: BLE001  # whatever it is, somebody waits for an answer
            error = as_domain_error(failure)
            if len(group) > 1 and error.reason == SharedReason.INTERNAL:
                middle = len(group) // 2
                await self._post(lane, group[:middle])
                await self._post(lane, group[middle:])
                return
            log = _log.exception if error.kind is ErrorKind.INTERNAL else _log.warning
            log("a group was not posted", requests=len(group), cause=repr(failure))
            for waiting in group:
                waiting.fail(error)

    async def _post_with_retries(
        self, lane: _LaneConnection, requests: Sequence[PostingRequest]
    ) -> Sequence[Decided | FirstAnswer | Refusal]:
        """A group that loses a race, or its connection, is begun again.

        Also when the connection broke during the commit and nobody knows whether it took place: the requests
        have keys, and what was committed under a key is answered, not posted again.
        """
        attempt = 0
        while True:
            attempt += 1
            try:
                async with lane.trusted() as connection:
                    with _GROUP_SECONDS.time():
                        return await self._post_once(connection, requests)
            except _LOST_RACE as lost:
                cause: Exception = lost
            except Exception as failure:
                if not _is_connection_lost(failure):
                    raise
                cause = DatabaseUnavailableError(f"the connection was lost: {failure}")
                cause.__cause__ = failure
            if attempt == _ATTEMPTS:
                raise cause
            _RETRIES.labels(type(cause).__name__).inc()
            await asyncio.sleep(_PAUSE_SECONDS * attempt)

    async def _post_once(
        self, connection: RawConnection, requests: Sequence[PostingRequest]
    ) -> Sequence[Decided | FirstAnswer | Refusal]:
        books, needs = Books(), Needs()
        for request in requests:
            request.add_needs(needs)
        await store_books.read_unchanging(connection, needs, books)
        needs.add_what_is_bound(books)
        async with connection.transaction():
            if needs.accounts:
                await store_books.lock_accounts(connection, needs, books)
            await store_books.read_changing(connection, needs, books)
            keys = [key for request in requests for key in request.all_keys()]
            decisions = GroupDecisions(books, await store_groups.read_known_keys(connection, keys))
            results = [decisions.decide(request) for request in requests]
            if decisions.accepted:
                await self._write(connection, decisions)
        if decisions.accepted:
            self._wake_relay()
        return results

    async def _write(self, connection: RawConnection, decisions: GroupDecisions) -> None:
        accepted = decisions.accepted
        numbers = await store_groups.reserve_numbers(connection, numbers_needed(accepted))
        # Under the locks: so of one account, later numbers have later times.
        group = lay_out(accepted, numbers, self._clock.now())
        applied = await self._apply(connection, decisions, group)
        writing = asyncio.create_task(_write_rows(connection, group, applied))
        try:
            # The answers are made while the database takes the rows.
            await asyncio.sleep(0)
            keys = [(*row, group.created_at) for row in decisions.key_rows()]
            events = events_of(group, accepted)
        finally:
            await writing
        await store_groups.write_keys(connection, keys)
        await store_groups.settle(connection, group)
        await outbox.append(connection, events)
        _GROUPS.inc()
        _TRANSACTIONS.inc(len(group.transactions))

    async def _apply(
        self, connection: RawConnection, decisions: GroupDecisions, group: CommitGroup
    ) -> GroupApplications:
        """Apply what the group posts (rule 8). Nothing is refused for it."""
        balances = decisions.books.balances
        before = {key: balances[key] - change for key, change in group.balance_changes.items()}
        needed = items_needed(decisions.accepted, before)
        items = await store_applications.read_items(connection, needed)
        applied = apply_group(decisions.accepted, items, needed.one_sided)
        if applied.applications:
            count = {"application": len(applied.applications)}
            applied.number((await store_groups.reserve_numbers(connection, count))["application"])
        return applied


async def _write_rows(connection: RawConnection, group: CommitGroup, applied: GroupApplications) -> None:
    await store_groups.write_rows(connection, group)
    await store_applications.write_applications(connection, applied, group.created_at)


@asynccontextmanager
async def running_poster(
    settings: LedgerSettings, clock: Clock, wake_relay: Callable[[], None]
) -> AsyncIterator[Poster]:
    """A poster at work on as many lanes as the settings say."""
    engine = create_engine(settings, name="ledger poster", pool_size=settings.posting_lanes)

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: AdaptedConnection, _record: object) -> None:
        connection.run_async(lambda driver: driver.execute(store_books.LOOK_UP_BY_INDEX))

    try:
        poster = Poster(settings, engine, clock, wake_relay)
        lanes = [asyncio.create_task(poster.run_lane()) for _ in range(settings.posting_lanes)]
        try:
            yield poster
        finally:
            for lane in lanes:
                lane.cancel()
            for lane in lanes:
                with contextlib.suppress(asyncio.CancelledError):
                    await lane
    finally:
        await engine.dispose()


def _is_connection_lost(failure: Exception) -> bool:
    """Whether the connection is gone. The driver does not always notice that it was cut in the middle of an
    operation: then it complains of its own state, or of the operation that never ended.
    """
    if isinstance(failure, asyncpg.InterfaceError | asyncpg.InternalClientError):
        return not isinstance(failure, asyncpg.DataError)
    return is_database_unavailable(failure)


def _stopping() -> DomainError:
    return DomainError(
        ErrorKind.UNAVAILABLE,
        SharedReason.SERVICE_STOPPING,
        "the service is stopping: send the same request again",
        retry_after=_OVERLOADED_RETRY,
    )
