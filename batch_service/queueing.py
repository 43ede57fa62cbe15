"""How sessions come to be: the daily cycle, a process by its name, a file to be loaded."""

from collections.abc import Sequence
from datetime import date

from batch_service import session_changes, store_sessions
from batch_service.processes.contract import BatchProcess
from batch_service.processes.registry import ProcessRegistry
from batch_service.rules.statuses import ENDED, queued_status
from batch_service.sessions import NewSession, Session
from batch_service.unit_of_work import UnitOfWork
from service_kit.errors import DomainError, ErrorKind, PreconditionViolation


class SessionQueue:
    """Queues sessions: one for each client, process and business date; a re-run is a new attempt (rule
    25).
    """

    def __init__(self, processes: ProcessRegistry) -> None:
        self._processes = processes

    async def run_daily_cycle(
        self, unit: UnitOfWork, client_no: int, business_date: date, *, actor: str
    ) -> Sequence[Session]:
        """One session for each process of the daily cycle, in the order in which they run. Those that exist
        are returned as they are.
        """
        daily = [process for process in self._processes if process.in_daily_cycle]
        await store_sessions.lock_client(unit.connection, client_no)
        existing = await store_sessions.latest_sessions(
            unit.connection, client_no, business_date, [process.code for process in daily]
        )
        suspended = await store_sessions.suspended_processes(unit.connection, client_no)
        return [
            existing.get(process.code)
            or await session_changes.queue(
                unit, _new(process, client_no, business_date, 1, unit, suspended, actor)
            )
            for process in daily
        ]

    async def run_process(
        self, unit: UnitOfWork, client_no: int, business_date: date, code: str, *, rerun: bool, actor: str
    ) -> Session:
        """The session of one process; with `rerun` a new attempt when the last one has ended.

        DomainError PROCESS_NOT_FOUND; PROCESS_NEEDS_FILE; STATUS_CONFLICT when the last attempt has not
        ended.
        """
        process = self._processes.require(code)
        if process.needs_file:
            raise DomainError(
                ErrorKind.FAILED_PRECONDITION,
                "PROCESS_NEEDS_FILE",
                f"{process.name} starts with a file: load one (LoadActivities)",
                metadata={"process_code": code},
            )
        await store_sessions.lock_client(unit.connection, client_no)
        last = (await store_sessions.latest_sessions(unit.connection, client_no, business_date, [code])).get(
            code
        )
        if last is not None and not rerun:
            return last
        if last is not None and last.status not in ENDED:
            raise status_conflict(last, "run again", "it has not ended")
        suspended = await store_sessions.suspended_processes(unit.connection, client_no)
        attempt = 1 if last is None else last.attempt + 1
        return await session_changes.queue(
            unit, _new(process, client_no, business_date, attempt, unit, suspended, actor)
        )

    async def start_file_session(
        self,
        unit: UnitOfWork,
        client_no: int,
        business_date: date,
        code: str,
        *,
        file_name: str,
        actor: str,
    ) -> Session:
        """Queue a session that loads a file. There may be several for a business date, one for each file, and
        they run one after the other. DomainError FILE_ALREADY_LOADED when there is, or was, one for this name
        (rule 34).
        """
        process = self._processes.require(code)
        assert process.needs_file, f"{code} loads no files"
        await store_sessions.lock_client(unit.connection, client_no)
        loaded = await store_sessions.find_file_session(unit.connection, client_no, code, file_name)
        if loaded is not None:
            raise DomainError(
                ErrorKind.ALREADY_EXISTS,
                "FILE_ALREADY_LOADED",
                f"the file {file_name!r} was loaded before, in session {loaded.session_no}:"
                " a file name is loaded once",
                metadata={"file_name": file_name, "session_no": str(loaded.session_no)},
            )
        latest = await store_sessions.latest_sessions(unit.connection, client_no, business_date, [code])
        attempt = latest[code].attempt + 1 if code in latest else 1
        suspended = await store_sessions.suspended_processes(unit.connection, client_no)
        new = _new(process, client_no, business_date, attempt, unit, suspended, actor, file_name)
        return await session_changes.queue(unit, new)


def status_conflict(session: Session, wish: str, why: str) -> DomainError:
    """The refusal of a change that the status of a session does not allow."""
    return DomainError(
        ErrorKind.FAILED_PRECONDITION,
        "STATUS_CONFLICT",
        f"session {session.session_no} can't be {wish}: {why}, it is {session.status.title}",
        metadata={"session_no": str(session.session_no), "status": session.status.name},
        precondition_violations=(
            PreconditionViolation("STATUS", f"session/{session.session_no}", f"it is {session.status.title}"),
        ),
    )


def _new(
    process: BatchProcess,
    client_no: int,
    business_date: date,
    attempt: int,
    unit: UnitOfWork,
    suspended: frozenset[str],
    actor: str,
    file_name: str = "",
) -> NewSession:
    waits = process.code in suspended
    jobs = process.jobs
    return NewSession(
        client_no=client_no,
        process_code=process.code,
        batch_no=process.batch_no,
        process_name=process.name,
        business_date=business_date,
        attempt=attempt,
        file_name=file_name,
        status=queued_status(waits),
        actor=actor,
        message=session_changes.WAITS_SUSPENDED if waits else "",
        queued_at=unit.now,
        job_names=(jobs.prepare, jobs.select, jobs.work, jobs.finish),
    )
