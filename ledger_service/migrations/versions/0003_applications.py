"""Which credit paid which charge: stored from now on, and worked out for what was posted before.

Of the transactions there are, voids and refunds are applied to what they name; all else pays first in, first
out, as if nothing had said what it is for. No transaction may be posted by an older version of the service
while this runs, nor after: it would be applied to nothing. VerifyLedger finds what was.

Revision ID: 0003
Revises: 0002
"""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

LAST_DATES: Final = """
    UPDATE account_balance AS b
       SET last_effective_date = last.effective_date
      FROM (SELECT client_no, acct_no, max(effective_date) AS effective_date
              FROM acct_transaction
             GROUP BY client_no, acct_no) AS last
     WHERE (b.client_no, b.acct_no) = (last.client_no, last.acct_no)
"""

# What names the other side: a void pays, or is paid by, what it voids; a refund is paid by its payment.
PAIRS: Final = """
    INSERT INTO paired (client_no, acct_no, credit_event_no, charge_event_no, amount)
    SELECT t.client_no, t.acct_no,
           CASE WHEN y.effect < 0 THEN t.event_no ELSE t.related_event_no END,
           CASE WHEN y.effect < 0 THEN t.related_event_no ELSE t.event_no END,
           t.amount
      FROM acct_transaction AS t
      JOIN transaction_type AS y ON y.code = t.transaction_type
     WHERE t.transaction_type < 0
        OR (t.transaction_type IN (12, 13)
            AND NOT EXISTS (SELECT
                              FROM acct_transaction AS v
                             WHERE v.client_no = t.client_no
                               AND v.related_event_no = t.event_no
                               AND v.transaction_type < 0))
"""

# The rest of each side laid end to end in its order: what lies beside each other is paid by each other. Every
# end of a charge or of a credit begins another application.
QUEUES: Final = """
    WITH rest AS (
        SELECT t.client_no, t.acct_no, t.event_no, t.effective_date, y.effect > 0 AS is_charge,
               t.amount - coalesce(p.amount, 0) AS amount
          FROM acct_transaction AS t
          JOIN transaction_type AS y ON y.code = t.transaction_type
          LEFT JOIN (SELECT client_no, event_no, sum(amount)::bigint AS amount
                       FROM (SELECT client_no, credit_event_no AS event_no, amount FROM paired
                              UNION ALL
                             SELECT client_no, charge_event_no, amount FROM paired) AS side
                      GROUP BY client_no, event_no) AS p USING (client_no, event_no)
    ), laid AS MATERIALIZED (
        SELECT client_no, acct_no, event_no, is_charge,
               row_number() OVER queue AS place, sum(amount) OVER queue AS upto
          FROM rest
         WHERE amount > 0
        WINDOW queue AS (PARTITION BY client_no, acct_no, is_charge ORDER BY effective_date, event_no)
    ), piece AS (
        SELECT client_no, acct_no,
               upto - coalesce(lag(upto) OVER account, 0) AS amount,
               coalesce(sum(charges) OVER before, 0) + 1 AS charge_place,
               coalesce(sum(credits) OVER before, 0) + 1 AS credit_place
          FROM (SELECT client_no, acct_no, upto, count(*) FILTER (WHERE is_charge) AS charges,
                       count(*) FILTER (WHERE NOT is_charge) AS credits
                  FROM laid
                 GROUP BY client_no, acct_no, upto) AS ends
        WINDOW account AS (PARTITION BY client_no, acct_no ORDER BY upto),
               before AS (account ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    )
    INSERT INTO paired (client_no, acct_no, credit_event_no, charge_event_no, amount)
    SELECT piece.client_no, piece.acct_no, credit.event_no, charge.event_no, piece.amount
      FROM piece
      JOIN laid AS charge
        ON (charge.client_no, charge.acct_no, charge.place) = (piece.client_no, piece.acct_no, charge_place)
       AND charge.is_charge
      JOIN laid AS credit
        ON (credit.client_no, credit.acct_no, credit.place) = (piece.client_no, piece.acct_no, credit_place)
       AND NOT credit.is_charge
"""

# Made by the later of the two, as it would have been.
APPLICATIONS: Final = """
    INSERT INTO application (client_no, acct_no, application_no, credit_event_no, charge_event_no, amount,
                             by_event_no, effective_date, created_at)
    SELECT p.client_no, p.acct_no,
           row_number() OVER (ORDER BY t.event_no, p.credit_event_no, p.charge_event_no),
           p.credit_event_no, p.charge_event_no, p.amount, t.event_no, t.effective_date, t.created_at
      FROM paired AS p
      JOIN acct_transaction AS t
        ON t.client_no = p.client_no AND t.event_no = greatest(p.credit_event_no, p.charge_event_no)
"""

