"""An index by effective date, so that a balance at a date, or a period, does not read the whole history.

Revision ID: 0006
Revises: 0005
"""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the index. Postings wait meanwhile: seconds for millions of transactions."""
    op.create_index(
        "acct_transaction_effective_date_idx", "acct_transaction", ["client_no", "acct_no", "effective_date"]
    )
