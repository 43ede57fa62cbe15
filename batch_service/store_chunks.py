"""The SQL of chunks and of the records in them: claim, keep, settle, give back, rescue, split, cancel.

Leases are measured by the clock of the database, the only one that all workers share. Every statement that
acts for a worker names the epoch of its claim: who lost the lease changes nothing.

Order of locks, everywhere: client, chunk, session. A claim locks the session (shared) before the chunk; that
is safe, since it takes Pending chunks only, and who holds a session exclusively waits for no Pending chunk.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import ARRAY, BigInteger, Integer, SmallInteger, Text

from batch_service.chunks import ChunkState, ChunkTicket, Claim, LoadedRecord, Step
from batch_service.processes.contract import RecordOutcome, RecordResult, SelectedRecord
from batch_service.rules.statuses import BatchStatus
from batch_service.sessions import SessionId
from service_kit.database import raw_connection

_CODES: Final = {
    "running": BatchStatus.RUNNING.value,
    "pending": ChunkState.PENDING.value,
    "claimed": ChunkState.CLAIMED.value,
    "cancelled": ChunkState.CANCELLED.value,
    "work": Step.WORK.value,
    "failed": RecordOutcome.FAILED.value,
}


class LeaseLostError(Exception):
    """The claim is no longer ours: the lease ran out, and the chunk is or will be another worker's."""


@dataclass(frozen=True, slots=True)
class ExpiredLease:
    """A chunk whose worker was silent for too long. `losses` counts this one."""

    ticket: ChunkTicket
    step: Step
    worker: str
    records: int
    losses: int


async def claim(connection: AsyncConnection, ticket: ChunkTicket, worker: str, lease: float) -> Claim | None:
    """Take a pending chunk of a running session; None when there is nothing (or nothing any more) to take.

    The lock on the session makes it sure that nobody who stops the session overlooks this claim.
    """
    row = (await connection.execute(_CLAIM, {**_of(ticket), "worker": worker, "lease": lease})).one_or_none()
    if row is None:
        return None
    return Claim(ChunkTicket(ticket.client_no, ticket.session_no, ticket.chunk_no, row.epoch), Step(row.step))


_CLAIM: Final = text("""
    WITH running AS (
        SELECT client_no, session_no
          FROM batch_session
         WHERE client_no = :client_no AND session_no = :session_no
           AND status = :running AND stop_status IS NULL
           FOR SHARE
    )
    UPDATE batch_chunk AS chunk
       SET state = :claimed,
           epoch = epoch + 1,
           worker = :worker,
           lease_until = clock_timestamp() + make_interval(secs => :lease)
      FROM running
     WHERE chunk.client_no = running.client_no
       AND chunk.session_no = running.session_no
       AND chunk.chunk_no = :chunk_no
       AND chunk.epoch = :epoch
       AND chunk.state = :pending
 RETURNING chunk.epoch, chunk.step
""").bindparams(running=_CODES["running"], claimed=_CODES["claimed"], pending=_CODES["pending"])


async def losses(connection: AsyncConnection, ticket: ChunkTicket) -> int:
    """How many workers a chunk has taken down. It changes with the epoch only, so a ticket may rely on it."""
    return int(await connection.scalar(_LOSSES, _of_chunk(ticket)) or 0)


_LOSSES: Final = text("""
    SELECT losses
      FROM batch_chunk
     WHERE client_no = :client_no AND session_no = :session_no AND chunk_no = :chunk_no
""")


async def keep(
    connection: AsyncConnection, tickets: Sequence[ChunkTicket], lease: float
) -> dict[ChunkTicket, bool]:
    """Renew the leases that are still ours; those, and whether their session is to stop."""
    rows = await connection.execute(
        _KEEP,
        {
            "clients": [ticket.client_no for ticket in tickets],
            "sessions": [ticket.session_no for ticket in tickets],
            "chunks": [ticket.chunk_no for ticket in tickets],
            "epochs": [ticket.epoch for ticket in tickets],
            "lease": lease,
        },
    )
    return {ChunkTicket(row.client_no, row.session_no, row.chunk_no, row.epoch): row.stopping for row in rows}


_BIGINTS: Final = ARRAY(BigInteger)

