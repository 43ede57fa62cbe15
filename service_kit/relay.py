"""Carries the outbox to the audit service: at least once, in order, whatever fails on the way."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final
from uuid import UUID

import grpc
import structlog
from prometheus_client import Counter, Gauge
from sqlalchemy.ext.asyncio import AsyncEngine

from service_kit.channels import open_channel
from service_kit.database import RawConnection, raw_connection
from service_kit.failures import is_database_unavailable
from service_kit.outbox import OUTBOX_TABLE
from service_kit.settings import ServiceSettings
from tallybook.audit.v1 import audit_pb2, audit_pb2_grpc

_log = structlog.get_logger()

_BATCH_EVENTS: Final = 500
# Below the largest message (16 MiB), with room for a last event of the largest size.
_BATCH_BYTES: Final = 8 * 1024 * 1024
_LARGEST_EVENT_BYTES: Final = 1024 * 1024  # AuditEventRecord.event in the contract
# Shorter than idle_in_transaction_session_timeout: the database would cut off a relay that waits for longer.
_CALL_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 1.0
# Under load, one call with the events of many commits costs the database and the audit service far less.
_GATHER_SECONDS: Final = 0.05
_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 15.0
_FLUSH_SECONDS: Final = 3.0
_MEASURE_SECONDS: Final = 5.0

# The request as a whole is refused, because of one of its events: smaller requests find out which.
_REQUEST_REFUSED: Final = frozenset({grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OUT_OF_RANGE})
# Somebody has to change something: it is worth more than a warning.
_MISCONFIGURED: Final = frozenset(
    {
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)

# One relay at a time carries a database's outbox, or events would overtake each other. The lock ends with
# the transaction, so that one which was killed, or frozen (idle_in_transaction_session_timeout), does not
# keep it.
_TAKE_TURN: Final = (
    "SELECT pg_try_advisory_xact_lock(hashtext('tallybook relay'), hashtext(current_database()))"
)
_WAITING: Final = f"""
    SELECT outbox_no, event_id, payload
    FROM {OUTBOX_TABLE}
    WHERE refused_at IS NULL
    ORDER BY outbox_no
    LIMIT $1
"""  # noqa: S608  # constants of ours, here and below
_IS_EMPTY: Final = f"SELECT NOT EXISTS (SELECT FROM {OUTBOX_TABLE} WHERE refused_at IS NULL)"  # noqa: S608
_FORGET: Final = f"DELETE FROM {OUTBOX_TABLE} WHERE outbox_no = ANY($1::bigint[])"  # noqa: S608
_PARK: Final = f"""
    UPDATE {OUTBOX_TABLE} SET refused_at = clock_timestamp(), refused_reason = reason
    FROM unnest($1::bigint[], $2::text[]) AS refused (refused_no, reason)
    WHERE outbox_no = refused_no
"""  # noqa: S608
_MEASURE: Final = f"""
    SELECT count(*) FILTER (WHERE refused_at IS NULL) AS waiting,
        coalesce(extract(epoch FROM now() - min(created_at) FILTER (WHERE refused_at IS NULL)), 0) AS oldest,
        count(*) FILTER (WHERE refused_at IS NOT NULL) AS refused
    FROM {OUTBOX_TABLE}
"""  # noqa: S608

_DELIVERED: Final = Counter("tallybook_audit_outbox_delivered", "Events that the audit service has.")
_WAITING_EVENTS: Final = Gauge("tallybook_audit_outbox_waiting", "Events that wait to be sent.")
_OLDEST_SECONDS: Final = Gauge(
    "tallybook_audit_outbox_oldest_seconds", "For how long the oldest of them waits."
)
_REFUSED_EVENTS: Final = Gauge(
    "tallybook_audit_outbox_refused", "Events that the audit service refused for good."
)


class _Pass(Enum):
    """How one pass over the outbox ended."""

    EMPTY = auto()
    CARRIED = auto()
    SOMEBODY_ELSE_CARRIES = auto()


@dataclass(frozen=True, slots=True)
class _Row:
    outbox_no: int
    event_id: UUID
    payload: bytes


class _TroubleError(Exception):
    """The audit service can't take events now; nothing was lost, a later pass tries again."""

    def __init__(self, cause: str, *, needs_somebody: bool = False) -> None:
        super().__init__(cause)
        self.needs_somebody = needs_somebody


