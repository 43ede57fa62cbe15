"""Sessions and records in the form of the contract: what a caller is shown and what the audit log keeps."""

from batch_service.sessions import Job, Record, Session
from service_kit.dates import date_to_proto, instant_to_proto
from tallybook.batch.v1 import batch_pb2
from tallybook.batch.v1.batch_status_pb2 import BatchStatus as ContractStatus


def session_to_proto(session: Session) -> batch_pb2.BatchSession:
    """A session with its jobs."""
    shown = batch_pb2.BatchSession(
        client_no=session.client_no,
        session_no=session.session_no,
        attempt=session.attempt,
        batch_no=session.batch_no,
        process_code=session.process_code,
        name=session.process_name,
        business_date=date_to_proto(session.business_date),
        status=ContractStatus.ValueType(session.status),
        queued_at=instant_to_proto(session.queued_at),
        records_total=session.records_total,
        records_ok=session.records_ok,
        records_failed=session.records_failed,
        blocked_by=session.blocked_by,
        actor=session.actor,
        message=session.message,
        version=session.version,
        jobs=[_job_to_proto(job) for job in session.jobs],
        file_name=session.file_name,
    )
    if session.started_at is not None:
        shown.started_at.CopyFrom(instant_to_proto(session.started_at))
    if session.ended_at is not None:
        shown.ended_at.CopyFrom(instant_to_proto(session.ended_at))
    return shown


def record_to_proto(record: Record) -> batch_pb2.BatchRecord:
    """A record with its outcome."""
    return batch_pb2.BatchRecord(
        record_no=record.record_no,
        record_key=record.record_key,
        outcome=batch_pb2.RecordOutcome.ValueType(record.outcome),
        reason=record.reason,
        message=record.message,
        acct_no=record.acct_no,
        tries=record.tries,
    )


def _job_to_proto(job: Job) -> batch_pb2.BatchJob:
    shown = batch_pb2.BatchJob(
        job_no=job.job_no,
        name=job.name,
        status=ContractStatus.ValueType(job.status),
        message=job.message,
    )
    if job.started_at is not None:
        shown.started_at.CopyFrom(instant_to_proto(job.started_at))
    if job.ended_at is not None:
        shown.ended_at.CopyFrom(instant_to_proto(job.ended_at))
    return shown
