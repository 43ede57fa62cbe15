"""Sums by day of accounts with a long history: a balance at a date reads days instead of transactions.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Create the tables, empty: an account is summed up when its history is asked for."""
    op.create_table(
        "day_sum",
        sa.Column("client_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("acct_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("effective_date", sa.Date, nullable=False),
        sa.Column("plan_instance_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("amount", sa.Numeric, nullable=False),
        sa.PrimaryKeyConstraint(
            "client_no", "acct_no", "effective_date", "plan_instance_no", name="day_sum_pkey"
        ),
    )
    op.create_table(
        "day_sum_mark",
        sa.Column("client_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("acct_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("through_event_no", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("client_no", "acct_no", name="day_sum_mark_pkey"),
    )
