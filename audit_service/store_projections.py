"""Writes what is derived from the log. A write may come late, or again: it never turns a newer state back."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import Insert, Table, delete, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from audit_service.events import ReadEvent
from audit_service.rules.projection import RecordResult, SessionSnapshot, newest
from audit_service.rules.search_text import folded
from audit_service.tables import batch_record_result, batch_session_state, batch_session_version, event_search
from service_kit.database import raw_connection


@dataclass(frozen=True, slots=True)
class PlacedEvent:
    """An event at its place in the log."""

    log_index: int
    event: ReadEvent


def _keep_newest(table: Table, recency: tuple[str, ...]) -> Insert:
    """Insert a row, or replace the one that stands there when this one is newer (`projection.Recency`)."""
    statement = insert(table)
    keys = {column.name for column in table.primary_key}
    return statement.on_conflict_do_update(
        index_elements=table.primary_key,
        set_={name: statement.excluded[name] for name in table.c.keys() if name not in keys},  # noqa: SIM118
        where=tuple_(*(statement.excluded[name] for name in recency))
        > tuple_(*(table.c[name] for name in recency)),
    )


_KEEP_STATE: Final = _keep_newest(batch_session_state, ("version", "occurred_at", "event_id"))
_KEEP_VERSION: Final = _keep_newest(batch_session_version, ("occurred_at", "event_id"))
_KEEP_RECORD: Final = _keep_newest(batch_record_result, ("tries", "occurred_at", "event_id"))


async def project(connection: AsyncConnection, events: Sequence[PlacedEvent]) -> None:
    """Bring the derived tables up to date with events that were just appended."""
    driver = await raw_connection(connection)
    await driver.copy_records_to_table(
        "event_search",
        columns=("log_index", "occurred_on", "client_no", "producer", "event_type", "actor"),
        records=[
            (
                placed.log_index,
                placed.event.occurred_on,
                placed.event.client_no,
                placed.event.producer,
                placed.event.event_type,
                placed.event.actor,
            )
            for placed in events
        ],
    )
    snapshots = [placed.event.snapshot for placed in events if placed.event.snapshot is not None]
    records = [record for placed in events for record in placed.event.records]
    states = newest(snapshots, key=attrgetter("key"))
    versions = newest(snapshots, key=attrgetter("version_key"))
    await _write(connection, _KEEP_STATE, [_state_row(snapshot) for snapshot in states])
    await _write(connection, _KEEP_VERSION, [_version_row(snapshot) for snapshot in versions])
    await _write(
        connection, _KEEP_RECORD, [_record_row(record) for record in newest(records, key=attrgetter("key"))]
    )


async def clear(connection: AsyncConnection) -> None:
    """Empty the derived tables. Not TRUNCATE: until the commit, searches go on with what was there."""
    for table in (event_search, batch_session_state, batch_session_version, batch_record_result):
        await connection.execute(delete(table))


async def _write(connection: AsyncConnection, statement: Insert, rows: list[dict[str, Any]]) -> None:
    if rows:
        await connection.execute(statement, rows)


def _state_row(snapshot: SessionSnapshot) -> dict[str, Any]:
    return {
        "client_no": snapshot.client_no,
        "session_no": snapshot.session_no,
        "version": snapshot.recency.count,
        "occurred_at": snapshot.recency.occurred_at,
        "event_id": snapshot.recency.event_id,
        "business_date": snapshot.business_date,
        "status": snapshot.status,
        "batch_no": snapshot.batch_no,
        "folded_name": folded(snapshot.name),
        "session": snapshot.session,
    }


def _version_row(snapshot: SessionSnapshot) -> dict[str, Any]:
    return {
        "client_no": snapshot.client_no,
        "session_no": snapshot.session_no,
        "version": snapshot.recency.count,
        "occurred_at": snapshot.recency.occurred_at,
        "event_id": snapshot.recency.event_id,
        "status": snapshot.status,
        "actor": snapshot.actor,
        "message": snapshot.message,
    }


def _record_row(result: RecordResult) -> dict[str, Any]:
    return {
        "client_no": result.client_no,
        "session_no": result.session_no,
        "record_no": result.record_no,
        "tries": result.recency.count,
        "occurred_at": result.recency.occurred_at,
        "event_id": result.recency.event_id,
        "failed": result.failed,
        "record": result.record,
    }
