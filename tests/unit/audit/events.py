"""Events as the ledger and the batch service make them, for the tests of the audit service."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from uuid import UUID, uuid4

from service_kit.dates import date_to_proto, instant_to_proto
from tallybook.audit.v1.audit_event_pb2 import (
    AuditEvent,
    BatchChunkSettled,
    BatchSessionChanged,
    ClientPosting,
    CommitGroupPosted,
)
from tallybook.audit.v1.audit_pb2 import AuditEventRecord
from tallybook.batch.v1.batch_pb2 import BatchJob, BatchRecord, BatchSession
from tallybook.batch.v1.batch_status_pb2 import BATCH_STATUS_NEW, BATCH_STATUS_RUNNING, BatchStatus

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
TODAY = date(2026, 3, 4)


def plain_event(
    *,
    client_no: int = 1,
    event_id: UUID | None = None,
    producer: str = "ledger",
    event_type: str = "ledger.account",
    occurred_at: datetime = NOON,
    actor: str = "poster",
    summary: str = "",
) -> AuditEvent:
    """An event whose payload does not matter."""
    return AuditEvent(
        event_id=str(event_id or uuid4()),
        producer=producer,
        event_type=event_type,
        occurred_at=instant_to_proto(occurred_at),
        client_no=client_no,
        actor=actor,
        summary=summary,
    )


def session(
    *,
    client_no: int = 1,
    session_no: int = 1,
    version: int = 1,
    status: "BatchStatus.ValueType" = BATCH_STATUS_NEW,
    business_date: date = TODAY,
    batch_no: int = 22,
    name: str = "Invoicer",
    actor: str = "scheduler",
    message: str = "",
) -> BatchSession:
    """A batch session with one job."""
    return BatchSession(
        client_no=client_no,
        session_no=session_no,
        attempt=1,
        batch_no=batch_no,
        process_code="invoicer",
        name=name,
        business_date=date_to_proto(business_date),
        status=status,
        queued_at=instant_to_proto(NOON),
        actor=actor,
        message=message,
        version=version,
        jobs=[BatchJob(job_no=1, name="Select the plan instances that are due", status=BATCH_STATUS_RUNNING)],
    )


def session_event(changed: BatchSession, *, occurred_at: datetime = NOON) -> AuditEvent:
    """The event of a session that changed."""
    event = plain_event(
        client_no=changed.client_no,
        producer="batch",
        event_type="batch.session",
        occurred_at=occurred_at,
        actor=changed.actor,
    )
    event.batch_session_changed.CopyFrom(BatchSessionChanged(session=changed))
    return event


def record(record_no: int, *, tries: int = 1, reason: str = "CARD_DECLINED") -> BatchRecord:
    """A record of a session."""
    return BatchRecord(record_no=record_no, record_key=f"account:{record_no}", tries=tries, reason=reason)


def chunk_event(
    *,
    client_no: int = 1,
    session_no: int = 1,
    failed: Sequence[BatchRecord] = (),
    recovered: Sequence[BatchRecord] = (),
    occurred_at: datetime = NOON,
) -> AuditEvent:
    """The event of a chunk whose records were worked."""
    event = plain_event(
        client_no=client_no, producer="batch", event_type="batch.chunk", occurred_at=occurred_at
    )
    event.batch_chunk_settled.CopyFrom(
        BatchChunkSettled(
            session_no=session_no,
            business_date=date_to_proto(TODAY),
            chunk_no=1,
            failed_records=failed,
            recovered_records=recovered,
        )
    )
    return event


def commit_group_event(*client_nos: int) -> AuditEvent:
    """The event of a commit group; about client 0 when it is about several."""
    event = plain_event(
        client_no=client_nos[0] if len(client_nos) == 1 else 0, event_type="ledger.commit_group"
    )
    event.commit_group_posted.CopyFrom(
        CommitGroupPosted(
            group_no=1, clients=[ClientPosting(client_no=client_no) for client_no in client_nos]
        )
    )
    return event


def as_record(event: AuditEvent) -> AuditEventRecord:
    """The event as a producer sends it."""
    return AuditEventRecord(event_id=event.event_id, event=event.SerializeToString())
