"""The log, and what is derived from it.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the log and the derived tables."""
    op.create_table(
        "audit_event",
        sa.Column("log_index", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("event", sa.LargeBinary, nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary, nullable=False),
        sa.Column("logged_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("log_index", name="audit_event_pkey"),
        sa.UniqueConstraint("event_id", name="audit_event_event_id_key"),
        sa.CheckConstraint("log_index >= 0", name="audit_event_log_index_check"),
        sa.CheckConstraint("octet_length(leaf_hash) = 32", name="audit_event_leaf_hash_check"),
    )
    op.create_table(
        "event_search",
        sa.Column("occurred_on", sa.Date, nullable=False),
        sa.Column("log_index", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("client_no", sa.BigInteger, nullable=False),
        sa.Column("producer", sa.Text, nullable=False),
        sa.Column("event_type", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("occurred_on", "log_index", name="event_search_pkey"),
    )
    op.create_index(
        "event_search_client_no_occurred_on_log_index_idx",
        "event_search",
        ["client_no", "occurred_on", "log_index"],
    )
    _create_session_tables()


def _create_session_tables() -> None:
    op.create_table(
        "batch_session_state",
        sa.Column("client_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("session_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("business_date", sa.Date, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("batch_no", sa.Integer, nullable=False),
        sa.Column("folded_name", sa.Text, nullable=False),
        sa.Column("session", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("client_no", "session_no", name="batch_session_state_pkey"),
    )
    op.create_index(
        "batch_session_state_business_date_session_no_client_no_idx",
        "batch_session_state",
        ["business_date", "session_no", "client_no"],
    )
    op.create_index(
        "batch_session_state_client_no_business_date_session_no_idx",
        "batch_session_state",
        ["client_no", "business_date", "session_no"],
    )
    op.create_table(
        "batch_session_version",
        sa.Column("client_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("session_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("client_no", "session_no", "version", name="batch_session_version_pkey"),
    )
    op.create_table(
        "batch_record_result",
        sa.Column("client_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("session_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("record_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("failed", sa.Boolean, nullable=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("client_no", "session_no", "record_no", name="batch_record_result_pkey"),
    )