class Relay:
    """The task that carries the outbox, one for each process; several on one database take turns.

    At least once: an event is deleted after the audit service said that it has it. When that answer is lost,
    the event is sent again with the same bytes, and the audit service recognises it by its id.
    """

    def __init__(self, engine: AsyncEngine, audit: "audit_pb2_grpc.AuditServiceAsyncStub | None") -> None:
        """audit: None leaves everything in the outbox."""
        self._engine = engine
        self._audit = audit
        self._news = asyncio.Event()
        self._urgent = asyncio.Event()
        self._flushes: list[asyncio.Future[None]] = []
        self._batch_events = _BATCH_EVENTS
        self._next_measure = 0.0
        self._trouble: str | None = None

    def wake(self) -> None:
        """Say that there is something new in the outbox. Cheap, never waits."""
        self._news.set()

    async def flush(self, seconds: float) -> bool:
        """Wait until everything that is in the outbox now has left it, at most `seconds`; whether it has."""
        if self._audit is None:
            return False
        emptied: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._flushes.append(emptied)
        self._news.set()
        self._urgent.set()
        try:
            async with asyncio.timeout(seconds):
                await emptied
        except TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """Carry until cancelled."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            self._news.clear()
            self._urgent.clear()
            flushes, self._flushes = self._flushes, []
            try:
                ended = await self._carry()
                await self._measure()
            except Exception as trouble:  # noqa: BLE001  # also what nobody foresaw: the events stay, try again
                self._flushes += flushes
                self._say(trouble)
                # Half of the pause is random, so that the relays of many servers do not come back together.
                await _first_of(self._urgent, pause * random.uniform(0.5, 1.0))  # noqa: S311
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
                continue
            pause = _FIRST_PAUSE_SECONDS
            self._say(None)
            if ended is _Pass.EMPTY:
                _resolve(flushes)
            else:
                self._flushes += flushes
            if ended is not _Pass.CARRIED:
                await _first_of(self._news, _POLL_SECONDS)
                await _first_of(self._urgent, _GATHER_SECONDS)

    async def _carry(self) -> _Pass:
        """Send the next events and note what became of them."""
        assert self._audit is not None
        async with self._engine.begin() as connection:
            driver = await raw_connection(connection)
            if not await driver.fetchval(_TAKE_TURN):
                return _Pass.EMPTY if await driver.fetchval(_IS_EMPTY) else _Pass.SOMEBODY_ELSE_CARRIES
            rows = await self._next_rows(driver)
            if not rows:
                return _Pass.EMPTY
            results = await self._write(rows)
            if results is not None:
                await self._note(driver, rows, results)
            return _Pass.CARRIED

    async def _next_rows(self, driver: RawConnection) -> list[_Row]:
        rows = [_Row(*record) for record in await driver.fetch(_WAITING, self._batch_events)]
        size = 0
        for place, row in enumerate(rows):
            size += len(row.payload)
            if size > _BATCH_BYTES and place > 0:
                return rows[:place]
        return rows

    async def _write(self, rows: Sequence[_Row]) -> Sequence[audit_pb2.WriteResult] | None:
        """What became of each row; None when the request was refused as a whole: smaller ones follow."""
        assert self._audit is not None
        records = [audit_pb2.AuditEventRecord(event_id=str(row.event_id), event=row.payload) for row in rows]
        try:
            response = await self._audit.BatchWriteAuditEvents(
                audit_pb2.BatchWriteAuditEventsRequest(events=records), timeout=_CALL_SECONDS
            )
        except grpc.aio.AioRpcError as failure:
            return self._after_failure(rows, failure)
        self._batch_events = min(self._batch_events * 2, _BATCH_EVENTS)
        if [result.event_id for result in response.results] != [record.event_id for record in records]:
            raise _TroubleError(
                "the audit service answered for other events than it was sent", needs_somebody=True
            )
        return response.results

    def _after_failure(
        self, rows: Sequence[_Row], failure: grpc.aio.AioRpcError
    ) -> Sequence[audit_pb2.WriteResult] | None:
        code, said = failure.code(), f"{failure.code().name}: {failure.details()}"
        too_large = code is grpc.StatusCode.RESOURCE_EXHAUSTED and len(rows[0].payload) > _LARGEST_EVENT_BYTES
        if code not in _REQUEST_REFUSED and not too_large:
            raise _TroubleError(said, needs_somebody=code in _MISCONFIGURED)
        if len(rows) > 1:
            self._batch_events = len(rows) // 2
            return None
        return [
            audit_pb2.WriteResult(
                event_id=str(rows[0].event_id),
                outcome=audit_pb2.WRITE_OUTCOME_REFUSED,
                reason=code.name,
                message=failure.details() or "",
            )
        ]

    async def _note(
        self, driver: RawConnection, rows: Sequence[_Row], results: Sequence[audit_pb2.WriteResult]
    ) -> None:
        delivered: list[int] = []
        refused: dict[int, str] = {}
        for row, result in zip(rows, results, strict=True):
            if result.outcome in (audit_pb2.WRITE_OUTCOME_APPENDED, audit_pb2.WRITE_OUTCOME_DUPLICATE):
                delivered.append(row.outbox_no)
            elif result.outcome == audit_pb2.WRITE_OUTCOME_REFUSED:
                refused[row.outbox_no] = f"{result.reason}: {result.message}"
                _log.error(
                    "the audit service refused an event for good",
                    outbox_no=row.outbox_no,
                    event_id=str(row.event_id),
                    reason=result.reason,
                    message=result.message,
                )
        await driver.execute(_FORGET, delivered)
        if refused:
            await driver.execute(_PARK, list(refused), list(refused.values()))
        _DELIVERED.inc(len(delivered))

    async def _measure(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._next_measure:
            return
        self._next_measure = now + _MEASURE_SECONDS
        async with self._engine.connect() as connection:
            facts = await (await raw_connection(connection)).fetchrow(_MEASURE)
        assert facts is not None, "an aggregate has one row"
        _WAITING_EVENTS.set(facts["waiting"])
        _OLDEST_SECONDS.set(float(facts["oldest"]))
        _REFUSED_EVENTS.set(facts["refused"])

    def _say(self, trouble: Exception | None) -> None:
        """Log a trouble when it begins, when it changes, and when it is over; not at each try."""
        cause = None if trouble is None else str(trouble)
        if cause == self._trouble:
            return
        self._trouble = cause
        if cause is None:
            _log.info("audit events are carried again")
        elif _passes_by_itself(trouble):
            _log.warning("audit events can't be carried now, and wait in the outbox", cause=cause)
        else:
            _log.error("audit events can't be carried, and wait in the outbox", cause=cause, exc_info=trouble)


@asynccontextmanager
async def running_relay(settings: ServiceSettings, engine: AsyncEngine) -> AsyncIterator[Relay]:
    """A relay that runs within the block, and at its end carries what is left, for a few seconds at most.

    Without `settings.audit_target` nothing is sent and events wait in the outbox.
    """
    if settings.audit_target is None:
        _log.warning("audit events are not carried", cause=f"{settings.variable('audit_target')} is not set")
        yield Relay(engine, None)
        return
    channel = open_channel(
        settings.audit_target,
        tls_root_file=settings.audit_tls_root_file,
        token_file=settings.audit_token_file,
    )
    async with channel:
        relay = Relay(engine, audit_pb2_grpc.AuditServiceStub(channel))
        carrying = asyncio.create_task(relay.run(), name="audit relay")
        try:
            yield relay
            if not await relay.flush(_FLUSH_SECONDS):
                _log.warning("audit events are left in the outbox: the next start carries them")
        finally:
            carrying.cancel()
            await asyncio.gather(carrying, return_exceptions=True)


def _passes_by_itself(trouble: Exception | None) -> bool:
    if isinstance(trouble, _TroubleError):
        return not trouble.needs_somebody
    return trouble is not None and is_database_unavailable(trouble)


async def _first_of(event: asyncio.Event, seconds: float) -> None:
    """Return when the event is set, or after so many seconds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _resolve(flushes: Sequence[asyncio.Future[None]]) -> None:
    for emptied in flushes:
        if not emptied.done():
            emptied.set_result(None)
