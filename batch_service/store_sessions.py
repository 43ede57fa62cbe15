"""The SQL of sessions, their jobs and their records as people see them, and of suspended processes."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by, distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import ARRAY, BigInteger

from batch_service.chunks import SETUP_CHUNK_NO, ChunkState, Step
from batch_service.processes.contract import RecordOutcome
from batch_service.rules.statuses import BatchStatus
from batch_service.sessions import Job, JobNo, NewSession, Record, Session, SessionFilter, SessionId
from batch_service.tables import batch_chunk, batch_job, batch_record, batch_session, batch_suspension

# With the session, in one look: its jobs in their order, each as the values of a Job.
_JOBS: Final = (
    select(
        func.jsonb_agg(
            aggregate_order_by(
                func.jsonb_build_array(
                    batch_job.c.job_no,
                    batch_job.c.name,
                    batch_job.c.status,
                    batch_job.c.started_at,
                    batch_job.c.ended_at,
                    batch_job.c.message,
                ),
                batch_job.c.job_no,
            ),
            type_=JSONB,
        )
    )
    .where(
        batch_job.c.client_no == batch_session.c.client_no,
        batch_job.c.session_no == batch_session.c.session_no,
    )
    .correlate(batch_session)
    .scalar_subquery()
    .label("jobs")
)
_SESSION_COLUMNS: Final = (*batch_session.c, _JOBS)


_FIND: Final[Select[Any]] = select(*_SESSION_COLUMNS).where(
    batch_session.c.client_no == bindparam("client_no"),
    batch_session.c.session_no == bindparam("session_no"),
)
_LOCK: Final = _FIND.with_for_update(key_share=True, of=batch_session)
_VERSIONS: Final = text("""
    SELECT client_no, session_no, version
      FROM unnest(:client_nos, :session_nos) AS wanted (client_no, session_no)
      JOIN batch_session USING (client_no, session_no)
