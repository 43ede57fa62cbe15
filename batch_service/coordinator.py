"""Starts sessions when what they depend on has ended, and rescues what a lost worker left behind. Always on.

Every process of the batch service runs one; any number of them may run at once. What it does follows from
the tables alone: it is told of changes in its own process, so that a session starts at once, and the sweep
finds the rest.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import structlog

from batch_service import session_changes, store_chunks, store_sessions
from batch_service.chunks import ChunkTicket, Step
from batch_service.processes.contract import WORKER_LOST, RecordOutcome, RecordResult
from batch_service.processes.registry import ProcessRegistry
from batch_service.rules.dependencies import GO, Upstream, Verdict, decide_start
from batch_service.rules.splitting import LostChunk, Rescue, decide_rescue, losses_of_half, split_sizes
from batch_service.rules.statuses import BatchStatus
from batch_service.sessions import Session
from batch_service.settings import BatchSettings
from batch_service.settling import settle_records
from batch_service.store_chunks import ExpiredLease
from batch_service.unit_of_work import UnitOfWork, UnitsOfWork

_log = structlog.get_logger()

ENGINE_ACTOR: Final = "batch"
_SWEEP_LIMIT: Final = 1000


@dataclass(slots=True)
class _Board:
    """What decides which sessions of a client start, as far as this transaction knows and has changed it.

    latest: the latest attempts of the processes that the new sessions depend on, by business date and code.
    """

    waiting: dict[int, Session] = field(default_factory=dict)
    running: dict[str, Session] = field(default_factory=dict)
    latest: dict[tuple[date, str], Session] = field(default_factory=dict)

    def new(self) -> Sequence[Session]:
        """The sessions that wait for their start."""
        return list(self.waiting.values())

    def take(self, session: Session) -> None:
        """Put in what became of a session that waited."""
        key = (session.business_date, session.process_code)
        if key in self.latest and self.latest[key].session_no == session.session_no:
            self.latest[key] = session
        if session.status is BatchStatus.NEW:
            self.waiting[session.session_no] = session
            return
        del self.waiting[session.session_no]
        if session.status is BatchStatus.RUNNING:
            self.running[session.process_code] = session


class Coordinator:
    """Decides which sessions start, and sweeps."""

    def __init__(self, units: UnitsOfWork, processes: ProcessRegistry, settings: BatchSettings) -> None:
        self._units = units
        self._processes = processes
        self._settings = settings
        self._clients: set[int] = set()
        self._wanted = asyncio.Event()

    def look_at(self, client_no: int) -> None:
        """Say that sessions of a client may have become ready to start. Cheap, never waits."""
        self._clients.add(client_no)
        self._wanted.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Coordinate and sweep while the block runs."""
        tasks = [
            asyncio.create_task(self._keep_looking(), name="batch coordinator"),
            asyncio.create_task(self._keep_sweeping(), name="batch sweeper"),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def start_ready_sessions(self, client_no: int) -> None:
        """Start the New sessions of a client that may start, and give up those that can't.

        One that gives up may decide what waits for it, so this goes round until nothing changes.
        """
        async with self._units.begin() as unit:
            await store_sessions.lock_client(unit.connection, client_no)
            board = await self._board(unit, client_no)
            changed = True
            while changed:
                changed = False
                for session in board.new():
                    decided = await self._decide(unit, session, board)
                    board.take(decided)
                    changed = changed or decided.status is not BatchStatus.NEW

    async def sweep(self) -> None:
        """Rescue expired leases, deliver what was not delivered, look at whoever has a New session.

        What can't be rescued or started holds up no other (rule 28): it is tried again by the next sweep.
        """
        async with self._units.read() as connection:
            expired = await store_chunks.expired_leases(connection, _SWEEP_LIMIT)
            clients = await store_sessions.clients_with_new_sessions(connection)
        for ticket in expired:
            with _logged("a lost chunk could not be rescued now", chunk=ticket):
                await self._rescue(ticket)
        async with self._units.begin() as unit:
            unit.deliver(
                await store_chunks.due_deliveries(
                    unit.connection, self._settings.redelivery_seconds, _SWEEP_LIMIT
                )
            )
        for client_no in clients:
            await self._start_if_possible(client_no)

    async def _start_if_possible(self, client_no: int) -> None:
        with _logged("sessions could not be started now", client_no=client_no):
            await self.start_ready_sessions(client_no)

    async def _board(self, unit: UnitOfWork, client_no: int) -> "_Board":
        new = await store_sessions.sessions_with_status(unit.connection, client_no, BatchStatus.NEW)
        if not new:
            return _Board()
        running = await store_sessions.sessions_with_status(unit.connection, client_no, BatchStatus.RUNNING)
        upstream = await store_sessions.latest_sessions_of_days(
            unit.connection,
            client_no,
            {session.business_date for session in new},
            {code for session in new for code in self._depends_on(session)},
        )
        return _Board(
            {session.session_no: session for session in new},
            {session.process_code: session for session in running},
            upstream,
        )

    async def _decide(self, unit: UnitOfWork, session: Session, board: "_Board") -> Session:
        # Who has begun its work goes on with it, whatever became of the others since then.
        decision = GO if session.selected else decide_start(self._upstream(session, board))
        if decision.verdict is Verdict.GIVE_UP:
            return await session_changes.move(
                unit,
                session,
                BatchStatus.WARNING,
                actor=ENGINE_ACTOR,
                message=decision.message,
                blocked_by=decision.blocked_by,
            )
        if decision.verdict is Verdict.WAIT:
            return await session_changes.wait(
                unit, session, blocked_by=decision.blocked_by, message=decision.message
            )
        other = board.running.get(session.process_code)
        if other is not None:
            # One session of a process runs at a time, or two dates would bill the same account at once.
            return await session_changes.wait(
                unit,
                session,
                blocked_by=session.process_code,
                message=f"waits for session {other.session_no} of the same process ({other.business_date})",
            )
        return await session_changes.start(unit, session, actor=ENGINE_ACTOR)

    def _depends_on(self, session: Session) -> Sequence[str]:
        process = self._processes.find(session.process_code)
        return () if process is None else process.depends_on

    def _upstream(self, session: Session, board: "_Board") -> Sequence[Upstream]:
        found = [
            board.latest.get((session.business_date, code)) for code in sorted(self._depends_on(session))
        ]
        return [
            Upstream(
                upstream.process_code,
                upstream.process_name,
                upstream.session_no,
                upstream.status,
                upstream.blocked_by,
            )
            for upstream in found
            if upstream is not None
        ]

    async def _rescue(self, ticket: ChunkTicket) -> None:
        """Decide what becomes of a chunk whose worker was silent for too long."""
        async with self._units.begin() as unit:
            lost = await store_chunks.take_over(unit.connection, ticket, self._settings.lease_seconds)
            if lost is None:
                return
            _log.warning(
                "a worker was lost",
                worker=lost.worker,
                session_no=ticket.session_no,
                chunk_no=ticket.chunk_no,
                losses=lost.losses,
            )
            decision = decide_rescue(LostChunk(lost.records, lost.losses), self._settings.losses_allowed)
            if decision is Rescue.AGAIN:
                await session_changes.give_back(unit, lost.ticket, actor=ENGINE_ACTOR)
            elif decision is Rescue.SPLIT:
                await self._split(unit, lost)
            elif lost.step is Step.WORK:
                await _fail_record(unit, lost)
            else:
                await _fail_session(unit, lost)

    async def _split(self, unit: UnitOfWork, lost: ExpiredLease) -> None:
        first, second = sizes = split_sizes(lost.records)
        allowed = self._settings.losses_allowed
        await session_changes.replace_by_halves(
            unit,
            lost.ticket,
            sizes,
            (losses_of_half(first, allowed), losses_of_half(second, allowed)),
            actor=ENGINE_ACTOR,
        )

    async def _keep_looking(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while self._clients:
                await self._start_if_possible(self._clients.pop())

    async def _keep_sweeping(self) -> None:
        while True:
            with _logged("the sweep failed, it is tried again"):
                await self.sweep()
            await asyncio.sleep(self._settings.sweep_seconds)


@contextmanager
def _logged(message: str, **facts: object) -> Iterator[None]:
    """Let nothing of the block out but into the log: rescue is always on, and the next sweep tries again."""
    try:
        yield
    except Exception:  # noqa: BLE001  # whatever it is
        _log.exception(message, **facts)


async def _fail_record(unit: UnitOfWork, lost: ExpiredLease) -> None:
    records = await store_chunks.load_records(unit.connection, lost.ticket)
    message = f"its work took its worker down {lost.losses} times, last {lost.worker}"
    results = [
        RecordResult(record.record_no, RecordOutcome.FAILED, WORKER_LOST, message) for record in records
    ]
    await settle_records(unit, lost.ticket, records, results, actor=ENGINE_ACTOR)


async def _fail_session(unit: UnitOfWork, lost: ExpiredLease) -> None:
    message = f"its {lost.step.name.lower()} took its worker down {lost.losses} times, last {lost.worker}"
    await session_changes.fail(unit, lost.ticket, actor=ENGINE_ACTOR, message=message)
