"""Drafts, which may change, and a view."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """The second revision: so there is an older schema to be refused."""
    op.create_table(
        "draft",
        sa.Column("draft_no", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("text", sa.Text(), nullable=False),
    )
    op.execute("CREATE VIEW loud_note AS SELECT note_no, upper(text) AS text FROM note")