_KEEP: Final = text("""
    UPDATE batch_chunk AS chunk
       SET lease_until = clock_timestamp() + make_interval(secs => :lease)
      FROM unnest(:clients, :sessions, :chunks, :epochs) AS held (client_no, session_no, chunk_no, epoch),
           batch_session AS session
     WHERE chunk.client_no = held.client_no
       AND chunk.session_no = held.session_no
       AND chunk.chunk_no = held.chunk_no
       AND chunk.epoch = held.epoch
       AND chunk.state = :claimed
       AND session.client_no = chunk.client_no
       AND session.session_no = chunk.session_no
 RETURNING chunk.client_no, chunk.session_no, chunk.chunk_no, chunk.epoch,
           session.stop_status IS NOT NULL AS stopping
""").bindparams(
    bindparam("clients", type_=_BIGINTS),
    bindparam("sessions", type_=_BIGINTS),
    bindparam("chunks", type_=_BIGINTS),
    bindparam("epochs", type_=_BIGINTS),
    bindparam("claimed", _CODES["claimed"]),
)


async def require_claim(connection: AsyncConnection, ticket: ChunkTicket) -> None:
    """Keep the chunk ours until the transaction ends; LeaseLostError when it is not."""
    found = await connection.execute(_REQUIRE, {**_of(ticket), "claimed": _CODES["claimed"]})
    if found.one_or_none() is None:
        raise LeaseLostError


_REQUIRE: Final = text("""
    SELECT 1
      FROM batch_chunk
     WHERE client_no = :client_no AND session_no = :session_no AND chunk_no = :chunk_no
       AND epoch = :epoch AND state = :claimed
       FOR NO KEY UPDATE
""")


async def leave(connection: AsyncConnection, ticket: ChunkTicket, state: ChunkState) -> None:
    """End a claim with the chunk Settled, Cancelled or Split; LeaseLostError when it is not ours."""
    assert state not in {ChunkState.PENDING, ChunkState.CLAIMED}
    result = await connection.execute(
        _LEAVE, {**_of(ticket), "claimed": _CODES["claimed"], "state": state.value}
    )
    if not result.rowcount:
        raise LeaseLostError


_LEAVE: Final = text("""
    UPDATE batch_chunk
       SET state = :state, lease_until = NULL, waiting_since = NULL
     WHERE client_no = :client_no AND session_no = :session_no AND chunk_no = :chunk_no
       AND epoch = :epoch AND state = :claimed
""")


async def give_back(connection: AsyncConnection, ticket: ChunkTicket) -> None:
    """End a claim without a result: another worker may take the chunk at once. LeaseLostError when it is not
    ours.
    """
    result = await connection.execute(
        _GIVE_BACK, {**_of(ticket), "claimed": _CODES["claimed"], "pending": _CODES["pending"]}
    )
    if not result.rowcount:
        raise LeaseLostError


_GIVE_BACK: Final = text("""
    UPDATE batch_chunk
       SET state = :pending, epoch = epoch + 1, worker = '', lease_until = NULL, deliveries = 0
     WHERE client_no = :client_no AND session_no = :session_no AND chunk_no = :chunk_no
       AND epoch = :epoch AND state = :claimed
""")


async def waited(connection: AsyncConnection, ticket: ChunkTicket) -> float:
    """For how many seconds a chunk has waited for something that can't be reached; 0 when it was there
    before.
    """
    seconds = await connection.scalar(_WAITED, _of_chunk(ticket))
    return float(seconds or 0)


_WAITED: Final = text("""
    SELECT extract(epoch FROM clock_timestamp() - waiting_since)
      FROM batch_chunk
     WHERE client_no = :client_no AND session_no = :session_no AND chunk_no = :chunk_no
""")


async def put_off(connection: AsyncConnection, ticket: ChunkTicket, longest_pause: float) -> None:
    """End a claim without a result, since something can't be reached. LeaseLostError when it is not ours.

    The chunk rests for as long as it has waited before, so that the pauses double, up to `longest_pause`
    seconds.
    """
    result = await connection.execute(
        _PUT_OFF,
        {
            **_of(ticket),
            "longest_pause": longest_pause,
            "claimed": _CODES["claimed"],
            "pending": _CODES["pending"],
        },
    )
    if not result.rowcount:
        raise LeaseLostError


