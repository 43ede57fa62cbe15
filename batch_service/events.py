"""The audit events of the batch engine: made here, stored with the change that they tell of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import uuid4

from batch_service.chunks import ChunkTicket
from batch_service.sessions import Record, Session
from batch_service.snapshots import record_to_proto, session_to_proto
from service_kit.dates import date_to_proto, instant_to_proto
from service_kit.outbox import OutboxEvent
from tallybook.audit.v1 import audit_event_pb2

PRODUCER: Final = "batch"


@dataclass(frozen=True, slots=True)
class SettledChunk:
    """What an event tells of a chunk: the numbers of those that succeeded, and by name those that didn't or
    do again.
    """

    ticket: ChunkTicket
    records_ok: int
    failed: Sequence[Record]
    recovered: Sequence[Record]


def session_changed(session: Session, at: datetime) -> OutboxEvent:
    """A session as it is now; its version tells newer from older (rule 36)."""
    return _event(
        audit_event_pb2.AuditEvent(
            event_type="batch.session",
            client_no=session.client_no,
            actor=session.actor,
            summary=f"{session.process_code} of {session.business_date} (session {session.session_no},"
            f" attempt {session.attempt}) is {session.status.title}",
            batch_session_changed=audit_event_pb2.BatchSessionChanged(session=session_to_proto(session)),
        ),
        at,
    )


def chunk_settled(session: Session, chunk: SettledChunk, actor: str, at: datetime) -> OutboxEvent:
    """The records of a chunk were worked."""
    return _event(
        audit_event_pb2.AuditEvent(
            event_type="batch.chunk",
            client_no=session.client_no,
            actor=actor,
            summary=f"{session.process_code} of {session.business_date} (session {session.session_no}):"
            f" {chunk.records_ok} records succeeded, {len(chunk.failed)} failed",
            batch_chunk_settled=audit_event_pb2.BatchChunkSettled(
                session_no=session.session_no,
                business_date=date_to_proto(session.business_date),
                chunk_no=chunk.ticket.chunk_no,
                records_ok=chunk.records_ok,
                failed_records=[record_to_proto(record) for record in chunk.failed],
                recovered_records=[record_to_proto(record) for record in chunk.recovered],
            ),
        ),
        at,
    )


def entity_changed(
    client_no: int, entity_type: str, entity_id: str, action: str, *, actor: str, summary: str, at: datetime
) -> OutboxEvent:
    """A thing that is no session was created or changed."""
    return _event(
        audit_event_pb2.AuditEvent(
            event_type=f"batch.{entity_type}",
            client_no=client_no,
            actor=actor,
            summary=summary,
            entity_changed=audit_event_pb2.EntityChanged(
                entity_type=entity_type, entity_id=entity_id, action=action
            ),
        ),
        at,
    )


def _event(event: audit_event_pb2.AuditEvent, at: datetime) -> OutboxEvent:
    event_id = uuid4()
    event.event_id = str(event_id)
    event.producer = PRODUCER
    event.occurred_at.CopyFrom(instant_to_proto(at))
    return OutboxEvent(event_id, event.SerializeToString())
