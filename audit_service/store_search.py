"""What the search reads: sessions by business date, one session in depth, events by the day they happened."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Date,
    FromClause,
    Select,
    func,
    literal,
    select,
    true,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncEngine

from audit_service.rules.date_range import DateRange
from audit_service.rules.search_text import folded, storable
from audit_service.tables import (
    audit_event,
    batch_record_result,
    batch_session_state,
    batch_session_version,
    event_search,
)

MOST_FAILED_RECORDS: Final = 1000

# An event has at most 1 MiB, and a gRPC client takes at most 4 MiB unless it is told otherwise: a page ends
# with the event that reaches this size.
_LARGE_PAGE_BYTES: Final = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SessionKey:
    """Where a session stands in the search: newest first by business date, then by session number."""

    business_date: date
    session_no: int
    client_no: int


@dataclass(frozen=True, slots=True)
class SessionSearch:
    """Which sessions. What is empty selects by nothing; `client_nos` None means of all clients."""

    dates: DateRange
    client_nos: Collection[int] | None
    statuses: Collection[int]
    batch_nos: Collection[int]
    name_contains: str
    after: SessionKey | None


@dataclass(frozen=True, slots=True)
class FoundSession:
    """A session at its newest version. `session` is the contract's BatchSession, serialized."""

    key: SessionKey
    session: bytes


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A version of a session whose status is another than that of the version before."""

    log_index: int
    occurred_at: datetime
    status: int
    actor: str
    message: str
    version: int


@dataclass(frozen=True, slots=True)
class SessionDepth:
    """A session with its records that failed and have not succeeded since, and its history."""

    session: bytes
    failed_records: list[bytes]
    history: list[StatusChange]


@dataclass(frozen=True, slots=True)
class EventSearch:
    """Which events. What is empty selects by nothing; `client_nos` None means of all, and of several."""

    dates: DateRange
    client_nos: Collection[int] | None
    producers: Collection[str]
    event_types: Collection[str]
    actors: Collection[str]
    before: int | None


@dataclass(frozen=True, slots=True)
class FoundEvent:
    """An event as it stands in the log."""

    log_index: int
    logged_at: datetime
    event: bytes
    leaf_hash: bytes


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events, newest first, and whether there are more after the last of them."""

    events: list[FoundEvent]
    has_more: bool


class AuditSearch:
    """The reads of the audit service. It sees what is committed, and asks nobody's permission."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def sessions(self, search: SessionSearch, limit: int) -> list[FoundSession]:
        """The first `limit` sessions after `search.after`, newest first."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(_sessions_query(search, limit))
        return [
            FoundSession(SessionKey(row.business_date, row.session_no, row.client_no), row.session)
            for row in rows
        ]

    async def session_depth(self, client_no: int, session_no: int) -> SessionDepth | None:
        """One session in depth; None when no event told of it."""
        async with self._engine.connect() as connection:
            session = await connection.scalar(
                select(batch_session_state.c.session).where(*_of(batch_session_state, client_no, session_no))
            )
            if session is None:
                return None
            records = await connection.scalars(
                select(batch_record_result.c.record)
                .where(*_of(batch_record_result, client_no, session_no), batch_record_result.c.failed)
                .order_by(batch_record_result.c.record_no)
                .limit(MOST_FAILED_RECORDS)
            )
            history = await connection.execute(_history_query(client_no, session_no))
        return SessionDepth(session, list(records), [StatusChange(*row) for row in history])

    async def events(self, search: EventSearch, limit: int) -> EventPage:
        """The first events before `search.before`: at most `limit`, and fewer when they are large."""
        async with self._engine.connect() as connection:
            rows = (await connection.execute(_events_query(search, limit + 1))).all()
        events = [FoundEvent(row.log_index, row.logged_at, row.event, row.leaf_hash) for row in rows[:limit]]
        return EventPage(events, has_more=bool(rows) and rows[0].matches > len(events))