_PUT_OFF: Final = text("""
    UPDATE batch_chunk
       SET state = :pending,
           epoch = epoch + 1,
           worker = '',
           lease_until = NULL,
           waiting_since = coalesce(waiting_since, clock_timestamp()),
           deliver_at = clock_timestamp() + least(
               make_interval(secs => :longest_pause),
               greatest(interval '1 second', clock_timestamp() - coalesce(waiting_since, clock_timestamp()))
           )
     WHERE client_no = :client_no AND session_no = :session_no AND chunk_no = :chunk_no
       AND epoch = :epoch AND state = :claimed
""")


async def expired_leases(connection: AsyncConnection, limit: int) -> Sequence[ChunkTicket]:
    """Chunks whose workers have been silent for longer than their leases."""
    rows = await connection.execute(_EXPIRED, {"claimed": _CODES["claimed"], "limit": limit})
    return [ChunkTicket(row.client_no, row.session_no, row.chunk_no, row.epoch) for row in rows]


_EXPIRED: Final = text("""
    SELECT client_no, session_no, chunk_no, epoch
      FROM batch_chunk
     WHERE state = :claimed AND lease_until < clock_timestamp()
     ORDER BY lease_until
     LIMIT :limit
""")


async def take_over(connection: AsyncConnection, ticket: ChunkTicket, lease: float) -> ExpiredLease | None:
    """Take a chunk from the worker that lost it, to decide what becomes of it; None when somebody else
    did.
    """
    row = (
        await connection.execute(_TAKE_OVER, {**_of(ticket), "claimed": _CODES["claimed"], "lease": lease})
    ).one_or_none()
    if row is None:
        return None
    return ExpiredLease(
        ticket=ChunkTicket(ticket.client_no, ticket.session_no, ticket.chunk_no, row.epoch),
        step=Step(row.step),
        worker=row.worker,
        records=row.records,
        losses=row.losses,
    )


_TAKE_OVER: Final = text("""
    UPDATE batch_chunk AS chunk
       SET epoch = chunk.epoch + 1,
           losses = chunk.losses + 1,
           lease_until = clock_timestamp() + make_interval(secs => :lease)
      FROM (
        SELECT client_no, session_no, chunk_no
          FROM batch_chunk
         WHERE client_no = :client_no AND session_no = :session_no AND chunk_no = :chunk_no
           AND epoch = :epoch AND state = :claimed AND lease_until < clock_timestamp()
           FOR NO KEY UPDATE SKIP LOCKED
      ) AS lost
     WHERE chunk.client_no = lost.client_no
       AND chunk.session_no = lost.session_no
       AND chunk.chunk_no = lost.chunk_no
 RETURNING chunk.epoch, chunk.step, chunk.worker, chunk.records, chunk.losses
""")


async def due_deliveries(connection: AsyncConnection, redelivery: float, limit: int) -> Sequence[ChunkTicket]:
    """Pending chunks of running sessions that are due to be delivered, first or again.

    A delivery may get lost, and a queue may be long: so each waits twice as long for its next one.
    """
    rows = await connection.execute(
        _DUE,
        {
            "redelivery": redelivery,
            "limit": limit,
            "pending": _CODES["pending"],
            "running": _CODES["running"],
        },
    )
    return [ChunkTicket(row.client_no, row.session_no, row.chunk_no, row.epoch) for row in rows]


_DUE: Final = text("""
    UPDATE batch_chunk AS chunk
       SET deliveries = chunk.deliveries + 1,
           deliver_at = clock_timestamp()
               + make_interval(secs => :redelivery) * (2 ^ least(chunk.deliveries, 6))
      FROM (
        SELECT c.client_no, c.session_no, c.chunk_no
          FROM batch_chunk AS c
          JOIN batch_session AS s ON s.client_no = c.client_no AND s.session_no = c.session_no
         WHERE c.state = :pending
           AND c.deliver_at <= clock_timestamp()
           AND s.status = :running
           AND s.stop_status IS NULL
         ORDER BY c.deliver_at
         LIMIT :limit
           FOR NO KEY UPDATE OF c SKIP LOCKED
      ) AS due
     WHERE chunk.client_no = due.client_no
       AND chunk.session_no = due.session_no
       AND chunk.chunk_no = due.chunk_no
 RETURNING chunk.client_no, chunk.session_no, chunk.chunk_no, chunk.epoch
""")


