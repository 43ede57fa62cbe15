"""Reads an event's bytes: what of it the log's search knows. The only place that looks into the payloads."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from google.protobuf.message import DecodeError

from audit_service.rules.leaf_hash import leaf_hash
from audit_service.rules.projection import Recency, RecordResult, SessionSnapshot
from audit_service.rules.search_text import storable
from service_kit.dates import date_from_proto, instant_from_proto
from service_kit.errors import DomainError
from tallybook.audit.v1.audit_event_pb2 import AuditEvent, BatchChunkSettled, BatchSessionChanged
from tallybook.batch.v1.batch_pb2 import BatchRecord

_Told = tuple[SessionSnapshot | None, tuple[RecordResult, ...]]


class InvalidEventError(Exception):
    """The bytes are no event that the log can take; the message says why, for the producer."""


@dataclass(frozen=True, slots=True)
class ReadEvent:
    """An event: its exact bytes, and what is derived from them."""

    event_id: UUID
    event: bytes
    leaf_hash: bytes
    occurred_on: date
    client_no: int
    producer: str
    event_type: str
    actor: str
    snapshot: SessionSnapshot | None
    records: tuple[RecordResult, ...]


def read_event(event_id: str, content: bytes) -> ReadEvent:
    """Read the bytes of the event announced as `event_id`; InvalidEventError when they do not hold it.

    What is stored must be readable for ever, so that the search can be derived again: a payload that names no
    session, or a day that is none, is refused here rather than left out there.
    """
    try:
        event = AuditEvent.FromString(content)
    except DecodeError:
        raise InvalidEventError("the bytes are no tallybook.audit.v1.AuditEvent") from None
    if event.event_id.lower() != event_id.lower():
        raise InvalidEventError(f"the bytes hold event {event.event_id!r}, announced was {event_id!r}")
    occurred_at = _check_envelope(event)
    told = _PAYLOADS.get(event.WhichOneof("payload") or "", _nothing_told)
    snapshot, records = told(event, Recency(0, occurred_at, UUID(event_id)))
    return ReadEvent(
        event_id=UUID(event_id),
        event=content,
        leaf_hash=leaf_hash(content),
        occurred_on=occurred_at.date(),
        client_no=event.client_no,
        producer=storable(event.producer),
        event_type=storable(event.event_type),
        actor=storable(event.actor),
        snapshot=snapshot,
        records=records,
    )


def _check_envelope(event: AuditEvent) -> datetime:
    """The instant at which it happened, when everything that every event needs is there."""
    if not event.producer:
        raise InvalidEventError("producer is missing: name the service that the event comes from")
    if not event.HasField("occurred_at"):
        raise InvalidEventError("occurred_at is missing: say when it happened")
    if event.client_no < 0:
        raise InvalidEventError(f"client_no {event.client_no} is negative: 0 stands for several clients")
    try:
        return instant_from_proto(event.occurred_at, "occurred_at")
    except DomainError as refusal:
        raise InvalidEventError(refusal.message) from None


def _nothing_told(_event: AuditEvent, _recency: Recency) -> _Told:
    return None, ()


def _session_changed(event: AuditEvent, recency: Recency) -> _Told:
    changed: BatchSessionChanged = event.batch_session_changed
    session = changed.session
    if session.client_no != event.client_no:
        raise InvalidEventError(f"an event of client {event.client_no} tells of client {session.client_no}")
    _check_session(event, session.session_no)
    if session.version < 1:
        raise InvalidEventError(f"the session's version is {session.version}: versions count from 1")
    try:
        business_date = date_from_proto(session.business_date, "session.business_date")
    except DomainError as refusal:
        raise InvalidEventError(refusal.message) from None
    snapshot = SessionSnapshot(
        client_no=session.client_no,
        session_no=session.session_no,
        recency=_recency(recency, session.version),
        business_date=business_date,
        status=session.status,
        batch_no=session.batch_no,
        name=session.name,
        actor=storable(session.actor),
        message=storable(session.message),
        session=session.SerializeToString(deterministic=True),
    )
    return snapshot, ()


def _chunk_settled(event: AuditEvent, recency: Recency) -> _Told:
    settled: BatchChunkSettled = event.batch_chunk_settled
    _check_session(event, settled.session_no)

    def results(records: Iterable[BatchRecord], failed: bool) -> Iterable[RecordResult]:
        for record in records:
            yield RecordResult(
                client_no=event.client_no,
                session_no=settled.session_no,
                record_no=record.record_no,
                recency=_recency(recency, record.tries),
                failed=failed,
                record=record.SerializeToString(deterministic=True),
            )

    return None, (
        *results(settled.failed_records, failed=True),
        *results(settled.recovered_records, failed=False),
    )


def _check_session(event: AuditEvent, session_no: int) -> None:
    if event.client_no == 0 or session_no <= 0:
        raise InvalidEventError(
            f"client_no {event.client_no}, session_no {session_no} name no batch session: both are above 0"
        )


def _recency(recency: Recency, count: int) -> Recency:
    return Recency(count, recency.occurred_at, recency.event_id)


# A payload that is not here is stored, hashed and found like any other, and tells the search nothing more.
_PAYLOADS: Final[Mapping[str, Callable[[AuditEvent, Recency], _Told]]] = {
    "batch_session_changed": _session_changed,
    "batch_chunk_settled": _chunk_settled,
}
