"""The poster: the one path by which the books change.

Whatever waits, one request or thousands, becomes a commit group: what the rules need is read for all of it
at once, every request is decided on its own, and what is accepted is written and committed in one go. So a
single call costs a small part of a commit, and nobody waits longer than for the group before. How a group is
posted is told in `group_posting`.

A few groups are under way at once ("lanes"), each on a connection of its own: while the database works on
one, the next is prepared, and as far as it can be its rows are written (`account_turns`). Posters of other
processes are met only in the database: at the rows of accounts and at unique indexes. Who loses there starts
again from the new state.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import asyncpg
import structlog
from prometheus_client import Counter, Gauge, Histogram

from ledger_service.account_turns import AccountTurns
from ledger_service.group_decisions import Decided, Refusal
from ledger_service.group_posting import GroupPosting
from ledger_service.known_accounts import KnownAccounts
from ledger_service.lane_connection import LaneConnection
from ledger_service.posting_queue import PostingQueue, WaitingRequest
from ledger_service.remembered_books import RememberedBooks
from ledger_service.requests import FirstAnswer, PostingRequest
from ledger_service.settings import LedgerSettings
from service_kit.clock import Clock
from service_kit.database import LOST_RACE, DatabaseUnavailableError, RawConnection
from service_kit.errors import DomainError, ErrorKind, SharedReason
from service_kit.failures import as_domain_error, is_database_unavailable

_log = structlog.get_logger()

# Who lost a race has others beside it, and does not race with them for so many groups.
_RACES_TO_AVOID: Final = 20
# Some 300 bytes each.
_KNOWN_ACCOUNTS: Final = 50_000
# Some 700 bytes each, and half of that for a plan instance.
_REMEMBERED_ACCOUNTS: Final = 20_000
# A lost race is won or lost for good the next time, but for races with yet others.
_ATTEMPTS: Final = 5
_PAUSE_SECONDS: Final = 0.05
_STOPPING_RETRY: Final = timedelta(milliseconds=500)

_TRANSACTIONS: Final = Counter("tallybook_ledger_transactions", "Transactions that were posted.")
_GROUPS: Final = Counter("tallybook_ledger_commit_groups", "Commit groups that were written.")
_RETRIES: Final = Counter(
    "tallybook_ledger_commit_group_retries", "Groups that were begun again, by cause.", ["cause"]
)
_GROUP_SECONDS: Final = Histogram("tallybook_ledger_commit_group_seconds", "From begin to commit.")
_WAITING_DRAFTS: Final = Gauge("tallybook_ledger_waiting_drafts", "Drafts that wait for a group.")


@dataclass(slots=True)
class _Races:
    """Whether to post in a way in which others may be faster."""

    _to_avoid: int = 0

    def admit_next(self) -> bool:
        """Whether the next group races: the first few after a lost race don't, since there are others."""
        if self._to_avoid == 0:
            return True
        self._to_avoid -= 1
        return False

    @contextlib.contextmanager
    def racing(self) -> Iterator[None]:
        """Take note if the race is lost."""
        try:
            yield
        except LOST_RACE:
            self._to_avoid = _RACES_TO_AVOID
            raise


