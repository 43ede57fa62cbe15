"""Notes, drafts and the outbox."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """The first tables."""
    op.create_table(
        "note",
        sa.Column("note_no", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("client_no", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
    )
    op.create_table(
        "audit_outbox",
        sa.Column("outbox_no", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("refused_at", sa.DateTime(timezone=True)),
        sa.Column("refused_reason", sa.Text()),
    )
    op.create_index(
        "audit_outbox_waiting",
        "audit_outbox",
        ["outbox_no"],
        postgresql_where=sa.text("refused_at IS NULL"),
    )
