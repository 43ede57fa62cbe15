"""What a batch process is: one class that says what to select, how to work a chunk, and what to say.

The engine (sessions, chunks, workers, leases) calls it; a process never touches the engine's tables. What it
has to know:

- Every method may be called again for the same session, and on another host: after a crash, a lost lease, a
  resume or a retry. So the effect of a record has to be idempotent by its business fact (process, account or
  plan instance, billing period ...), never by the attempt (rule 27).
- `prepare` and `select` run one after the other on one worker; `work` runs for many chunks at once, on any
  workers; `finish` runs when every record has been worked.
- What can't be reached is a `TransientFault` (gRPC UNAVAILABLE and a database that is away count as one): the
  step or the chunk is tried again with back-off for a bounded time, then the session ends in Error.
- Any other exception of `prepare`, `select` or `finish`, and a `ProcessFault` of any method, is a fault of
  the process itself: the session ends in Error (rule 22).
- Any other exception of `work` is blamed on a record: the chunk is halved until the record is alone, and that
  one fails with the reason RECORD_FAULT (rule 28). Only when all of at least `PROCESS_FAULT_FROM` records of
  a chunk fail like this the process itself is at fault, and the session ends in Error.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from typing import ClassVar, Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from service_kit.clock import Clock

PROCESS_FAULT_FROM: Final = 10
RECORD_FAULT: Final = "RECORD_FAULT"
"""Its work raised an unexpected exception."""
WORKER_LOST: Final = "WORKER_LOST"
"""Its work took the worker down, again and again."""


class ProcessFault(Exception):  # noqa: N818  # a fault of the process, as rule 22 calls it
    """The process itself can't do its work; the message tells an operator what to do about it."""


class TransientFault(Exception):  # noqa: N818  # and one that passes
    """Something that the process needs can't be reached now; the message says what."""


class RecordOutcome(IntEnum):
    """What became of a record; the numbers of the contract."""

    UNWORKED = 0
    OK = 1
    FAILED = 2


class SelectedRecord(NamedTuple):
    """One account, plan instance or file line that a session has to work.

    record_key: what it is, for people and in the audit log: "account:1007", "line:13".
    acct_no: the account, or 0.
    payload: what `work` needs to know beyond the key; small, in a form of the process's own.
    """

    record_key: str
    acct_no: int = 0
    payload: bytes = b""


class WorkRecord(NamedTuple):
    """A selected record that is to be worked now; `tries` is how often it was worked before."""

    record_no: int
    record_key: str
    acct_no: int
    payload: bytes
    tries: int


class RecordResult(NamedTuple):
    """What became of one record. Make it with `ok` or `failed`."""

    record_no: int
    outcome: RecordOutcome
    reason: str
    message: str

    @classmethod
    def ok(cls, record: WorkRecord, message: str = "") -> "RecordResult":
        """It succeeded; `message` may say what was done."""
        return cls(record.record_no, RecordOutcome.OK, "", message)

    @classmethod
    def failed(cls, record: WorkRecord, reason: str, message: str) -> "RecordResult":
        """It failed: `reason` is a stable code in capitals, `message` a sentence for people."""
        return cls(record.record_no, RecordOutcome.FAILED, reason, message)


@dataclass(frozen=True, slots=True)
class JobNames:
    """What people read as the names of the four jobs of a session."""

    prepare: str = "Prepare"
    select: str = "Select the records"
    work: str = "Work the records"
    finish: str = "Finish"


@dataclass(frozen=True, slots=True)
class ProcessContext:
    """The session that a process works for, and what it works with.

    file_name: the file that it loads, or "".
    actor: who asked for the session.
    interrupted: whether it is to stop, for a loop of its own that takes long.
    """

    client_no: int
    session_no: int
    business_date: date
    attempt: int
    file_name: str
    actor: str
    clock: Clock
    engine: AsyncEngine
    interrupted: Callable[[], bool]


class BatchProcess(ABC):
    """A batch process. What it needs from other services is given to its constructor (see the registry)."""

    code: ClassVar[str]
    """The short name of requests: "invoicer"."""
    batch_no: ClassVar[int]
    """The number that operators know it by; 0 for one without a number."""
    name: ClassVar[str]
    purpose: ClassVar[str]
    depends_on: ClassVar[tuple[str, ...]] = ()
    """The codes of the processes whose sessions of the same date have to end first (rule 23)."""
    in_daily_cycle: ClassVar[bool] = True
    needs_file: ClassVar[bool] = False
    """It starts only with a file (`queueing.start_file_session`), never by its name alone."""
    chunk_size: ClassVar[int] = 500
    jobs: ClassVar[JobNames] = JobNames()

    async def prepare(self, context: ProcessContext) -> None:  # noqa: B027  # most have nothing to prepare
        """Set up; once a session, before the selection."""

    @abstractmethod
    def select(self, context: ProcessContext) -> AsyncIterator[SelectedRecord]:
        """The records to work, in a stable order. Write it as an async generator."""

    @abstractmethod
    async def work(self, context: ProcessContext, records: Sequence[WorkRecord]) -> Sequence[RecordResult]:
        """Work the records and return one result for each, in any order."""

    async def finish(self, context: ProcessContext) -> None:  # noqa: B027  # most have nothing to finish
        """Wind up; once every record has been worked, and again after a retry of the failed ones."""
