"""How the outcomes of a chunk become part of its session: records, counts and audit event in one
transaction.
"""

from collections.abc import Sequence

from batch_service import events, session_changes, store_chunks
from batch_service.chunks import ChunkState, ChunkTicket, LoadedRecord
from batch_service.events import SettledChunk
from batch_service.processes.contract import RecordOutcome, RecordResult
from batch_service.sessions import Record, Session
from batch_service.unit_of_work import UnitOfWork


async def settle_records(
    unit: UnitOfWork,
    ticket: ChunkTicket,
    records: Sequence[LoadedRecord],
    results: Sequence[RecordResult],
    *,
    actor: str,
) -> Session:
    """Settle a claimed chunk with one result for each of its records. LeaseLostError when the claim is not
    ours.

    A record that failed before and succeeds now moves from the one count to the other.
    """
    await store_chunks.leave(unit.connection, ticket, ChunkState.SETTLED)
    await store_chunks.store_results(unit.connection, ticket, results)
    settled = _settled(ticket, records, results)
    failed_before = sum(record.outcome is RecordOutcome.FAILED for record in records)
    session = await session_changes.close_chunks(
        unit,
        ticket.session_id,
        session_changes.Closed(chunks=1, ok=settled.records_ok, failed=len(settled.failed) - failed_before),
        actor=actor,
    )
    unit.tell(events.chunk_settled(session, settled, actor, unit.now))
    return session


def _settled(
    ticket: ChunkTicket, records: Sequence[LoadedRecord], results: Sequence[RecordResult]
) -> SettledChunk:
    result_of = {result.record_no: result for result in results}
    failed, recovered = [], []
    for record in records:
        result = result_of[record.record_no]
        if result.outcome is RecordOutcome.FAILED:
            failed.append(_worked(record, result))
        elif record.outcome is RecordOutcome.FAILED:
            recovered.append(_worked(record, result))
    return SettledChunk(ticket, len(records) - len(failed), failed, recovered)


def _worked(record: LoadedRecord, result: RecordResult) -> Record:
    return Record(
        record_no=record.record_no,
        record_key=record.record_key,
        acct_no=record.acct_no,
        outcome=result.outcome,
        reason=result.reason,
        message=result.message,
        tries=record.tries + 1,
    )
