"""Batch sessions: the table of an operator's screen, and one session opened into its jobs and failed
records.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from console.rendering import (
    NotedTable,
    count,
    day,
    duration,
    facts,
    instant,
    plural,
    prose,
    right,
    status_mark,
    table,
    time_of_day,
    verdict_mark,
    word,
)
from tallybook.audit.v1.audit_pb2 import StatusChange
from tallybook.batch.v1.batch_pb2 import (
    BatchJob,
    BatchProcess,
    BatchRecord,
    BatchSession,
    RecordOutcome,
)
from tallybook.batch.v1.batch_status_pb2 import BatchStatus

_START: Final = "Start (UTC)"


def session_title(session: BatchSession) -> str:
    """The process, and which run of it this is when there were several."""
    return session.name + (f" (run {session.attempt})" if session.attempt > 1 else "")


def sessions_table(sessions: Iterable[BatchSession], title: str = "") -> RenderableType:
    """One line a session, and beneath its name what a person should know of it. Of several clients, each with
    its number.
    """
    sessions = list(sessions)
    clients = [right("Client")] if len({session.client_no for session in sessions}) > 1 else []
    grid = NotedTable(
        table(
            *clients,
            right("Session"),
            word("Date"),
            word("Process"),
            word("Status"),
            right("Records"),
            right("Failed"),
            word(_START),
            right("Took"),
            title=title,
        ),
        indent=17 if clients else 9,
        expendable=(_START, "Took", "Records"),
    )
    for session in sessions:
        grid.add_row(
            *([str(session.client_no)] if clients else []),
            str(session.session_no),
            day(session.business_date),
            session_title(session),
            status_mark(session.status),
            count(session.records_total),
            Text(count(session.records_failed), "red" if session.records_failed else "dim"),
            time_of_day(session.started_at),
            duration(session.started_at, session.ended_at),
            notes=(session.file_name, worth_a_note(session)),
        )
    return grid if grid.row_count else Text("No sessions.", "dim")


def worth_a_note(session: BatchSession) -> str:
    """What went wrong or is in the way; that a session did all its work is said by its status."""
    return "" if session.status == BatchStatus.BATCH_STATUS_OK else session.message


def session_detail(session: BatchSession, failed: Sequence[BatchRecord]) -> RenderableType:
    """One session with its jobs and its failed records."""
    parts: list[RenderableType] = [_session_facts(session)]
    if session.jobs:
        parts += ["", _jobs_table(session.jobs)]
    if failed:
        parts += ["", records_table(failed, plural(len(failed), "failed record"))]
    return Group(*parts)


def _session_facts(session: BatchSession) -> RenderableType:
    outcomes = f"{count(session.records_ok)} ok, {count(session.records_failed)} failed"
    return facts(
        [
            ("Session", f"{session.session_no}  {session_title(session)}"),
            ("Client", str(session.client_no)),
            ("Business date", day(session.business_date)),
            ("File", session.file_name),
            ("Status", status_mark(session.status)),
            ("Records", f"{outcomes} of {count(session.records_total)}"),
            ("Message", session.message),
            ("Kept back by", session.blocked_by),
            ("Queued (UTC)", instant(session.queued_at)),
            ("Started (UTC)", instant(session.started_at)),
            ("Ended (UTC)", instant(session.ended_at)),
            ("Took", duration(session.started_at, session.ended_at)),
            ("Last change by", session.actor),
        ]
    )


def _jobs_table(jobs: Iterable[BatchJob]) -> RenderableType:
    grid = table(right("Job"), prose("Name"), word("Status"), right("Took"), prose("Message"), title="Jobs")
    for job in jobs:
        grid.add_row(
            str(job.job_no),
            job.name,
            status_mark(job.status),
            duration(job.started_at, job.ended_at),
            Text(job.message, "dim"),
        )
    return grid


def records_table(records: Iterable[BatchRecord], title: str) -> RenderableType:
    """Records with their outcomes."""
    grid = table(
        right("Record"), word("What"), word(""), word("Reason"), prose("Message"), right("Tries"), title=title
    )
    for record in records:
        grid.add_row(
            str(record.record_no),
            record.record_key,
            verdict_mark(record.outcome == RecordOutcome.RECORD_OUTCOME_OK),
            Text(record.reason, "yellow"),
            record.message,
            count(record.tries),
        )
    return grid


def history_table(history: Iterable[StatusChange]) -> RenderableType:
    """How a session came to its status, as the audit log has it."""
    grid = table(
        right("Log index"), word("At (UTC)"), word("Status"), word("By"), prose("Message"), title="History"
    )
    for change in history:
        grid.add_row(
            str(change.log_index),
            instant(change.occurred_at),
            status_mark(change.status),
            change.actor,
            Text(change.message, "dim"),
        )
    return grid


def processes_table(processes: Iterable[BatchProcess]) -> RenderableType:
    """The batch processes in the order in which they run."""
    columns = (right("No"), word("Code"), word("Name"), word("Runs"), word("After"))
    grid = NotedTable(table(*columns), indent=4)
    for process in processes:
        grid.add_row(
            str(process.batch_no or ""),
            process.process_code,
            process.name,
            Text("suspended", "magenta") if process.suspended else _runs(process),
            ", ".join(process.depends_on),
            notes=(process.purpose,),
        )
    return grid


def _runs(process: BatchProcess) -> str:
    return "daily" if process.in_daily_cycle else "on demand"
