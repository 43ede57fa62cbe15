"""The tables of the batch engine. They are the truth about sessions, chunks and records; the queue only
delivers.

Every table leads with `client_no`, and no statement of the engine spans clients except the sweeper's, which
looks for what has to be done at all. Statuses are the numbers of the contract.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

# Its tables join the same metadata: Alembic and the grants see all of them through this module.
from batch_service import tables_billing  # noqa: F401
from batch_service.metadata import metadata
from service_kit.outbox import outbox_table

_INSTANT: Final = DateTime(timezone=True)

batch_session = Table(
    "batch_session",
    metadata,
    Column("client_no", BigInteger, primary_key=True, autoincrement=False),
    Column("session_no", BigInteger, Identity(always=True), primary_key=True),
    Column("process_code", Text, nullable=False),
    Column("batch_no", Integer, nullable=False, comment="as the process had it then"),
    Column("process_name", Text, nullable=False, comment="as the process had it then"),
    Column("business_date", Date, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("file_name", Text, comment="only of a process that loads files"),
    Column("status", SmallInteger, nullable=False),
    Column("queued_at", _INSTANT, nullable=False),
    Column("started_at", _INSTANT),
    Column("ended_at", _INSTANT),
    Column("records_total", BigInteger, nullable=False, server_default="0"),
    Column("records_ok", BigInteger, nullable=False, server_default="0"),
    Column("records_failed", BigInteger, nullable=False, server_default="0"),
    Column("chunks_open", Integer, nullable=False, server_default="0", comment="pending or claimed ones"),
    Column("selected", Boolean, nullable=False, server_default=text("false"), comment="set-up is complete"),
    Column("blocked_by", Text, nullable=False, server_default=""),
    Column("queued_by", Text, nullable=False),
    Column("actor", Text, nullable=False, comment="who caused its last change of status"),
    Column("message", Text, nullable=False, server_default=""),
    Column("version", BigInteger, nullable=False, server_default="1"),
    Column("stop_status", SmallInteger, comment="what it ends as once its claimed chunks are settled"),
    Column("stop_actor", Text, nullable=False, server_default=""),
    Column("stop_message", Text, nullable=False, server_default=""),
    UniqueConstraint("client_no", "process_code", "business_date", "attempt"),
    CheckConstraint("status between 0 and 7", name="status"),
    CheckConstraint("records_ok + records_failed <= records_total", name="counts"),
    CheckConstraint("chunks_open >= 0", name="chunks_open"),
    Index("batch_session_business_date_idx", "client_no", "business_date"),
    # Exactly one session of a client's process runs.
    Index(
        "batch_session_running_key",
        "client_no",
        "process_code",
        unique=True,
        postgresql_where=text("status = 1"),
    ),
    # The same file name is never loaded twice (rule 34).
    Index(
        "batch_session_file_name_key",
        "client_no",
        "process_code",
        "file_name",
        unique=True,
        postgresql_where=text("file_name IS NOT NULL"),
    ),
    Index("batch_session_new_idx", "client_no", postgresql_where=text("status = 0")),
    info={"grants": "SELECT, INSERT, UPDATE"},
)

batch_job = Table(
    "batch_job",
    metadata,
    Column("client_no", BigInteger, primary_key=True, autoincrement=False),
    Column("session_no", BigInteger, primary_key=True, autoincrement=False),
    Column("job_no", SmallInteger, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("started_at", _INSTANT),
    Column("ended_at", _INSTANT),
    Column("message", Text, nullable=False, server_default=""),
    ForeignKeyConstraint(
        ["client_no", "session_no"], ["batch_session.client_no", "batch_session.session_no"]
    ),
    CheckConstraint("status between 0 and 7", name="status"),
    info={"grants": "SELECT, INSERT, UPDATE"},
)

batch_chunk = Table(
    "batch_chunk",
    metadata,
    Column("client_no", BigInteger, primary_key=True, autoincrement=False),
    Column("session_no", BigInteger, primary_key=True, autoincrement=False),
    Column("chunk_no", BigInteger, primary_key=True, autoincrement=False),
    Column("step", SmallInteger, nullable=False, comment="chunks.Step: set-up, work or finish"),
    Column("state", SmallInteger, nullable=False, comment="chunks.ChunkState"),
    Column("epoch", BigInteger, nullable=False, server_default="1", comment="fences off who lost the lease"),
    Column("worker", Text, nullable=False, server_default=""),
    Column("lease_until", _INSTANT, comment="by the clock of the database"),
    Column("deliver_at", _INSTANT, nullable=False, comment="when the sweeper delivers it (again)"),
    Column("deliveries", Integer, nullable=False, server_default="0"),
    Column("losses", Integer, nullable=False, server_default="0", comment="leases that ran out on it"),
    Column("waiting_since", _INSTANT, comment="since when what it needs can't be reached"),
    Column("records", Integer, nullable=False, server_default="0"),
    ForeignKeyConstraint(
        ["client_no", "session_no"], ["batch_session.client_no", "batch_session.session_no"]
    ),
    Index("batch_chunk_pending_idx", "deliver_at", postgresql_where=text("state = 0")),
    Index("batch_chunk_claimed_idx", "lease_until", postgresql_where=text("state = 1")),
    info={"grants": "SELECT, INSERT, UPDATE"},
)

batch_record = Table(
    "batch_record",
    metadata,
    Column("client_no", BigInteger, primary_key=True, autoincrement=False),
    Column("session_no", BigInteger, primary_key=True, autoincrement=False),
    Column("record_no", BigInteger, primary_key=True, autoincrement=False),
    Column("chunk_no", BigInteger, nullable=False, comment="the chunk that works it, or worked it last"),
    Column("record_key", Text, nullable=False),
    Column("acct_no", BigInteger, nullable=False, server_default="0"),
    Column("payload", LargeBinary, nullable=False, comment="what the process needs to work it"),
    Column("outcome", SmallInteger, nullable=False, server_default="0"),
    Column("reason", Text, nullable=False, server_default=""),
    Column("message", Text, nullable=False, server_default=""),
    Column("tries", Integer, nullable=False, server_default="0"),
    CheckConstraint("outcome between 0 and 2", name="outcome"),
    Index("batch_record_chunk_idx", "client_no", "session_no", "chunk_no"),
    # Every record is updated once a run, and no index knows of its outcome: so its new version fits beside
    # the old one and no index is touched. Half the time of a large session; finding the failed ones reads
    # the session.
    postgresql_with={"fillfactor": "70"},
    # A selection that was cut off by a crash is thrown away and made again.
    info={"grants": "SELECT, INSERT, UPDATE, DELETE"},
)

batch_suspension = Table(
    "batch_suspension",
    metadata,
    Column("client_no", BigInteger, primary_key=True, autoincrement=False),
    Column("process_code", Text, primary_key=True),
    Column("suspended_at", _INSTANT, nullable=False),
    Column("actor", Text, nullable=False),
    Column("comment", Text, nullable=False, server_default=""),
    info={"grants": "SELECT, INSERT, DELETE"},
)

request_key = Table(
    "request_key",
    metadata,
    Column("client_no", BigInteger, primary_key=True, autoincrement=False),
    Column("request_id", Text, primary_key=True),
    Column("method", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False, comment="SHA-256 over the request without its id"),
    Column("response", LargeBinary, nullable=False, comment="the first answer, serialized"),
    Column("answered_at", _INSTANT, nullable=False, server_default=text("now()")),
    info={"grants": "SELECT, INSERT, UPDATE"},
)

audit_outbox = outbox_table(metadata)

# The queue behind the port ChunkDelivery; its own tables come with the first migration.
metadata.info["grants"] = {
    "procrastinate_jobs": "SELECT, INSERT, UPDATE, DELETE",
    "procrastinate_events": "SELECT, INSERT, UPDATE, DELETE",
    "procrastinate_workers": "SELECT, INSERT, UPDATE, DELETE",
    "procrastinate_periodic_defers": "SELECT, INSERT, UPDATE, DELETE",
}
