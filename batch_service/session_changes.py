"""Every change of a session's status, and what it does to its jobs, its chunks and the audit log.

These are the only functions that set a status. Each wants the session locked, or just inserted, by the
caller's transaction; the transition table has the last word.
"""

from dataclasses import dataclass
from typing import Final

from batch_service import events, store_chunks, store_sessions
from batch_service.chunks import SETUP_CHUNK_NO, ChunkState, ChunkTicket, Step
from batch_service.rules.statuses import (
    ENDED,
    RAN_TO_ITS_END,
    BatchStatus,
    RunFacts,
    outcome_of,
    queued_status,
    require_transition,
)
from batch_service.sessions import JobNo, NewSession, Session, SessionId
from batch_service.unit_of_work import UnitOfWork

WAITS_SUSPENDED: Final = "the process is suspended"


async def queue(unit: UnitOfWork, new: NewSession) -> Session:
    """Queue a new session."""
    session = await store_sessions.insert_session(unit.connection, new)
    return _changed(unit, session)


async def queue_again(unit: UnitOfWork, session: Session, *, suspended: bool, actor: str) -> Session:
    """Queue a session that ended, to go on with the chunks that are pending."""
    status = queued_status(suspended)
    require_transition(session.status, status)
    chunks_open = await store_chunks.count_pending(unit.connection, session.id)
    session = await store_sessions.update_session(
        unit.connection,
        session.id,
        status=status,
        actor=actor,
        queued_by=actor,
        message=WAITS_SUSPENDED if suspended else "",
        blocked_by="",
        ended_at=None,
        stop_status=None,
        stop_actor="",
        stop_message="",
        chunks_open=chunks_open,
    )
    return _changed(unit, session)


async def move(
    unit: UnitOfWork,
    session: Session,
    status: BatchStatus,
    *,
    actor: str,
    message: str = "",
    blocked_by: str = "",
) -> Session:
    """Give a session another status, where nothing but the status changes."""
    require_transition(session.status, status)
    session = await store_sessions.update_session(
        unit.connection,
        session.id,
        status=status,
        actor=actor,
        message=message,
        blocked_by=blocked_by,
        ended_at=unit.now if status in ENDED else None,
    )
    return _changed(unit, session)


async def wait(unit: UnitOfWork, session: Session, *, blocked_by: str, message: str) -> Session:
    """Note what a New session waits for; nothing when it is known."""
    if (session.blocked_by, session.message) == (blocked_by, message):
        return session
    session = await store_sessions.update_session(
        unit.connection, session.id, blocked_by=blocked_by, message=message
    )
    _tell(unit, session)
    return session


async def start(unit: UnitOfWork, session: Session, *, actor: str) -> Session:
    """Let a session run: its pending chunks are delivered."""
    require_transition(session.status, BatchStatus.RUNNING)
    if session.selected:
        await store_sessions.set_job(
            unit.connection, session.id, JobNo.WORK, BatchStatus.RUNNING, at=unit.now
        )
        await store_sessions.set_job(unit.connection, session.id, JobNo.FINISH, BatchStatus.NEW, at=unit.now)
    session = await store_sessions.update_session(
        unit.connection,
        session.id,
        status=BatchStatus.RUNNING,
        actor=actor,
        message="",
        blocked_by="",
        started_at=session.started_at or unit.now,
    )
    unit.deliver(await store_chunks.deliverable(unit.connection, session.id, unit.redelivery))
    return _changed(unit, session)


async def stop(
    unit: UnitOfWork, session: Session, status: BatchStatus, *, actor: str, message: str, closed: int = 0
) -> Session:
    """Tell a running session to stop: nobody claims its chunks any more, and it ends with those that are
    claimed.

    Who asked first is remembered; but a fault of the process that turns up meanwhile is what an operator has
    to know. `closed` is how many chunks the caller ended itself.
    """
    assert session.status is BatchStatus.RUNNING
    if session.stop_status in {None, BatchStatus.INCOMPLETE} - {status}:
        await store_sessions.update_session(
            unit.connection,
            session.id,
            stop_status=status,
            stop_actor=actor,
            stop_message=message,
            message=message,
        )
    cancelled = await store_chunks.cancel_pending(unit.connection, session.id)
    return await close_chunks(unit, session.id, Closed(chunks=cancelled + closed), actor=actor)


@dataclass(frozen=True, slots=True)
class Closed:
    """Chunks that are done with, and by how much the counts of their session change."""

    chunks: int
    step: Step = Step.WORK
    ok: int = 0
    failed: int = 0


async def close_chunks(unit: UnitOfWork, session_id: SessionId, closed: Closed, *, actor: str) -> Session:
    """Count chunks of a running session as done with. After the last one it is finished, or over.

    The counts are incremented in place, and that locks the session: workers settle side by side until here.
    """
    session = await store_sessions.add_to_session(
        unit.connection, session_id, chunks=-closed.chunks, ok=closed.ok, failed=closed.failed
    )
    if session.chunks_open:
        return session
    if session.stop_status is None and closed.step is not Step.FINISH and not session.records_unworked:
        return await _begin_finish(unit, session)
    return await _end(unit, session, actor=session.stop_actor or actor)