class Poster:
    """Posts requests in groups; made by `running_poster`."""

    def __init__(self, settings: LedgerSettings, clock: Clock, wake_relay: Callable[[], None]) -> None:
        self._settings = settings
        self._group_size = settings.posting_group_size
        self._queue = PostingQueue(settings.posting_queue_size)
        _WAITING_DRAFTS.set_function(lambda: self._queue.drafts)
        self._clock = clock
        self._wake_relay = wake_relay
        self._turns = AccountTurns()
        self._known_accounts = KnownAccounts(_KNOWN_ACCOUNTS)
        self._remembered = RememberedBooks(_REMEMBERED_ACCOUNTS)
        self._without_locks, self._ahead = _Races(), _Races()

    async def post(self, request: PostingRequest) -> bytes:
        """Post a request and return its answer, the first one when its key is known; DomainError when
        refused.

        Whoever stops waiting before the request is in a group has posted nothing.
        """
        waiting = WaitingRequest(request, request.weight, asyncio.get_running_loop().create_future())
        self._queue.put(waiting)
        return await waiting.answer

    async def run_lane(self) -> None:
        """Post group after group, for ever."""
        lane = LaneConnection(self._settings, opened=self._forget_all)
        async with contextlib.aclosing(lane):
            while True:
                group = await self._queue.take(self._group_size)
                try:
                    await self._post(lane, group)
                except asyncio.CancelledError:
                    for waiting in group:
                        waiting.fail(_stopping())
                    raise
                finally:
                    self._queue.done(group)

    def _forget_all(self) -> None:
        """A new connection may lead to another database. Groups that are under way over others still have the
        former memory, and keep there what they leave behind.
        """
        self._remembered = RememberedBooks(_REMEMBERED_ACCOUNTS)

    async def _post(self, lane: LaneConnection, group: Sequence[WaitingRequest]) -> None:
        """Post a group. When it fails for no reason that passes, its halves are posted apart: so one request
        that can't be posted never fails its neighbours.
        """
        halves: list[Sequence[WaitingRequest]] = []
        try:
            results = await self._post_with_retries(lane, [waiting.request for waiting in group])
            for waiting, result in zip(group, results, strict=True):
                waiting.resolve(result)
        except Exception as failure:  # noqa: BLE001  # whatever it is, somebody waits for an answer
            error = as_domain_error(failure)
            if len(group) > 1 and error.reason == SharedReason.INTERNAL:
                middle = len(group) // 2
                halves = [group[:middle], group[middle:]]
            else:
                log = _log.exception if error.kind is ErrorKind.INTERNAL else _log.warning
                log("a group was not posted", requests=len(group), cause=repr(failure))
                for waiting in group:
                    waiting.fail(error)
        for half in halves:
            await self._post(lane, half)

    async def _post_with_retries(
        self, lane: LaneConnection, requests: Sequence[PostingRequest]
    ) -> Sequence[Decided | FirstAnswer | Refusal]:
        """A group that loses a race, or its connection, is begun again, and then holds its accounts.

        Also when the connection broke during the commit and nobody knows whether it took place: the requests
        have keys, and what was committed under a key is answered, not posted again.
        """
        attempt = 0
        while True:
            attempt += 1
            try:
                async with lane.trusted() as connection:
                    with _GROUP_SECONDS.time():
                        return await self._post_once(connection, requests, may_race=attempt == 1)
            except LOST_RACE as lost:
                # Who raced without locks takes them now, and that at once.
                cause: Exception = lost
                pause = _PAUSE_SECONDS * (attempt - 1)
            except Exception as failure:
                if not _is_connection_lost(failure):
                    raise
                cause = DatabaseUnavailableError(f"the connection was lost: {failure}")
                cause.__cause__ = failure
                pause = _PAUSE_SECONDS * attempt
            if attempt == _ATTEMPTS:
                raise cause
            _RETRIES.labels(type(cause).__name__).inc()
            await asyncio.sleep(pause)

    async def _post_once(
        self, connection: RawConnection, requests: Sequence[PostingRequest], *, may_race: bool
    ) -> Sequence[Decided | FirstAnswer | Refusal]:
        """Post a group: without locks or its rows ahead where that is likely to succeed, and else holding its
        accounts.
        """
        posting = await self._begun(connection, requests)
        results = None
        if may_race and posting.may_be_ahead and not posting.is_small and self._ahead.admit_next():
            with self._ahead.racing():
                async with self._turns.turn(posting.accounts, posting.names, is_ahead=True) as turn:
                    self._remembered.forget(posting.accounts)
                    results = await posting.post_ahead(turn)
            if results is None:
                _RETRIES.labels("NotSurelyRight").inc()
                posting = await self._begun(connection, requests)
        if results is None:
            async with self._turns.turn(posting.accounts, posting.names, is_ahead=False):
                if (
                    may_race
                    and posting.is_small
                    and self._queue.is_single
                    and self._without_locks.admit_next()
                ):
                    with self._without_locks.racing():
                        results = await posting.post_without_locks(self._remembered)
                else:
                    self._remembered.forget(posting.accounts)
                    results = await posting.post_holding()
        if posting.posted is not None:
            self._wake_relay()
            _GROUPS.inc()
            _TRANSACTIONS.inc(len(posting.posted.transactions))
        return results

    async def _begun(self, connection: RawConnection, requests: Sequence[PostingRequest]) -> GroupPosting:
        posting = GroupPosting(connection, requests, self._clock, self._known_accounts)
        await posting.find_named()
        return posting


@asynccontextmanager
async def running_poster(
    settings: LedgerSettings, clock: Clock, wake_relay: Callable[[], None]
) -> AsyncIterator[Poster]:
    """A poster at work on as many lanes as the settings say."""
    poster = Poster(settings, clock, wake_relay)
    lanes = [asyncio.create_task(poster.run_lane()) for _ in range(settings.posting_lanes)]
    try:
        yield poster
    finally:
        for lane in lanes:
            lane.cancel()
        for lane in lanes:
            with contextlib.suppress(asyncio.CancelledError):
                await lane


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
        retry_after=_STOPPING_RETRY,
    )