async def deliverable(
    connection: AsyncConnection, session_id: SessionId, redelivery: float
) -> Sequence[ChunkTicket]:
    """The pending chunks of a session that were never delivered; the caller does so once it commits."""
    rows = await connection.execute(
        _DELIVERABLE,
        {**_of_session(session_id), "pending": _CODES["pending"], "redelivery": redelivery},
    )
    return [ChunkTicket(row.client_no, row.session_no, row.chunk_no, row.epoch) for row in rows]


_DELIVERABLE: Final = text("""
    UPDATE batch_chunk
       SET deliveries = 1, deliver_at = clock_timestamp() + make_interval(secs => :redelivery)
     WHERE client_no = :client_no AND session_no = :session_no AND state = :pending AND deliveries = 0
 RETURNING client_no, session_no, chunk_no, epoch
""")


async def cancel_pending(connection: AsyncConnection, session_id: SessionId) -> int:
    """Cancel the chunks that nobody works on; how many."""
    result = await connection.execute(
        _CANCEL,
        {**_of_session(session_id), "pending": _CODES["pending"], "cancelled": _CODES["cancelled"]},
    )
    return int(result.rowcount)


_CANCEL: Final = text("""
    UPDATE batch_chunk
       SET state = :cancelled, epoch = epoch + 1
     WHERE client_no = :client_no AND session_no = :session_no AND state = :pending
""")


async def revive_cancelled(connection: AsyncConnection, session_id: SessionId) -> int:
    """Make the cancelled chunks of a session pending again; how many."""
    result = await connection.execute(
        _REVIVE, {**_of_session(session_id), "pending": _CODES["pending"], "cancelled": _CODES["cancelled"]}
    )
    return int(result.rowcount)


_REVIVE: Final = text("""
    UPDATE batch_chunk
       SET state = :pending, epoch = epoch + 1, losses = 0, waiting_since = NULL, deliveries = 0
     WHERE client_no = :client_no AND session_no = :session_no AND state = :cancelled
""")


async def count_pending(connection: AsyncConnection, session_id: SessionId) -> int:
    """How many chunks of a session are pending."""
    return int(
        await connection.scalar(_COUNT_PENDING, {**_of_session(session_id), "pending": _CODES["pending"]})
    )


_COUNT_PENDING: Final = text("""
    SELECT count(*)
      FROM batch_chunk
     WHERE client_no = :client_no AND session_no = :session_no AND state = :pending
""")


async def insert_finish(connection: AsyncConnection, session_id: SessionId) -> None:
    """Add the finish of a session. The session is locked by the caller, so no other chunk is numbered now."""
    await connection.execute(
        _INSERT_FINISH,
        {**_of_session(session_id), "step": Step.FINISH.value, "pending": _CODES["pending"]},
    )


_INSERT_FINISH: Final = text("""
    INSERT INTO batch_chunk (client_no, session_no, chunk_no, step, state, deliver_at)
    SELECT :client_no, :session_no, max(chunk_no) + 1, :step, :pending, clock_timestamp()
      FROM batch_chunk
     WHERE client_no = :client_no AND session_no = :session_no
""").bindparams(
    bindparam("client_no", type_=BigInteger),
    bindparam("session_no", type_=BigInteger),
    bindparam("step", type_=SmallInteger),
    bindparam("pending", type_=SmallInteger),
)


async def clear_records(connection: AsyncConnection, session_id: SessionId) -> None:
    """Throw away the records of a selection that was cut off."""
    await connection.execute(_CLEAR, _of_session(session_id))


_CLEAR: Final = text("DELETE FROM batch_record WHERE client_no = :client_no AND session_no = :session_no")


async def copy_records(
    connection: AsyncConnection,
    session_id: SessionId,
    records: Sequence[SelectedRecord],
    *,
    first_record_no: int,
    chunk_size: int,
) -> None:
    """Store selected records, numbered from `first_record_no` and put in chunks of `chunk_size` by number."""
    driver = await raw_connection(connection)
    await driver.copy_records_to_table(
        "batch_record",
        columns=("client_no", "session_no", "record_no", "chunk_no", "record_key", "acct_no", "payload"),
        records=(
            (
                session_id.client_no,
                session_id.session_no,
                record_no,
                1 + (record_no - 1) // chunk_size,
                _storable(record.record_key),
                record.acct_no,
                record.payload,
            )
            for record_no, record in enumerate(records, first_record_no)
        ),
    )


