"""Statements that are closed, and what finds the dispute holds that are to be settled.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the table, its numbers and the indexes."""
    op.create_table(
        "closed_statement",
        sa.Column("client_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("statement_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("acct_no", sa.BigInteger, nullable=False),
        sa.Column("period_start", sa.Date, nullable=False),
        sa.Column("period_end", sa.Date, nullable=False),
        sa.Column("opening_balance", sa.BigInteger, nullable=False),
        sa.Column("closing_balance", sa.BigInteger, nullable=False),
        sa.Column("currency_code", sa.Text, nullable=False),
        sa.Column("after_event_no", sa.BigInteger, nullable=False),
        sa.Column("through_event_no", sa.BigInteger, nullable=False),
        sa.Column("transactions", sa.BigInteger, nullable=False),
        sa.Column("adjustments", sa.BigInteger, nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("period_start <= period_end", name="closed_statement_period_check"),
        sa.PrimaryKeyConstraint("client_no", "statement_no", name="closed_statement_pkey"),
    )
    op.create_index(
        "closed_statement_period_end_key",
        "closed_statement",
        ["client_no", "acct_no", "period_end"],
        unique=True,
    )
    op.execute("CREATE SEQUENCE statement_no_seq AS bigint")
    # Holds are few beside write-offs for good: the index is brief to build and to keep.
    op.create_index(
        "write_offs_expires_on_idx",
        "write_offs",
        ["client_no", "expires_on", "event_no"],
        postgresql_where=sa.text("expires_on IS NOT NULL"),
    )
