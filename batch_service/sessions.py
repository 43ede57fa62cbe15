"""What the batch service says of sessions, jobs and records: the domain's values, without database or
contract.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum

from batch_service.processes.contract import RecordOutcome
from batch_service.rules.statuses import BatchStatus


class JobNo(IntEnum):
    """The places of the four jobs of a session."""

    PREPARE = 1
    SELECT = 2
    WORK = 3
    FINISH = 4


@dataclass(frozen=True, slots=True)
class Job:
    """A step of a session."""

    job_no: int
    name: str
    status: BatchStatus
    started_at: datetime | None = None
    ended_at: datetime | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class SessionId:
    """Names a session."""

    client_no: int
    session_no: int


@dataclass(frozen=True, slots=True)
class Session:
    """A run of a process for a client and a business date, as it is at its `version`."""

    client_no: int
    session_no: int
    process_code: str
    batch_no: int
    process_name: str
    business_date: date
    attempt: int
    file_name: str
    status: BatchStatus
    queued_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    records_total: int
    records_ok: int
    records_failed: int
    chunks_open: int
    selected: bool
    blocked_by: str
    queued_by: str
    actor: str
    message: str
    version: int
    stop_status: BatchStatus | None
    stop_actor: str
    stop_message: str
    jobs: tuple[Job, ...] = ()

    @property
    def id(self) -> SessionId:
        """What names it."""
        return SessionId(self.client_no, self.session_no)

    @property
    def records_unworked(self) -> int:
        """How many of its records were never worked."""
        return self.records_total - self.records_ok - self.records_failed


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session that is to be queued. `file_name` is "" unless its process loads files."""

    client_no: int
    process_code: str
    batch_no: int
    process_name: str
    business_date: date
    attempt: int
    file_name: str
    status: BatchStatus
    actor: str
    message: str
    queued_at: datetime
    job_names: tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a session and what became of it."""

    record_no: int
    record_key: str
    acct_no: int
    outcome: RecordOutcome
    reason: str
    message: str
    tries: int


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """Which sessions of a client are asked for; what is empty or None lets all through."""

    client_no: int
    business_date_from: date | None = None
    business_date_to: date | None = None
    statuses: tuple[BatchStatus, ...] = ()
    process_codes: tuple[str, ...] = ()
