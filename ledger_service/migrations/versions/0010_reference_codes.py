"""A unique index of reference codes: who posts a check need not ask first whether its code is free.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

# The code of a voided payment was given again.
NUMBER_REUSES = """
UPDATE external_payments AS payment
   SET reuse = counted.before
  FROM (SELECT client_no, payment_id,
               row_number() OVER (PARTITION BY client_no, acct_no, reference_code ORDER BY event_no) - 1
          FROM external_payments) AS counted (client_no, payment_id, before)
 WHERE payment.client_no = counted.client_no
   AND payment.payment_id = counted.payment_id
   AND counted.before > 0
"""


def upgrade() -> None:
    """Number the payments that have one code. Postings wait meanwhile: seconds for millions of checks.

    An older server, which knows of no numbers, can't give the code of a voided check again from now on.
    """
    op.add_column("external_payments", sa.Column("reuse", sa.SmallInteger))
    op.execute(NUMBER_REUSES)
    op.create_index(
        "external_payments_reference_code_key",
        "external_payments",
        ["client_no", "acct_no", "reference_code", "reuse"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    op.drop_index("external_payments_reference_code_idx", "external_payments")
