"""The log itself: lock its end, look what stands in it, append, read it through."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from audit_service.rules.placement import Entry
from audit_service.tables import audit_event
from service_kit.database import raw_connection

# "tlog" in ASCII: any number that nothing else in the database locks.
_SEQUENCER_LOCK: Final = 0x746C6F67

_COLUMNS: Final = ("log_index", "event_id", "event", "leaf_hash", "logged_at")


@dataclass(frozen=True, slots=True)
class LogEnd:
    """Where the next event goes, and the time that it gets."""

    next_index: int
    now: datetime


@dataclass(frozen=True, slots=True)
class LogRow:
    """An event as it stands in the log."""

    log_index: int
    event_id: UUID
    event: bytes
    leaf_hash: bytes
    logged_at: datetime


async def lock_log(connection: AsyncConnection) -> None:
    """Become the one who may append, over all processes, until the transaction ends.

    A statement of its own: the next one takes its snapshot after the lock, and so sees all that was appended
    before.
    """
    await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _SEQUENCER_LOCK})


async def log_end(connection: AsyncConnection) -> LogEnd:
    """The end of the log; call `lock_log` before. Its time never goes back, whatever the clock does."""
    row = (
        await connection.execute(
            text(
                """
                SELECT coalesce(last.log_index + 1, 0), greatest(clock_timestamp(), last.logged_at)
                FROM (VALUES (1)) AS one
                LEFT JOIN (
                    SELECT log_index, logged_at FROM audit_event ORDER BY log_index DESC LIMIT 1
                ) AS last ON true
                """
            )
        )
    ).one()
    return LogEnd(row[0], row[1])


async def entries(connection: AsyncConnection, event_ids: Sequence[UUID]) -> dict[UUID, Entry]:
    """What the log holds of these identifiers. The hash is enough: it says whether bytes are the same."""
    driver = await raw_connection(connection)
    rows = await driver.fetch(
        "SELECT event_id, log_index, leaf_hash FROM audit_event WHERE event_id = ANY($1::uuid[])", event_ids
    )
    return {row["event_id"]: Entry(row["log_index"], row["leaf_hash"]) for row in rows}


async def append(connection: AsyncConnection, rows: Sequence[LogRow]) -> None:
    """Append rows that `placement.place` gave their indexes."""
    driver = await raw_connection(connection)
    await driver.copy_records_to_table(
        "audit_event",
        columns=_COLUMNS,
        records=[(row.log_index, row.event_id, row.event, row.leaf_hash, row.logged_at) for row in rows],
    )


async def read_through(connection: AsyncConnection, batch: int) -> AsyncIterator[list[LogRow]]:
    """The whole log in order, `batch` rows at a time."""
    after = -1
    while True:
        rows = await connection.execute(
            select(*(audit_event.c[name] for name in _COLUMNS))
            .where(audit_event.c.log_index > after)
            .order_by(audit_event.c.log_index)
            .limit(batch)
        )
        page = [LogRow(*row) for row in rows]
        if not page:
            return
        yield page
        after = page[-1].log_index
