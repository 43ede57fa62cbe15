"""What a worker does with a claimed chunk: the set-up of a session, the work on records, the finish.

A step ends in one of four ways: done; a fault of the process (`ProcessFault`); something can't be reached
(`TransientFault`); or the session is to stop (`Interrupted`). Telling them apart is the business of this
module.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import structlog

from batch_service import session_changes, store_chunks, store_sessions
from batch_service.chunks import ChunkState, Claim, LoadedRecord, Step
from batch_service.processes.contract import (
    PROCESS_FAULT_FROM,
    RECORD_FAULT,
    BatchProcess,
    ProcessContext,
    ProcessFault,
    RecordOutcome,
    RecordResult,
    SelectedRecord,
    TransientFault,
    WorkRecord,
)
from batch_service.rules.statuses import BatchStatus
from batch_service.sessions import JobNo, SessionId
from batch_service.settling import settle_records
from batch_service.unit_of_work import UnitsOfWork
from service_kit.errors import DomainError, ErrorKind
from service_kit.failures import as_domain_error

_log = structlog.get_logger()

# Selected records are stored in portions of so many, each in a transaction of its own that checks the claim.
_PORTION: Final = 5000
_TRANSIENT: Final = frozenset({ErrorKind.UNAVAILABLE, ErrorKind.ABORTED, ErrorKind.DEADLINE_EXCEEDED})

Result = TypeVar("Result")


class Interrupted(Exception):  # noqa: N818  # no error: somebody wished it
    """The session is to stop, and the step stopped on the way."""


@dataclass(frozen=True, slots=True)
class StepRun:
    """A claimed chunk with its process, and who works on it."""

    claim: Claim
    process: BatchProcess
    context: ProcessContext
    actor: str

    @property
    def session_id(self) -> SessionId:
        """The session that it is worked for."""
        return self.claim.ticket.session_id


async def run_step(units: UnitsOfWork, run: StepRun) -> None:
    """Do what the claim is for, and settle it. Raises ProcessFault, TransientFault, Interrupted,
    LeaseLostError.
    """
    await _STEPS[run.claim.step](units, run)


async def _set_up(units: UnitsOfWork, run: StepRun) -> None:
    await _begin_job(units, run, JobNo.PREPARE)
    await _blame_process(run.process.prepare(run.context))
    await _begin_selection(units, run)
    records = await _select(units, run)
    chunk_size = run.process.chunk_size
    async with units.begin() as unit:
        await store_chunks.leave(unit.connection, run.claim.ticket, ChunkState.SETTLED)
        chunks = await store_chunks.insert_work_chunks(
            unit.connection, run.session_id, records=records, chunk_size=chunk_size
        )
        await session_changes.open_work(unit, run.session_id, chunks=chunks, records=records, actor=run.actor)


async def _select(units: UnitsOfWork, run: StepRun) -> int:
    """Store what the process selects; how many records.

    Not one long transaction: a worker that froze in one would hold its locks against whoever takes over.
    """
    stored = 0
    selection = _portions(run.process.select(run.context))
    while portion := await _blame_process(anext(selection, None)):
        if run.context.interrupted():
            raise Interrupted
        async with units.begin() as unit:
            await store_chunks.require_claim(unit.connection, run.claim.ticket)
            await store_chunks.copy_records(
                unit.connection,
                run.session_id,
                portion,
                first_record_no=stored + 1,
                chunk_size=run.process.chunk_size,
            )
        stored += len(portion)
    return stored


async def _portions(selection: AsyncIterator[SelectedRecord]) -> AsyncIterator[list[SelectedRecord]]:
    portion: list[SelectedRecord] = []
    async for record in selection:
        portion.append(record)
        if len(portion) == _PORTION:
            yield portion
            portion = []
    if portion:
        yield portion


async def _work(units: UnitsOfWork, run: StepRun) -> None:
    async with units.read() as connection:
        records = await store_chunks.load_records(connection, run.claim.ticket)
    results, faults = await _work_apart(run, [_to_work(record) for record in records])
    if faults:
        # One trace tells enough: where one record raises, many may.
        _log.error("records raised", process=run.process.code, records=len(faults), exc_info=faults[0])
    if len(faults) == len(records) >= PROCESS_FAULT_FROM:
        raise ProcessFault(f"all {len(faults)} records of a chunk failed unexpectedly: {_told(faults[0])}")
    async with units.begin() as unit:
        await settle_records(unit, run.claim.ticket, records, results, actor=run.actor)


async def _work_apart(
    run: StepRun, records: Sequence[WorkRecord]
) -> tuple[Sequence[RecordResult], Sequence[Exception]]:
    """Work records; when that raises, work each half on its own, until what raises is alone (rule 28).

    One result for each record, and the exceptions of those that raised alone.
    """
    try:
        results = await run.process.work(run.context, records)
        _require_complete(run.process, records, results)
    except (ProcessFault, TransientFault, Interrupted):
        raise
    except Exception as failure:  # noqa: BLE001  # whatever it is, it must not stop the run
        _raise_if_transient(failure)
        fault = failure
    else:
        return results, ()
    if len(records) == 1:
        return [RecordResult.failed(records[0], RECORD_FAULT, _told(fault))], [fault]
    middle = len(records) // 2
    left, left_faults = await _work_apart(run, records[:middle])
    right, right_faults = await _work_apart(run, records[middle:])
    return [*left, *right], [*left_faults, *right_faults]


async def _finish(units: UnitsOfWork, run: StepRun) -> None:
    await _blame_process(run.process.finish(run.context))
    async with units.begin() as unit:
        await store_chunks.leave(unit.connection, run.claim.ticket, ChunkState.SETTLED)
        closed = session_changes.Closed(chunks=1, step=Step.FINISH)
        await session_changes.close_chunks(unit, run.session_id, closed, actor=run.actor)


async def _begin_job(units: UnitsOfWork, run: StepRun, job_no: JobNo) -> None:
    async with units.begin() as unit:
        await store_chunks.require_claim(unit.connection, run.claim.ticket)
        await store_sessions.set_job(
            unit.connection, run.session_id, job_no, BatchStatus.RUNNING, at=unit.now
        )
        await store_sessions.update_session(unit.connection, run.session_id)


async def _begin_selection(units: UnitsOfWork, run: StepRun) -> None:
    """Select anew: what an earlier try left behind is thrown away."""
    async with units.begin() as unit:
        await store_chunks.require_claim(unit.connection, run.claim.ticket)
        await store_chunks.clear_records(unit.connection, run.session_id)
        await store_sessions.end_job_and_begin(
            unit.connection, run.session_id, JobNo.PREPARE, JobNo.SELECT, at=unit.now
        )
        await store_sessions.update_session(unit.connection, run.session_id)


async def _blame_process(step: Awaitable[Result]) -> Result:
    """Await a step of the process; whatever unexpected it raises is a fault of the process (rule 22)."""
    try:
        return await step
    except (ProcessFault, TransientFault, Interrupted):
        raise
    except Exception as failure:  # the process is not ours: it may raise anything
        _raise_if_transient(failure)
        _log.exception("a process failed")
        raise ProcessFault(_told(failure)) from failure


def _raise_if_transient(failure: Exception) -> None:
    if is_transient(failure):
        raise TransientFault(what_is_away(failure)) from failure


def is_transient(failure: Exception) -> bool:
    """Whether the same step may succeed later, with nothing changed."""
    return isinstance(failure, TransientFault) or as_domain_error(failure).kind in _TRANSIENT


def what_is_away(failure: Exception) -> str:
    """What a person is told of a transient failure: never the text of an exception of the database."""
    return str(failure) if isinstance(failure, TransientFault) else as_domain_error(failure).message


def _told(failure: Exception) -> str:
    """What a person is told. The text of an exception that nobody foresaw stays in the log: it may hold
    anything.
    """
    if isinstance(failure, DomainError):
        return failure.message
    return f"an unexpected {type(failure).__name__}, see the log of the worker"


def _require_complete(
    process: BatchProcess, records: Sequence[WorkRecord], results: Sequence[RecordResult]
) -> None:
    asked = sorted(record.record_no for record in records)
    if sorted(result.record_no for result in results) != asked or any(
        result.outcome is RecordOutcome.UNWORKED for result in results
    ):
        raise ProcessFault(f"{process.code} did not return one result for each of its {len(asked)} records")


def _to_work(record: LoadedRecord) -> WorkRecord:
    return WorkRecord(record.record_no, record.record_key, record.acct_no, record.payload, record.tries)


_STEPS: Final[dict[Step, Callable[[UnitsOfWork, StepRun], Awaitable[None]]]] = {
    Step.SETUP: _set_up,
    Step.WORK: _work,
    Step.FINISH: _finish,
}