async def open_work(
    unit: UnitOfWork, session_id: SessionId, *, chunks: int, records: int, actor: str
) -> None:
    """The selection is complete: its chunks take the place of the set-up. Without records it is finished at
    once.
    """
    await store_sessions.end_job_and_begin(
        unit.connection, session_id, JobNo.SELECT, JobNo.WORK, at=unit.now, message=f"{records} records"
    )
    session = await store_sessions.add_to_session(
        unit.connection, session_id, chunks=chunks, selected=True, records_total=records
    )
    _tell(unit, session)
    session = await close_chunks(unit, session_id, Closed(chunks=1, step=Step.SETUP), actor=actor)
    if chunks:
        await _deliver_or_cancel(unit, session, actor=actor)


async def give_back(unit: UnitOfWork, ticket: ChunkTicket, *, actor: str) -> None:
    """End a claim without a result: another worker takes the chunk, unless its session is to stop
    meanwhile.
    """
    await store_chunks.give_back(unit.connection, ticket)
    await _deliver_or_cancel(unit, await _locked(unit, ticket.session_id), actor=actor)


async def put_off(
    unit: UnitOfWork, ticket: ChunkTicket, longest_pause: float, *, actor: str, message: str
) -> None:
    """End a claim without a result, since something can't be reached: it rests, the sweeper delivers it."""
    await store_chunks.put_off(unit.connection, ticket, longest_pause)
    session = await store_sessions.note_progress(unit.connection, ticket.session_id, message)
    await _deliver_or_cancel(unit, session, actor=actor)


async def fail(unit: UnitOfWork, ticket: ChunkTicket, *, actor: str, message: str) -> None:
    """A fault of the process itself: the claimed chunk is cancelled, and its session stops as Error."""
    await _cancel_claimed(unit, ticket)
    session = await _locked(unit, ticket.session_id)
    await stop(unit, session, BatchStatus.ERROR, actor=actor, message=message, closed=1)


async def break_off(unit: UnitOfWork, ticket: ChunkTicket, *, actor: str) -> None:
    """The session is to stop, and its set-up stopped on the way: the claimed chunk is cancelled."""
    await _cancel_claimed(unit, ticket)
    await close_chunks(unit, ticket.session_id, Closed(chunks=1, step=Step.SETUP), actor=actor)


async def replace_by_halves(
    unit: UnitOfWork, ticket: ChunkTicket, sizes: tuple[int, int], losses: tuple[int, int], *, actor: str
) -> None:
    """Two new chunks take the place of a claimed one."""
    await store_chunks.leave(unit.connection, ticket, ChunkState.SPLIT)
    session = await store_sessions.add_to_session(unit.connection, ticket.session_id, chunks=1)
    await store_chunks.split_chunk(unit.connection, ticket, sizes, losses)
    await _deliver_or_cancel(unit, session, actor=actor)


async def _cancel_claimed(unit: UnitOfWork, ticket: ChunkTicket) -> None:
    await store_chunks.leave(unit.connection, ticket, ChunkState.CANCELLED)
    if ticket.chunk_no == SETUP_CHUNK_NO:
        # What it selected is not all, so it is nothing.
        await store_chunks.clear_records(unit.connection, ticket.session_id)


async def _deliver_or_cancel(unit: UnitOfWork, session: Session, *, actor: str) -> None:
    """Deliver what became pending of a locked session; or cancel it, when the session was told to stop and
    could not see it yet.
    """
    if session.stop_status is None:
        unit.deliver(await store_chunks.deliverable(unit.connection, session.id, unit.redelivery))
        return
    cancelled = await store_chunks.cancel_pending(unit.connection, session.id)
    await close_chunks(unit, session.id, Closed(chunks=cancelled), actor=actor)


async def _locked(unit: UnitOfWork, session_id: SessionId) -> Session:
    session = await store_sessions.lock_session(unit.connection, session_id)
    assert session is not None, f"{session_id} has chunks"
    return session


async def _begin_finish(unit: UnitOfWork, session: Session) -> Session:
    worked = BatchStatus.PARTIAL if session.records_failed else BatchStatus.OK
    await store_sessions.end_job_and_begin(
        unit.connection,
        session.id,
        JobNo.WORK,
        JobNo.FINISH,
        at=unit.now,
        status=worked,
        message=_counted(session),
    )
    await store_chunks.insert_finish(unit.connection, session.id)
    session = await store_sessions.add_to_session(unit.connection, session.id, chunks=1)
    unit.deliver(await store_chunks.deliverable(unit.connection, session.id, unit.redelivery))
    return session


async def _end(unit: UnitOfWork, session: Session, *, actor: str) -> Session:
    """The run is over: its status follows from what is known of it (rule 22)."""
    status = outcome_of(RunFacts(session.records_failed, session.records_unworked, session.stop_status))
    message = session.stop_message or _counted(session)
    job_status = BatchStatus.OK if status in RAN_TO_ITS_END else status
    await store_sessions.end_running_jobs(
        unit.connection, session.id, job_status, at=unit.now, message=session.stop_message
    )
    return await move(unit, session, status, actor=actor, message=message)


def _counted(session: Session) -> str:
    if not session.records_total:
        return "there was nothing to do"
    told = f"{session.records_ok} of {session.records_total} records succeeded"
    if session.records_failed:
        told += f", {session.records_failed} failed"
    if session.records_unworked:
        told += f", {session.records_unworked} were not worked: resume the session to go on with them"
    return told


def _changed(unit: UnitOfWork, session: Session) -> Session:
    _tell(unit, session)
    unit.look_at(session.client_no)
    return session


def _tell(unit: UnitOfWork, session: Session) -> None:
    """A session is another now, for the audit log and for those who watch it."""
    unit.tell(events.session_changed(session, unit.now))
    unit.show(session.id)
