"""No row for what waits in its turn: behind a mark of its account, all that waits is open in full.

What is open now keeps its row, with the mark behind it, and loses it when it is paid. No transaction may be
posted by an older version of the service after this: it finds no table to write to, and posts nothing.

Revision ID: 0008
Revises: 0007
"""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

# What has no transaction has 0 in both as it is.
MARKS: Final = """
    UPDATE account_balance AS b
       SET waiting_after = b.last_event_no,
           held = coalesce((SELECT sum(i.open_amount)
                              FROM item_balance AS i
                             WHERE i.client_no = b.client_no AND i.acct_no = b.acct_no AND i.queue = 3), 0)
     WHERE b.last_event_no > 0
"""

# All that is open, whether it has a row of its own or not. A transaction counts with its balance: a group may
# have written its own before that, and only itself sees them then. Who does not ask for source_no pays no
# join for it.
OPEN_ITEM: Final = """
    CREATE VIEW open_item AS
    SELECT i.client_no, i.acct_no, i.queue, i.effective_date, i.event_no, i.transaction_type, i.open_amount,
           true AS has_row, t.source_no
      FROM item_balance AS i
      LEFT JOIN acct_transaction AS t ON t.client_no = i.client_no AND t.event_no = i.event_no
     UNION ALL
    SELECT t.client_no, t.acct_no, CASE WHEN y.effect > 0 THEN 1::smallint ELSE 2::smallint END,
           t.effective_date, t.event_no, t.transaction_type, t.amount, false,
           t.source_no
      FROM account_balance AS b
      JOIN acct_transaction AS t
        ON t.client_no = b.client_no AND t.acct_no = b.acct_no
       AND t.event_no > b.waiting_after AND t.event_no <= b.last_event_no
      JOIN transaction_type AS y
        ON y.code = t.transaction_type AND y.effect = sign(b.balance + b.held)
     WHERE b.balance + b.held <> 0
"""


def upgrade() -> None:
    """Rename the table, set the marks, and show both kinds of open items as one."""
    op.rename_table("open_item", "item_balance")
    for old, new in (
        ("open_item_pkey", "item_balance_pkey"),
        ("open_item_open_item_open_amount_check_check", "item_balance_open_amount_check"),
    ):
        op.execute(f"ALTER TABLE item_balance RENAME CONSTRAINT {old} TO {new}")
    for name in ("due_date", "invoice_no"):
        op.drop_column("item_balance", name)
    for name in ("held", "waiting_after"):
        op.add_column("account_balance", sa.Column(name, sa.BigInteger, server_default="0", nullable=False))
        op.alter_column("account_balance", name, server_default=None)
    op.execute(MARKS)
    op.execute(OPEN_ITEM)