async def insert_work_chunks(
    connection: AsyncConnection, session_id: SessionId, *, records: int, chunk_size: int
) -> int:
    """Add the chunks of a complete selection; how many."""
    result = await connection.execute(
        _INSERT_CHUNKS,
        {
            **_of_session(session_id),
            "records": records,
            "chunk_size": chunk_size,
            "work": _CODES["work"],
            "pending": _CODES["pending"],
        },
    )
    return int(result.rowcount)


_INSERT_CHUNKS: Final = text("""
    INSERT INTO batch_chunk (client_no, session_no, chunk_no, step, state, deliver_at, records)
    SELECT :client_no, :session_no, chunk_no, :work, :pending, clock_timestamp(),
           least(:chunk_size, :records - (chunk_no - 1) * :chunk_size)
      FROM generate_series(1, (:records + :chunk_size - 1) / :chunk_size) AS chunk_no
""").bindparams(
    bindparam("client_no", type_=BigInteger),
    bindparam("session_no", type_=BigInteger),
    bindparam("records", type_=BigInteger),
    bindparam("chunk_size", type_=BigInteger),
    bindparam("work", type_=SmallInteger),
    bindparam("pending", type_=SmallInteger),
)


async def load_records(connection: AsyncConnection, ticket: ChunkTicket) -> Sequence[LoadedRecord]:
    """The records of a chunk, by number."""
    driver = await raw_connection(connection)
    rows = await driver.fetch(_LOAD, ticket.client_no, ticket.session_no, ticket.chunk_no)
    # Sorted here: to have them in order, the planner may read all of the session by number.
    return sorted(
        LoadedRecord(record_no, record_key, acct_no, payload, RecordOutcome(outcome), tries)
        for record_no, record_key, acct_no, payload, outcome, tries in rows
    )


_LOAD: Final = """
    SELECT record_no, record_key, acct_no, payload, outcome, tries
      FROM batch_record
     WHERE client_no = $1 AND session_no = $2 AND chunk_no = $3
"""


async def store_results(
    connection: AsyncConnection, ticket: ChunkTicket, results: Sequence[RecordResult]
) -> None:
    """Store what became of the records of a chunk, each of which has a result, and that they were worked once
    more. One statement.
    """
    by_number = {
        result.record_no: (result.outcome.value, _storable(result.reason), _storable(result.message))
        for result in results
    }
    await connection.execute(_STORE_RESULTS, {**_of_chunk(ticket), "results": json.dumps(by_number)})


# The results are looked up by the rows, in an object, and not joined with them: for a join the planner would
# have to know how many records a session has, and it learns that when the session is over.
_STORE_RESULTS: Final = text("""
    UPDATE batch_record
       SET outcome = (CAST(:results AS jsonb) -> record_no::text ->> 0)::smallint,
           reason = CAST(:results AS jsonb) -> record_no::text ->> 1,
           message = CAST(:results AS jsonb) -> record_no::text ->> 2,
           tries = tries + 1
     WHERE client_no = :client_no AND session_no = :session_no AND chunk_no = :chunk_no
""").bindparams(bindparam("results", type_=Text))


async def split_chunk(
    connection: AsyncConnection, ticket: ChunkTicket, sizes: tuple[int, int], losses: tuple[int, int]
) -> None:
    """Put the records of a chunk into two new ones. The session is locked by the caller, as for the
    finish.
    """
    await connection.execute(
        _SPLIT,
        {
            **_of_chunk(ticket),
            "first_size": sizes[0],
            "second_size": sizes[1],
            "first_losses": losses[0],
            "second_losses": losses[1],
            "work": _CODES["work"],
            "pending": _CODES["pending"],
        },
    )


