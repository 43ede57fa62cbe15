"""The batch engine: sessions, jobs, chunks, records; and Procrastinate's own tables, which deliver the
chunks.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op
from procrastinate.schema import SchemaManager

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create everything."""
    _create_tables()
    _create_queue()


def _create_queue() -> None:
    # Many statements in one string, some with bodies of their own: only the driver's simple protocol takes
    # that.
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None
    connection.run_async(lambda driver: driver.execute(SchemaManager.get_schema()))


def _create_tables() -> None:
    op.create_table(
        "batch_session",
        sa.Column("client_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("session_no", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("process_code", sa.Text(), nullable=False),
        sa.Column("batch_no", sa.Integer(), nullable=False, comment="as the process had it then"),
        sa.Column("process_name", sa.Text(), nullable=False, comment="as the process had it then"),
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=True, comment="only of a process that loads files"),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("records_total", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("records_ok", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("records_failed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "chunks_open", sa.Integer(), server_default="0", nullable=False, comment="pending or claimed ones"
        ),
        sa.Column(
            "selected",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="set-up is complete",
        ),
        sa.Column("blocked_by", sa.Text(), server_default="", nullable=False),
        sa.Column("queued_by", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False, comment="who caused its last change of status"),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column(
            "stop_status",
            sa.SmallInteger(),
            nullable=True,
            comment="what it ends as once its claimed chunks are settled",
        ),
        sa.Column("stop_actor", sa.Text(), server_default="", nullable=False),
        sa.Column("stop_message", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("chunks_open >= 0", name=op.f("batch_session_chunks_open_check")),
        sa.CheckConstraint(
            "records_ok + records_failed <= records_total", name=op.f("batch_session_counts_check")
        ),
        sa.CheckConstraint("status between 0 and 7", name=op.f("batch_session_status_check")),
        sa.PrimaryKeyConstraint("client_no", "session_no", name=op.f("batch_session_pkey")),
        sa.UniqueConstraint(
            "client_no",
            "process_code",
            "business_date",
            "attempt",
            name=op.f("batch_session_client_no_process_code_business_date_attempt_key"),
        ),
    )
    op.create_index(
        "batch_session_business_date_idx", "batch_session", ["client_no", "business_date"], unique=False
    )
    op.create_index(
        "batch_session_file_name_key",
        "batch_session",
        ["client_no", "process_code", "file_name"],
        unique=True,
        postgresql_where=sa.text("file_name IS NOT NULL"),
    )
    op.create_index(
        "batch_session_new_idx",
        "batch_session",
        ["client_no"],
        unique=False,
        postgresql_where=sa.text("status = 0"),
    )
    op.create_index(
        "batch_session_running_key",
        "batch_session",
        ["client_no", "process_code"],
        unique=True,
        postgresql_where=sa.text("status = 1"),
    )
    op.create_table(
        "batch_job",
        sa.Column("client_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("session_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("job_no", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("status between 0 and 7", name=op.f("batch_job_status_check")),
        sa.ForeignKeyConstraint(
            ["client_no", "session_no"],
            ["batch_session.client_no", "batch_session.session_no"],
            name=op.f("batch_job_client_no_session_no_fkey"),
        ),
        sa.PrimaryKeyConstraint("client_no", "session_no", "job_no", name=op.f("batch_job_pkey")),
    )
    op.create_table(
        "batch_chunk",
        sa.Column("client_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("session_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("chunk_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("step", sa.SmallInteger(), nullable=False, comment="chunks.Step: set-up, work or finish"),
        sa.Column("state", sa.SmallInteger(), nullable=False, comment="chunks.ChunkState"),
        sa.Column(
            "epoch",
            sa.BigInteger(),
            server_default="1",
            nullable=False,
            comment="fences off who lost the lease",
        ),
        sa.Column("worker", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "lease_until", sa.DateTime(timezone=True), nullable=True, comment="by the clock of the database"
        ),
        sa.Column(
            "deliver_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when the sweeper delivers it (again)",
        ),
        sa.Column("deliveries", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "losses", sa.Integer(), server_default="0", nullable=False, comment="leases that ran out on it"
        ),
        sa.Column(
            "waiting_since",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="since when what it needs can't be reached",
        ),
        sa.Column("records", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["client_no", "session_no"],
            ["batch_session.client_no", "batch_session.session_no"],
            name=op.f("batch_chunk_client_no_session_no_fkey"),
        ),
        sa.PrimaryKeyConstraint("client_no", "session_no", "chunk_no", name=op.f("batch_chunk_pkey")),
    )
    op.create_index(
        "batch_chunk_claimed_idx",
        "batch_chunk",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("state = 1"),
    )
    op.create_index(
        "batch_chunk_pending_idx",
        "batch_chunk",
        ["deliver_at"],
        unique=False,
        postgresql_where=sa.text("state = 0"),
    )
    op.create_table(
        "batch_record",
        sa.Column("client_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("session_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("record_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "chunk_no", sa.BigInteger(), nullable=False, comment="the chunk that works it, or worked it last"
        ),
        sa.Column("record_key", sa.Text(), nullable=False),
        sa.Column("acct_no", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False, comment="what the process needs to work it"),
        sa.Column("outcome", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("outcome between 0 and 2", name=op.f("batch_record_outcome_check")),
        sa.PrimaryKeyConstraint("client_no", "session_no", "record_no", name=op.f("batch_record_pkey")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index(
        "batch_record_chunk_idx", "batch_record", ["client_no", "session_no", "chunk_no"], unique=False
    )
    op.create_table(
        "batch_suspension",
        sa.Column("client_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("process_code", sa.Text(), nullable=False),
        sa.Column("suspended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("client_no", "process_code", name=op.f("batch_suspension_pkey")),
    )
    op.create_table(
        "request_key",
        sa.Column("client_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column(
            "fingerprint", sa.LargeBinary(), nullable=False, comment="SHA-256 over the request without its id"
        ),
        sa.Column("response", sa.LargeBinary(), nullable=False, comment="the first answer, serialized"),
        sa.Column("answered_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("client_no", "request_id", name=op.f("request_key_pkey")),
    )
    op.create_table(
        "audit_outbox",
        sa.Column("outbox_no", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("refused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refused_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("outbox_no", name=op.f("audit_outbox_pkey")),
    )
    op.create_index(
        "audit_outbox_waiting",
        "audit_outbox",
        ["outbox_no"],
        unique=False,
        postgresql_where=sa.text("refused_at IS NULL"),
    )
