"""Due dates of invoices that a settled dispute re-aged.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "invoice_due_date",
        sa.Column("client_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("invoice_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("event_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("due_date", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("client_no", "invoice_no", "event_no", name="invoice_due_date_pkey"),
    )