def _sessions_query(search: SessionSearch, limit: int) -> Select[date, int, int, bytes]:
    state = batch_session_state.c
    position = (state.business_date, state.session_no, state.client_no)
    conditions: list[ColumnElement[bool]] = [
        state.business_date.between(search.dates.first, search.dates.last)
    ]
    if search.client_nos is not None:
        conditions.append(state.client_no.in_(search.client_nos))
    if search.statuses:
        conditions.append(state.status.in_(search.statuses))
    if search.batch_nos:
        conditions.append(state.batch_no.in_(search.batch_nos))
    if search.name_contains:
        # strpos and not LIKE: what a person types has no wildcards.
        conditions.append(func.strpos(state.folded_name, folded(search.name_contains)) > 0)
    if search.after is not None:
        after = (search.after.business_date, search.after.session_no, search.after.client_no)
        conditions.append(tuple_(*position) < tuple_(*map(literal, after)))
    return (
        select(*position, state.session)
        .where(*conditions)
        .order_by(*(column.desc() for column in position))
        .limit(limit)
    )


def _history_query(client_no: int, session_no: int) -> Select[int, datetime, int, str, str, int]:
    version = batch_session_version
    versions = (
        select(version, func.lag(version.c.status).over(order_by=version.c.version).label("status_before"))
        .where(*_of(version, client_no, session_no))
        .subquery()
    )
    return (
        select(
            audit_event.c.log_index,
            versions.c.occurred_at,
            versions.c.status,
            versions.c.actor,
            versions.c.message,
            versions.c.version,
        )
        .join_from(versions, audit_event, audit_event.c.event_id == versions.c.event_id)
        .where(versions.c.status.is_distinct_from(versions.c.status_before))
        .order_by(versions.c.version)
    )


def _events_query(search: EventSearch, limit: int) -> Select[*tuple[Any, ...]]:
    """The newest events of each day (and client), and of these the newest: at most a page is read of any.

    Days do not follow the order of the log, since an event may come late; so the log's order can't be had
    from an index on a range of days, only from one on each day.
    """
    days = func.unnest(literal(search.dates.days(), ARRAY(Date))).table_valued("day", name="days")
    days = days.render_derived()
    probes: FromClause = days
    conditions = [event_search.c.occurred_on == days.c.day, *_event_conditions(search)]
    if search.client_nos is not None:
        named = func.unnest(literal(sorted(search.client_nos), ARRAY(BigInteger)))
        clients = named.table_valued("client_no", name="clients").render_derived()
        probes = days.join(clients, true())
        conditions.append(event_search.c.client_no == clients.c.client_no)
    newest_of_each = (
        select(event_search.c.log_index)
        .where(*conditions)
        .order_by(event_search.c.log_index.desc())
        .limit(limit)
        .lateral("newest_of_each")
    )
    page = (
        select(newest_of_each.c.log_index)
        .select_from(probes.join(newest_of_each, true()))
        .order_by(newest_of_each.c.log_index.desc())
        .limit(limit)
        .subquery("page")
    )
    size = func.octet_length(audit_event.c.event)
    measured = (
        select(
            *(audit_event.c.log_index, audit_event.c.logged_at, audit_event.c.event, audit_event.c.leaf_hash),
            (func.sum(size).over(order_by=audit_event.c.log_index.desc()) - size).label("bytes_before"),
            func.count().over().label("matches"),
        )
        .join_from(page, audit_event, audit_event.c.log_index == page.c.log_index)
        .subquery("measured")
    )
    return (
        select(measured)
        .where(measured.c.bytes_before < _LARGE_PAGE_BYTES)
        .order_by(measured.c.log_index.desc())
    )


def _event_conditions(search: EventSearch) -> list[ColumnElement[bool]]:
    """What the search asks of an event, beside its day and client."""
    filters = (
        (event_search.c.producer, search.producers),
        (event_search.c.event_type, search.event_types),
        (event_search.c.actor, search.actors),
    )
    conditions: list[ColumnElement[bool]] = [
        column.in_([storable(value) for value in values]) for column, values in filters if values
    ]
    if search.before is not None:
        conditions.append(event_search.c.log_index < search.before)
    return conditions


def _of(table: FromClause, client_no: int, session_no: int) -> tuple[ColumnElement[bool], ...]:
    return (table.c.client_no == client_no, table.c.session_no == session_no)