_SPLIT: Final = text("""
    WITH next AS (
        SELECT max(chunk_no) + 1 AS chunk_no
          FROM batch_chunk
         WHERE client_no = :client_no AND session_no = :session_no
    ), halves AS (
        INSERT INTO batch_chunk (client_no, session_no, chunk_no, step, state, deliver_at, records, losses)
        SELECT :client_no, :session_no, next.chunk_no + half.place, :work, :pending, clock_timestamp(),
               half.records, half.losses
          FROM next,
               (VALUES (0, :first_size, :first_losses), (1, :second_size, :second_losses))
                    AS half (place, records, losses)
    ), placed AS (
        SELECT record_no, row_number() OVER (ORDER BY record_no) AS place
          FROM batch_record
         WHERE client_no = :client_no AND session_no = :session_no AND chunk_no = :chunk_no
    )
    UPDATE batch_record AS record
       SET chunk_no = next.chunk_no + CASE WHEN placed.place <= :first_size THEN 0 ELSE 1 END
      FROM placed, next
     WHERE record.client_no = :client_no
       AND record.session_no = :session_no
       AND record.record_no = placed.record_no
""").bindparams(
    bindparam("client_no", type_=BigInteger),
    bindparam("session_no", type_=BigInteger),
    bindparam("chunk_no", type_=BigInteger),
    bindparam("first_size", type_=Integer),
    bindparam("second_size", type_=Integer),
    bindparam("first_losses", type_=Integer),
    bindparam("second_losses", type_=Integer),
    bindparam("work", type_=SmallInteger),
    bindparam("pending", type_=SmallInteger),
)


async def rechunk_failed(connection: AsyncConnection, session_id: SessionId, chunk_size: int) -> int:
    """Put the failed records of a session into new chunks, to be worked again; how many chunks.

    The session is locked by the caller. Its cancelled chunks stay cancelled: what was never worked is no
    retry. Those that only a retry or a finish was cancelled of are over: the new chunks take their place.
    """
    await connection.execute(
        _REPLACE_CANCELLED,
        {
            **_of_session(session_id),
            "cancelled": _CODES["cancelled"],
            "split": ChunkState.SPLIT.value,
            "setup": Step.SETUP.value,
            "unworked": RecordOutcome.UNWORKED.value,
        },
    )
    result = await connection.execute(
        _RECHUNK,
        {
            **_of_session(session_id),
            "chunk_size": chunk_size,
            "failed": _CODES["failed"],
            "work": _CODES["work"],
            "pending": _CODES["pending"],
        },
    )
    return int(result.rowcount)


_REPLACE_CANCELLED: Final = text("""
    UPDATE batch_chunk AS chunk
       SET state = :split
     WHERE chunk.client_no = :client_no AND chunk.session_no = :session_no
       AND chunk.state = :cancelled AND chunk.step <> :setup
       AND NOT EXISTS (
        SELECT 1
          FROM batch_record AS record
         WHERE record.client_no = chunk.client_no
           AND record.session_no = chunk.session_no
           AND record.chunk_no = chunk.chunk_no
           AND record.outcome = :unworked
       )
""")

_RECHUNK: Final = text("""
    WITH base AS (
        SELECT max(chunk_no) + 1 AS chunk_no
          FROM batch_chunk
         WHERE client_no = :client_no AND session_no = :session_no
    ), placed AS (
        SELECT record_no, (row_number() OVER (ORDER BY record_no) - 1) / :chunk_size AS place
          FROM batch_record
         WHERE client_no = :client_no AND session_no = :session_no AND outcome = :failed
    ), moved AS (
        UPDATE batch_record AS record
           SET chunk_no = base.chunk_no + placed.place
          FROM placed, base
         WHERE record.client_no = :client_no
           AND record.session_no = :session_no
           AND record.record_no = placed.record_no
    )
    INSERT INTO batch_chunk (client_no, session_no, chunk_no, step, state, deliver_at, records)
    SELECT :client_no, :session_no, base.chunk_no + placed.place, :work, :pending, clock_timestamp(), count(*)
      FROM placed, base
     GROUP BY base.chunk_no, placed.place
""").bindparams(
    bindparam("client_no", type_=BigInteger),
    bindparam("session_no", type_=BigInteger),
    bindparam("chunk_size", type_=BigInteger),
    bindparam("failed", type_=SmallInteger),
    bindparam("work", type_=SmallInteger),
    bindparam("pending", type_=SmallInteger),
)


def _storable(words: str) -> str:
    """Text without what PostgreSQL's text can't hold; it may quote a broken line of a file."""
    return words.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")


def _of_session(session_id: SessionId) -> dict[str, Any]:
    return {"client_no": session_id.client_no, "session_no": session_id.session_no}


def _of_chunk(ticket: ChunkTicket) -> dict[str, Any]:
    return {**_of_session(ticket.session_id), "chunk_no": ticket.chunk_no}


def _of(ticket: ChunkTicket) -> dict[str, Any]:
    return {**_of_chunk(ticket), "epoch": ticket.epoch}
