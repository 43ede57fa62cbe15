"""General ledger accounts of clients' own, and what is booked to them instead of the defaults.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

# Two lines a transaction. One side is accounts receivable, the other the counter account: that of the newest
# change whose limits the transaction is within, or else the default of its type or, for invoice lines, of the
# line type. A void has the accounts of what it voids the other way round, so it is within the limits that the
# original is within. Only where there was a change at all are the changes looked through, one by one. The
# columns after `credit` are new.
JOURNAL = """
CREATE OR REPLACE VIEW journal AS
SELECT t.client_no,
       t.event_no,
       side.line_no,
       t.acct_no,
       t.plan_instance_no,
       t.transaction_type,
       t.effective_date,
       t.created_at,
       t.currency_code,
       side.gl_account,
       side.debit,
       side.credit,
       t.source_no,
       t.related_event_no,
       detail.line_type,
       detail.invoice_no
  FROM acct_transaction AS t
  LEFT JOIN transaction_type AS type ON type.code = abs(t.transaction_type)
  LEFT JOIN gl_detail AS detail
    ON type.source_table = 'gl_detail'
   AND detail.client_no = t.client_no
   AND detail.invoice_detail_no = t.source_no
  LEFT JOIN invoice_line_type AS line_type ON line_type.code = detail.line_type
  LEFT JOIN acct_transaction AS original
    ON t.transaction_type < 0
   AND original.client_no = t.client_no
   AND original.event_no = t.related_event_no
  LEFT JOIN (
       SELECT client_no, transaction_type, line_type
         FROM gl_override
        GROUP BY client_no, transaction_type, line_type
       ) AS changed
    ON changed.client_no = t.client_no
   AND changed.transaction_type = abs(t.transaction_type)
   AND changed.line_type = coalesce(detail.line_type, 0)
 CROSS JOIN LATERAL (
       SELECT CASE WHEN changed.client_no IS NOT NULL
                   THEN (SELECT override.gl_account
                           FROM gl_override AS override
                          WHERE override.client_no = t.client_no
                            AND override.transaction_type = abs(t.transaction_type)
                            AND override.line_type = coalesce(detail.line_type, 0)
                            AND override.from_event_no <= coalesce(original.event_no, t.event_no)
                            AND (override.effective_from IS NULL
                                 OR override.effective_from
                                    <= coalesce(original.effective_date, t.effective_date))
                          ORDER BY override.override_no DESC
                          LIMIT 1)
                   END
       ) AS own (gl_account)
 CROSS JOIN LATERAL (
       SELECT coalesce(type.debit_gl_account, line_type.debit_gl_account),
              coalesce(type.credit_gl_account, line_type.credit_gl_account)
       ) AS standard (debit_gl_account, credit_gl_account)
 CROSS JOIN LATERAL (
       SELECT CASE WHEN type.effect > 0 THEN standard.debit_gl_account
                   ELSE coalesce(own.gl_account, standard.debit_gl_account) END,
              CASE WHEN type.effect > 0 THEN coalesce(own.gl_account, standard.credit_gl_account)
                   ELSE standard.credit_gl_account END
       ) AS booked (debit_gl_account, credit_gl_account)
 CROSS JOIN LATERAL (
       VALUES (1,
               CASE WHEN t.transaction_type > 0 THEN booked.debit_gl_account
                    ELSE booked.credit_gl_account END,
               t.amount,
               0::bigint),
              (2,
               CASE WHEN t.transaction_type > 0 THEN booked.credit_gl_account
                    ELSE booked.debit_gl_account END,
               0::bigint,
               t.amount)
       ) AS side (line_no, gl_account, debit, credit)
"""


def upgrade() -> None:
    """Create the tables, and have the journal look into them."""
    op.create_table(
        "client_gl_account",
        sa.Column("client_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("code", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("client_no", "code", name="client_gl_account_pkey"),
    )
    op.create_table(
        "gl_override",
        sa.Column("client_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("transaction_type", sa.SmallInteger, autoincrement=False, nullable=False),
        sa.Column("line_type", sa.SmallInteger, autoincrement=False, nullable=False),
        sa.Column("override_no", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("gl_account", sa.Text, nullable=True),
        sa.Column("from_event_no", sa.BigInteger, nullable=False),
        sa.Column("effective_from", sa.Date, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint(
            "client_no", "transaction_type", "line_type", "override_no", name="gl_override_pkey"
        ),
    )
    op.execute(JOURNAL)