OPEN_ITEMS: Final = """
    INSERT INTO open_item (client_no, acct_no, queue, effective_date, event_no, transaction_type, open_amount,
                           due_date, invoice_no)
    SELECT t.client_no, t.acct_no, CASE WHEN y.effect > 0 THEN 1 ELSE 2 END, t.effective_date, t.event_no,
           t.transaction_type, t.amount - coalesce(p.amount, 0),
           coalesce(r.due_date, i.due_date, t.effective_date), d.invoice_no
      FROM acct_transaction AS t
      JOIN transaction_type AS y ON y.code = t.transaction_type
      LEFT JOIN (SELECT client_no, event_no, sum(amount)::bigint AS amount
                   FROM (SELECT client_no, credit_event_no AS event_no, amount FROM application
                          UNION ALL
                         SELECT client_no, charge_event_no, amount FROM application) AS side
                  GROUP BY client_no, event_no) AS p USING (client_no, event_no)
      LEFT JOIN gl_detail AS d
        ON d.client_no = t.client_no
       AND d.invoice_detail_no = CASE WHEN t.transaction_type IN (21, 22) THEN t.source_no END
      LEFT JOIN invoice AS i ON i.client_no = t.client_no AND i.invoice_no = d.invoice_no
      LEFT JOIN LATERAL (SELECT n.due_date
                           FROM invoice_due_date AS n
                          WHERE n.client_no = t.client_no AND n.invoice_no = d.invoice_no
                          ORDER BY n.event_no DESC
                          LIMIT 1) AS r ON true
     WHERE t.amount > coalesce(p.amount, 0)
"""


def upgrade() -> None:
    """Create the tables, and fill them from the books."""
    _create_tables()
    op.execute(LAST_DATES)
    op.execute(
        """
        CREATE TEMPORARY TABLE paired (client_no bigint, acct_no bigint, credit_event_no bigint,
                                       charge_event_no bigint, amount bigint) ON COMMIT DROP
        """
    )
    for statement in (PAIRS, QUEUES, APPLICATIONS, OPEN_ITEMS):
        op.execute(statement)
    op.execute("SELECT setval('application_seq', count(*)) FROM application HAVING count(*) > 0")


def _create_tables() -> None:
    op.add_column("account_balance", sa.Column("last_effective_date", sa.Date, nullable=True))
    op.create_table(
        "application",
        sa.Column("client_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("acct_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("application_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("credit_event_no", sa.BigInteger, nullable=False),
        sa.Column("charge_event_no", sa.BigInteger, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("takes_back_no", sa.BigInteger, nullable=True),
        sa.Column("by_event_no", sa.BigInteger, nullable=True),
        sa.Column("effective_date", sa.Date, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount > 0", name="application_amount_check"),
        sa.PrimaryKeyConstraint("client_no", "acct_no", "application_no", name="application_pkey"),
    )
    op.create_index("application_credit_event_no_idx", "application", ["client_no", "credit_event_no"])
    op.create_index("application_charge_event_no_idx", "application", ["client_no", "charge_event_no"])
    op.create_index(
        "application_takes_back_no_idx",
        "application",
        ["client_no", "acct_no", "takes_back_no"],
        postgresql_where=sa.text("takes_back_no IS NOT NULL"),
    )
    op.create_table(
        "application_instruction",
        sa.Column("client_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("event_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("method", sa.SmallInteger, nullable=False),
        sa.PrimaryKeyConstraint("client_no", "event_no", name="application_instruction_pkey"),
    )
    op.create_table(
        "open_item",
        sa.Column("client_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("acct_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("queue", sa.SmallInteger, autoincrement=False, nullable=False),
        sa.Column("effective_date", sa.Date, nullable=False),
        sa.Column("event_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("transaction_type", sa.SmallInteger, nullable=False),
        sa.Column("open_amount", sa.BigInteger, nullable=False),
        sa.Column("due_date", sa.Date, nullable=False),
        sa.Column("invoice_no", sa.BigInteger, nullable=True),
        sa.CheckConstraint("open_amount > 0", name="open_item_open_amount_check"),
        sa.PrimaryKeyConstraint(
            "client_no", "acct_no", "queue", "effective_date", "event_no", name="open_item_pkey"
        ),
        postgresql_with={"fillfactor": "70"},
    )
    op.execute("CREATE SEQUENCE application_seq AS bigint")
