"""What an operator does to processes and sessions that exist: suspend, resume, interrupt, retry (rules 24 and
25).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from batch_service import events, session_changes, store_chunks, store_sessions
from batch_service.processes.contract import BatchProcess
from batch_service.processes.registry import ProcessRegistry
from batch_service.queueing import status_conflict
from batch_service.rules.statuses import (
    INTERRUPTIBLE,
    RESUMABLE,
    RESUMABLE_WITH_A_FILE,
    RETRYABLE,
    BatchStatus,
)
from batch_service.sessions import Session, SessionId
from batch_service.unit_of_work import UnitOfWork
from service_kit.errors import DomainError, ErrorKind


@dataclass(frozen=True, slots=True)
class SteeredProcess:
    """A process that was suspended or resumed, and the sessions that changed with it."""

    process: BatchProcess
    sessions: Sequence[Session]


class SessionSteering:
    """Changes what is queued and what runs. Every change has an actor; refusals are DomainErrors."""

    def __init__(self, processes: ProcessRegistry) -> None:
        self._processes = processes

    async def suspend_process(
        self, unit: UnitOfWork, client_no: int, code: str, *, actor: str, comment: str
    ) -> SteeredProcess:
        """Its New sessions, and those to come, wait as Suspended; a running one is not touched.
        ALREADY_SUSPENDED.
        """
        process = self._processes.require(code)
        await store_sessions.lock_client(unit.connection, client_no)
        if not await store_sessions.insert_suspension(
            unit.connection, client_no, code, actor=actor, comment=comment, at=unit.now
        ):
            raise _process_conflict("ALREADY_SUSPENDED", f"{process.name} is suspended already", code)
        message = _with_comment(f"suspended by {actor}", comment)
        sessions = await self._move_all(
            unit, client_no, code, BatchStatus.NEW, BatchStatus.SUSPENDED, actor=actor, message=message
        )
        _tell_process(unit, client_no, process, "suspended", actor=actor, message=message)
        return SteeredProcess(process, sessions)

    async def resume_process(
        self, unit: UnitOfWork, client_no: int, code: str, *, actor: str, comment: str
    ) -> SteeredProcess:
        """Its Suspended sessions are queued again as New. NOT_SUSPENDED."""
        process = self._processes.require(code)
        await store_sessions.lock_client(unit.connection, client_no)
        if not await store_sessions.delete_suspension(unit.connection, client_no, code):
            raise _process_conflict("NOT_SUSPENDED", f"{process.name} is not suspended", code)
        message = _with_comment(f"resumed by {actor}", comment)
        sessions = await self._move_all(
            unit, client_no, code, BatchStatus.SUSPENDED, BatchStatus.NEW, actor=actor, message=message
        )
        _tell_process(unit, client_no, process, "resumed", actor=actor, message=message)
        return SteeredProcess(process, sessions)

    async def interrupt(
        self, unit: UnitOfWork, session_id: SessionId, *, actor: str, comment: str
    ) -> Session:
        """A New session ends as Incomplete at once, a running one within one chunk. STATUS_CONFLICT."""
        session = await self._lock(unit, session_id)
        message = _with_comment(f"interrupted by {actor}", comment)
        if session.status not in INTERRUPTIBLE:
            raise status_conflict(session, "interrupted", "only a New or Running one can")
        if session.status is BatchStatus.RUNNING:
            return await session_changes.stop(
                unit, session, BatchStatus.INCOMPLETE, actor=actor, message=message
            )
        await store_chunks.cancel_pending(unit.connection, session_id)
        return await session_changes.move(unit, session, BatchStatus.INCOMPLETE, actor=actor, message=message)

    async def resume(self, unit: UnitOfWork, session_id: SessionId, *, actor: str) -> Session:
        """An Incomplete session is queued again, to go on with what is left; and one in Error that loads a
        file, since no other may load it (rule 34). STATUS_CONFLICT, SESSION_SUPERSEDED.
        """
        session = await self._lock(unit, session_id)
        loads_a_file = self._processes.require(session.process_code).needs_file
        if session.status not in (RESUMABLE_WITH_A_FILE if loads_a_file else RESUMABLE):
            raise status_conflict(session, "resumed", "only an Incomplete one can")
        await self._require_latest(unit, session)
        revived = await store_chunks.revive_cancelled(unit.connection, session_id)
        if not revived:
            # It was stopped after its last record and before its finish.
            await store_chunks.insert_finish(unit.connection, session_id)
        return await self._queue_again(unit, session, actor=actor)

    async def retry_failed(self, unit: UnitOfWork, session_id: SessionId, *, actor: str) -> Session:
        """An ended session is queued again with its failed records only. STATUS_CONFLICT, NO_FAILED_RECORDS,
        SESSION_SUPERSEDED.
        """
        session = await self._lock(unit, session_id)
        if session.status not in RETRYABLE | {BatchStatus.OK, BatchStatus.WARNING}:
            raise status_conflict(session, "retried", "it has not ended")
        if not session.records_failed:
            raise DomainError(
                ErrorKind.FAILED_PRECONDITION,
                "NO_FAILED_RECORDS",
                f"session {session.session_no} has no failed records, so there is nothing to retry",
                metadata={"session_no": str(session.session_no)},
            )
        await self._require_latest(unit, session)
        process = self._processes.require(session.process_code)
        await store_chunks.rechunk_failed(unit.connection, session_id, process.chunk_size)
        return await self._queue_again(unit, session, actor=actor)

    async def _lock(self, unit: UnitOfWork, session_id: SessionId) -> Session:
        await store_sessions.lock_client(unit.connection, session_id.client_no)
        return require_session(await store_sessions.lock_session(unit.connection, session_id), session_id)

    async def _queue_again(self, unit: UnitOfWork, session: Session, *, actor: str) -> Session:
        suspended = await store_sessions.suspended_processes(unit.connection, session.client_no)
        return await session_changes.queue_again(
            unit, session, suspended=session.process_code in suspended, actor=actor
        )

    async def _require_latest(self, unit: UnitOfWork, session: Session) -> None:
        if self._processes.require(session.process_code).needs_file:
            return  # each file has one session, however many there are for the date
        latest = await store_sessions.latest_sessions(
            unit.connection, session.client_no, session.business_date, [session.process_code]
        )
        newest = latest[session.process_code]
        if newest.session_no != session.session_no:
            raise DomainError(
                ErrorKind.FAILED_PRECONDITION,
                "SESSION_SUPERSEDED",
                f"session {session.session_no} stays as it was: session {newest.session_no} is a newer"
                " attempt for the same business date",
                metadata={"session_no": str(session.session_no), "newer_session_no": str(newest.session_no)},
            )

    async def _move_all(
        self,
        unit: UnitOfWork,
        client_no: int,
        code: str,
        before: BatchStatus,
        after: BatchStatus,
        *,
        actor: str,
        message: str,
    ) -> Sequence[Session]:
        return [
            await session_changes.move(unit, session, after, actor=actor, message=message)
            for session in await store_sessions.sessions_with_status(unit.connection, client_no, before, code)
        ]


def require_session(session: Session | None, session_id: SessionId) -> Session:
    """The session; DomainError SESSION_NOT_FOUND when there is none."""
    if session is None:
        raise DomainError(
            ErrorKind.NOT_FOUND,
            "SESSION_NOT_FOUND",
            f"client {session_id.client_no} has no batch session {session_id.session_no}",
            metadata={"session_no": str(session_id.session_no)},
        )
    return session


def _process_conflict(reason: str, message: str, code: str) -> DomainError:
    return DomainError(
        ErrorKind.FAILED_PRECONDITION, reason, f"{message} for this client", metadata={"process_code": code}
    )


def _with_comment(what: str, comment: str) -> str:
    return f"{what}: {comment}" if comment else what


def _tell_process(
    unit: UnitOfWork, client_no: int, process: BatchProcess, action: str, *, actor: str, message: str
) -> None:
    unit.tell(
        events.entity_changed(
            client_no,
            "batch_process",
            process.code,
            action,
            actor=actor,
            summary=f"{process.name} was {message}",
            at=unit.now,
        )
    )