""").bindparams(
    bindparam("client_nos", type_=ARRAY(BigInteger)), bindparam("session_nos", type_=ARRAY(BigInteger))
)
_LOCK_CLIENT: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('batch client ' || :client_no, 0))")


async def lock_client(connection: AsyncConnection, client_no: int) -> None:
    """Make this transaction the only one that decides about the sessions of a client, until it ends.

    Which session may start depends on several others; so those decisions are made one after the other.
    Workers that settle chunks take no part in it.
    """
    await connection.execute(_LOCK_CLIENT, {"client_no": str(client_no)})


async def insert_session(connection: AsyncConnection, new: NewSession) -> Session:
    """Queue a session: its row, its jobs and its set-up, which is claimable once the session runs."""
    row = (
        await connection.execute(
            insert(batch_session)
            .values(
                client_no=new.client_no,
                process_code=new.process_code,
                batch_no=new.batch_no,
                process_name=new.process_name,
                business_date=new.business_date,
                attempt=new.attempt,
                file_name=new.file_name or None,
                status=new.status,
                queued_at=new.queued_at,
                queued_by=new.actor,
                actor=new.actor,
                message=new.message,
                chunks_open=1,
            )
            .returning(*batch_session.c)
        )
    ).one()
    key = {"client_no": row.client_no, "session_no": row.session_no}
    jobs = tuple(
        Job(job_no, name, BatchStatus.NEW) for job_no, name in zip(JobNo, new.job_names, strict=True)
    )
    await connection.execute(
        insert(batch_job).values(
            [{**key, "job_no": job.job_no, "name": job.name, "status": job.status} for job in jobs]
        )
    )
    await connection.execute(
        insert(batch_chunk).values(
            **key,
            chunk_no=SETUP_CHUNK_NO,
            step=Step.SETUP,
            state=ChunkState.PENDING,
            deliver_at=func.clock_timestamp(),
        )
    )
    return _session(row, jobs)


async def find_session(connection: AsyncConnection, session_id: SessionId) -> Session | None:
    """A session with its jobs, None when there is none."""
    row = (await connection.execute(_FIND, _of(session_id))).one_or_none()
    return None if row is None else _with_jobs(row)


async def lock_session(connection: AsyncConnection, session_id: SessionId) -> Session | None:
    """A session with its jobs, locked until the transaction ends."""
    row = (await connection.execute(_LOCK, _of(session_id))).one_or_none()
    return None if row is None else _with_jobs(row)


async def session_versions(
    connection: AsyncConnection, session_ids: Collection[SessionId]
) -> dict[SessionId, int]:
    """The versions of sessions, of those that there are; cheaper than the sessions."""
    rows = await connection.execute(
        _VERSIONS,
        {
            "client_nos": [session_id.client_no for session_id in session_ids],
            "session_nos": [session_id.session_no for session_id in session_ids],
        },
    )
    return {SessionId(row.client_no, row.session_no): row.version for row in rows}


async def update_session(connection: AsyncConnection, session_id: SessionId, **values: Any) -> Session:
    """Set columns of a session and count the change."""
    row = (
        await connection.execute(
            update(batch_session)
            .where(*_is_session(session_id))
            .values(version=batch_session.c.version + 1, **values)
            .returning(*_SESSION_COLUMNS)
        )
    ).one()
    return _with_jobs(row)


async def add_to_session(
    connection: AsyncConnection,
    session_id: SessionId,
    *,
    chunks: int,
    ok: int = 0,
    failed: int = 0,
    **values: Any,
) -> Session:
    """Add to the counts of a session, in place, and set other columns. It gets on, so it waits for nothing
    any more.
    """
    column = batch_session.c
    return await update_session(
        connection,
        session_id,
        chunks_open=column.chunks_open + chunks,
        records_ok=column.records_ok + ok,
        records_failed=column.records_failed + failed,
        message=_unless_stopping(""),
        **values,
    )


async def note_progress(connection: AsyncConnection, session_id: SessionId, message: str) -> Session:
    """Say how a running session gets on. What stops it, when something does, is of more interest."""
    return await update_session(connection, session_id, message=_unless_stopping(message))


def _unless_stopping(message: str) -> ColumnElement[str]:
    column = batch_session.c
    return case((column.stop_status.is_(None), message), else_=column.message)


async def set_job(
    connection: AsyncConnection,
    session_id: SessionId,
    job_no: JobNo,
    status: BatchStatus,
    *,
    at: datetime,
    message: str = "",
) -> None:
    """Set the status of a job and the instants that go with it."""
    ended = status not in {BatchStatus.NEW, BatchStatus.RUNNING}
    started = None if status is BatchStatus.NEW else func.coalesce(batch_job.c.started_at, at)
    await connection.execute(
        update(batch_job)
        .where(
            batch_job.c.client_no == session_id.client_no,
            batch_job.c.session_no == session_id.session_no,
            batch_job.c.job_no == job_no,
        )
        .values(status=status, started_at=started, ended_at=at if ended else None, message=message)
    )


async def end_job_and_begin(
    connection: AsyncConnection,
    session_id: SessionId,
    ended: JobNo,
    begun: JobNo,
    *,
    at: datetime,
    status: BatchStatus = BatchStatus.OK,
    message: str = "",
) -> None:
    """A job ended with a status, and the next one begins."""
    column = batch_job.c
    is_ended = column.job_no == ended
    await connection.execute(
        update(batch_job)
        .where(
            column.client_no == session_id.client_no,
            column.session_no == session_id.session_no,
            column.job_no.in_([ended, begun]),
        )
        .values(
            status=case(
                (is_ended, literal(status, column.status.type)),
                else_=literal(BatchStatus.RUNNING, column.status.type),
            ),
            started_at=func.coalesce(column.started_at, at),
            ended_at=case((is_ended, at), else_=None),
            message=case((is_ended, message), else_=""),
        )
    )


async def end_running_jobs(
    connection: AsyncConnection, session_id: SessionId, status: BatchStatus, *, at: datetime, message: str
) -> None:
    """The session is over, and so is the job that it was at."""
    await connection.execute(
        update(batch_job)
        .where(
            batch_job.c.client_no == session_id.client_no,
            batch_job.c.session_no == session_id.session_no,
            batch_job.c.status == BatchStatus.RUNNING,
        )
        .values(status=status, ended_at=at, message=message)
    )


async def latest_sessions(
    connection: AsyncConnection, client_no: int, business_date: date, process_codes: Collection[str]
) -> dict[str, Session]:
    """The latest attempt of each process for a business date, by process code, as far as there is one."""
    found = await latest_sessions_of_days(connection, client_no, [business_date], process_codes)
    return {process_code: session for (_, process_code), session in found.items()}


async def latest_sessions_of_days(
    connection: AsyncConnection,
    client_no: int,
    business_dates: Collection[date],
    process_codes: Collection[str],
) -> dict[tuple[date, str], Session]:
    """The latest attempt of each process for each business date, as far as there is one."""
    column = batch_session.c
    rows = await connection.execute(
        select(*_SESSION_COLUMNS)
        .ext(distinct_on(column.business_date, column.process_code))
        .where(
            column.client_no == client_no,
            column.business_date.in_(business_dates),
            column.process_code.in_(process_codes),
        )
        .order_by(column.business_date, column.process_code, column.attempt.desc())
    )
    return {(session.business_date, session.process_code): session for session in _all_with_jobs(rows)}


async def find_file_session(
    connection: AsyncConnection, client_no: int, process_code: str, file_name: str
) -> Session | None:
    """The session that loads, or loaded, a file of this name."""
    rows = await connection.execute(
        select(*_SESSION_COLUMNS).where(
            batch_session.c.client_no == client_no,
            batch_session.c.process_code == process_code,
            batch_session.c.file_name == file_name,
        )
    )
    return next(iter(_all_with_jobs(rows)), None)


async def sessions_with_status(
    connection: AsyncConnection, client_no: int, status: BatchStatus, process_code: str | None = None
) -> Sequence[Session]:
    """The sessions of a client that have a status, the earliest business date first."""
    query = select(*_SESSION_COLUMNS).where(
        batch_session.c.client_no == client_no, batch_session.c.status == status
    )
    if process_code is not None:
        query = query.where(batch_session.c.process_code == process_code)
    rows = await connection.execute(query.order_by(batch_session.c.business_date, batch_session.c.session_no))
    return _all_with_jobs(rows)


async def clients_with_new_sessions(connection: AsyncConnection) -> Sequence[int]:
    """The clients that have a session that might start. For the sweeper, which serves all of them."""
    rows = await connection.execute(
        select(batch_session.c.client_no).distinct().where(batch_session.c.status == BatchStatus.NEW)
    )
    return rows.scalars().all()


async def list_sessions(
    connection: AsyncConnection, wanted: SessionFilter, *, before: int | None, limit: int
) -> Sequence[Session]:
    """Sessions with a number below `before`, newest first."""
    column = batch_session.c
    query = select(*_SESSION_COLUMNS).where(column.client_no == wanted.client_no)
    if wanted.business_date_from is not None:
        query = query.where(column.business_date >= wanted.business_date_from)
    if wanted.business_date_to is not None:
        query = query.where(column.business_date <= wanted.business_date_to)
    if wanted.statuses:
        query = query.where(column.status.in_(wanted.statuses))
    if wanted.process_codes:
        query = query.where(column.process_code.in_(wanted.process_codes))
    if before is not None:
        query = query.where(column.session_no < before)
    rows = await connection.execute(query.order_by(column.session_no.desc()).limit(limit))
    return _all_with_jobs(rows)


async def list_records(
    connection: AsyncConnection,
    session_id: SessionId,
    outcomes: Collection[RecordOutcome],
    *,
    after: int,
    limit: int,
) -> Sequence[Record]:
    """Records with a number above `after`, by number. No outcomes: those with any."""
    column = batch_record.c
    query = select(
        column.record_no,
        column.record_key,
        column.acct_no,
        column.outcome,
        column.reason,
        column.message,
        column.tries,
    ).where(
        column.client_no == session_id.client_no,
        column.session_no == session_id.session_no,
        column.record_no > after,
    )
    if outcomes:
        query = query.where(column.outcome.in_(outcomes))
    rows = await connection.execute(query.order_by(column.record_no).limit(limit))
    return [
        Record(
            record_no=row.record_no,
            record_key=row.record_key,
            acct_no=row.acct_no,
            outcome=RecordOutcome(row.outcome),
            reason=row.reason,
            message=row.message,
            tries=row.tries,
        )
        for row in rows
    ]


async def suspended_processes(connection: AsyncConnection, client_no: int) -> frozenset[str]:
    """The codes of the processes that are suspended for a client."""
    rows = await connection.execute(
        select(batch_suspension.c.process_code).where(batch_suspension.c.client_no == client_no)
    )
    return frozenset(rows.scalars())


async def insert_suspension(
    connection: AsyncConnection, client_no: int, process_code: str, *, actor: str, comment: str, at: datetime
) -> bool:
    """Suspend a process; whether it was not suspended before."""
    result = await connection.execute(
        upsert(batch_suspension)
        .values(client_no=client_no, process_code=process_code, suspended_at=at, actor=actor, comment=comment)
        .on_conflict_do_nothing()
    )
    return bool(result.rowcount)


async def delete_suspension(connection: AsyncConnection, client_no: int, process_code: str) -> bool:
    """Lift the suspension of a process; whether there was one."""
    result = await connection.execute(
        delete(batch_suspension).where(
            batch_suspension.c.client_no == client_no, batch_suspension.c.process_code == process_code
        )
    )
    return bool(result.rowcount)


def _is_session(session_id: SessionId) -> tuple[Any, Any]:
    return (
        batch_session.c.client_no == session_id.client_no,
        batch_session.c.session_no == session_id.session_no,
    )


def _of(session_id: SessionId) -> dict[str, int]:
    return {"client_no": session_id.client_no, "session_no": session_id.session_no}


def _all_with_jobs(rows: Iterable[Row[Any]]) -> list[Session]:
    return [_with_jobs(row) for row in rows]


def _with_jobs(row: Row[Any]) -> Session:
    return _session(
        row,
        tuple(
            Job(job_no, name, BatchStatus(status), _instant(started_at), _instant(ended_at), message)
            for job_no, name, status, started_at, ended_at, message in row.jobs
        ),
    )


def _instant(iso: str | None) -> datetime | None:
    return None if iso is None else datetime.fromisoformat(iso)


def _session(row: Row[Any], jobs: tuple[Job, ...]) -> Session:
    return Session(
        client_no=row.client_no,
        session_no=row.session_no,
        process_code=row.process_code,
        batch_no=row.batch_no,
        process_name=row.process_name,
        business_date=row.business_date,
        attempt=row.attempt,
        file_name=row.file_name or "",
        status=BatchStatus(row.status),
        queued_at=row.queued_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        records_total=row.records_total,
        records_ok=row.records_ok,
        records_failed=row.records_failed,
        chunks_open=row.chunks_open,
        selected=row.selected,
        blocked_by=row.blocked_by,
        queued_by=row.queued_by,
        actor=row.actor,
        message=row.message,
        version=row.version,
        stop_status=None if row.stop_status is None else BatchStatus(row.stop_status),
        stop_actor=row.stop_actor,
        stop_message=row.stop_message,
        jobs=jobs,
    )
