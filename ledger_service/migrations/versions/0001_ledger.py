"""The ledger: its tables, its numbers, its reference data, its journal.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

NUMBERED = (
    "event_no",
    "acct_no",
    "plan_instance_no",
    "invoice_no",
    "group_no",
    "external_payments",
    "payments",
    "balance_transfer",
    "write_offs",
    "refunds",
    "balance_forward",
    "cash_credits",
    "check_refund",
    "external_charge",
    "dunning_charge",
    "gl_detail",
    "credit_memo",
)

# The first number of a contiguous block for each name, in one round trip whatever the sizes. The lock is
# short (not until the end of the transaction) and makes the two calls one step; it is given back whatever
# happens. With the rights of its owner, so that the service itself can't turn a sequence back.
RESERVE_NUMBERS = """
CREATE FUNCTION reserve_numbers(names text[], counts bigint[]) RETURNS bigint[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
DECLARE
    reservation CONSTANT bigint := 7205759403792;
    number_sequence regclass;
    firsts bigint[] := '{{}}';
    first bigint;
BEGIN
    PERFORM pg_advisory_lock(reservation);
    BEGIN
        FOR i IN 1 .. cardinality(names) LOOP
            IF counts[i] < 1 THEN
                RAISE EXCEPTION 'a block has at least one number, not %', counts[i];
            END IF;
            number_sequence := (quote_ident(names[i] || '_seq'))::regclass;
            first := nextval(number_sequence);
            PERFORM setval(number_sequence, first + counts[i] - 1);
            firsts := firsts || first;
        END LOOP;
    EXCEPTION WHEN query_canceled OR OTHERS THEN
        PERFORM pg_advisory_unlock(reservation);
        RAISE;
    END;
    PERFORM pg_advisory_unlock(reservation);
    RETURN firsts;
END
$$
"""

# Two lines a transaction. A void has the accounts of its type the other way round, which the table of types
# holds, and for invoice lines the view turns round itself.
JOURNAL = """
CREATE VIEW journal AS
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
       side.credit
  FROM acct_transaction AS t
  LEFT JOIN transaction_type AS type ON type.code = t.transaction_type
  LEFT JOIN gl_detail AS detail
    ON type.source_table = 'gl_detail'
   AND detail.client_no = t.client_no
   AND detail.invoice_detail_no = t.source_no
  LEFT JOIN invoice_line_type AS line_type ON line_type.code = detail.line_type
 CROSS JOIN LATERAL (
       SELECT CASE WHEN t.transaction_type > 0 THEN line_type.debit_gl_account
                   ELSE line_type.credit_gl_account END,
              CASE WHEN t.transaction_type > 0 THEN line_type.credit_gl_account
                   ELSE line_type.debit_gl_account END
       ) AS line (debit_gl_account, credit_gl_account)
 CROSS JOIN LATERAL (
       VALUES (1, coalesce(type.debit_gl_account, line.debit_gl_account), t.amount, 0::bigint),
              (2, coalesce(type.credit_gl_account, line.credit_gl_account), 0::bigint, t.amount)
       ) AS side (line_no, gl_account, debit, credit)
"""

# The reference data as it was when this revision was written, and not as the program has it today: a revision
# does the same whenever it runs. What changes later is changed by a later revision, and a test compares the
# outcome with the program.
GL_ACCOUNTS_COLUMNS = ("code", "name", "kind")
GL_ACCOUNTS = (
    ("1000", "Cash clearing, checks", "asset"),
    ("1010", "Cash clearing, electronic payments", "asset"),
    ("1200", "Accounts receivable", "asset"),
    ("1300", "Transfers between accounts, clearing", "asset"),
    ("2200", "Tax payable", "liability"),
    ("3900", "Opening balances", "equity"),
    ("4000", "Recurring revenue", "revenue"),
    ("4010", "Activation revenue", "revenue"),
    ("4020", "Usage revenue", "revenue"),
    ("4030", "Order revenue", "revenue"),
    ("4040", "Surcharge revenue", "revenue"),
    ("4100", "Other charges", "revenue"),
    ("4200", "Late fees", "revenue"),
    ("4900", "Service credits", "contra revenue"),
    ("4910", "Coupons", "contra revenue"),
    ("4920", "Credit memos", "contra revenue"),
    ("4930", "Cash credits", "contra revenue"),
    ("4940", "Charges reversed with refunds", "contra revenue"),
    ("6100", "Bad debt", "expense"),
)  # fmt: skip

TRANSACTION_TYPES_COLUMNS = (
    "code",
    "name",
    "effect",
    "source_table",
    "source_key",
    "operation",
    "debit_gl_account",
    "credit_gl_account",
)
TRANSACTION_TYPES = (
    (2, "Check", -1, "external_payments", "payment_id",
     "record_external_payment", "1000", "1200"),
    (-2, "Voided Check", 1, "external_payments", "payment_id",
     "void_transaction", "1200", "1000"),
    (3, "Electronic Payment", -1, "payments", "payment_id",
     "collect_from_account", "1010", "1200"),
    (-3, "Voided Electronic Payment", 1, "payments", "payment_id",
     "void_transaction", "1200", "1010"),
    (4, "Balance Transfer To Account", 1, "balance_transfer", "transfer_no",
     "transfer_account_balance", "1200", "1300"),
    (-4, "Voided Balance Transfer To Account", -1, "balance_transfer", "transfer_no",
     "void_transaction", "1300", "1200"),
    (5, "Balance Transfer From Account", -1, "balance_transfer", "transfer_no",
     "transfer_account_balance", "1300", "1200"),
    (-5, "Voided Balance Transfer From Account", 1, "balance_transfer", "transfer_no",
     "void_transaction", "1200", "1300"),
    (6, "Write Off/Dispute Hold", -1, "write_offs", "write_off_no",
     "create_writeoff_or_dispute", "6100", "1200"),
    (-6, "Voided Write Off", 1, "write_offs", "write_off_no",
     "void_transaction", "1200", "6100"),
    (8, "Refund Related Reversal", -1, "refunds", "refund_no",
     "issue_refund_to_account", "4940", "1200"),
    (-8, "Voided Refund Related Reversal", 1, "refunds", "refund_no",
     "void_transaction", "1200", "4940"),
    (9, "Balance Forward", 1, "balance_forward", "balance_no",
     "create_account", "1200", "3900"),
    (-9, "Voided Balance Forward", -1, "balance_forward", "balance_no",
     "void_transaction", "3900", "1200"),
    (10, "Cash Credit", -1, "cash_credits", "credit_no",
     "apply_cash_credit", "4930", "1200"),
    (-10, "Voided Cash Credit", 1, "cash_credits", "credit_no",
     "void_transaction", "1200", "4930"),
    (12, "Refund of Electronic Payment", 1, "payments", "payment_id",
     "issue_refund_to_account", "1200", "1010"),
    (-12, "Voided Refund of Electronic Payment", -1, "payments", "payment_id",
     "void_transaction", "1010", "1200"),
    (13, "Refund of External Payment", 1, "check_refund", "check_id",
     "issue_refund_to_account", "1200", "1000"),
    (-13, "Voided Refund of External Payment", -1, "check_refund", "check_id",
     "void_transaction", "1000", "1200"),
    (14, "External Charge", 1, "external_charge", "charge_no",
     "support only", "1200", "4100"),
    (-14, "Voided External Charge", -1, "external_charge", "charge_no",
     "support only", "4100", "1200"),
    (15, "Dunning Charge", 1, "dunning_charge", "charge_id",
     "posted by the dunning manager; read with get_transaction_information", "1200", "4200"),
    (-15, "Voided Dunning Charge", -1, "dunning_charge", "charge_id",
     "void_transaction", "4200", "1200"),
    (18, "Negative Balance Forward", -1, "balance_forward", "balance_no",
     "create_account", "3900", "1200"),
    (-18, "Voided Negative Balance Forward", 1, "balance_forward", "balance_no",
     "void_transaction", "1200", "3900"),
    (21, "Invoice Charge Line Item", 1, "gl_detail", "invoice_detail_no",
     "generate_invoice", None, None),
    (-21, "Voided Invoice Charge Line Item", -1, "gl_detail", "invoice_detail_no",
     "void_invoice", None, None),
    (22, "Invoice Credit Line Item", -1, "gl_detail", "invoice_detail_no",
     "generate_invoice", None, None),
    (-22, "Voided Invoice Credit Line Item", 1, "gl_detail", "invoice_detail_no",
     "void_invoice", None, None),
    (24, "Credit Memo Line", -1, "credit_memo", "cm_no",
     "create_credit_memo", "4920", "1200"),
    (-24, "Voided Credit Memo Line", 1, "credit_memo", "cm_no",
     "void_credit_memo", "1200", "4920"),
)  # fmt: skip

INVOICE_LINE_TYPES_COLUMNS = ("code", "name", "transaction_type", "debit_gl_account", "credit_gl_account")
INVOICE_LINE_TYPES = (
    (1, "Recurring Charge", 21, "1200", "4000"),
    (2, "Tax Charge", 21, "1200", "2200"),
    (3, "Service Credit", 22, "4900", "1200"),
    (4, "Coupon Credit", 22, "4910", "1200"),
    (5, "Activation Charge", 21, "1200", "4010"),
    (6, "Usage Charge", 21, "1200", "4020"),
    (7, "Recurring Arrears Charge", 21, "1200", "4000"),
    (8, "Order Charge", 21, "1200", "4030"),
    (9, "Surcharge", 21, "1200", "4040"),
)  # fmt: skip


def upgrade() -> None:
    """Create everything, and fill in what is the same for every client."""
    _create_tables()
    for name in NUMBERED:
        op.execute(f"CREATE SEQUENCE {name}_seq AS bigint")
    # By name, so that nobody puts sequences of his own before ours.
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    op.execute(RESERVE_NUMBERS.format(schema=schema))
    op.execute(JOURNAL)
    _fill_reference_tables()


def _create_tables() -> None:
    op.create_table(
        "account",
        sa.Column("client_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("acct_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("external_id", sa.Text(collation="C"), nullable=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("currency_code", sa.Text, nullable=False),
        sa.Column("payment_term_days", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("client_no", "acct_no", name="account_pkey"),
    )
    op.create_index(
        "account_external_id_key",
        "account",
        ["client_no", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_table(
        "account_balance",
        sa.Column("client_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("acct_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("balance", sa.BigInteger, nullable=False),
        sa.Column("last_event_no", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("client_no", "acct_no", name="account_balance_pkey"),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_table(
        "acct_transaction",
        sa.Column("client_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("event_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("acct_no", sa.BigInteger, nullable=False),
        sa.Column("plan_instance_no", sa.BigInteger, nullable=True),
        sa.Column("transaction_type", sa.SmallInteger(), nullable=False),
        sa.Column("source_no", sa.BigInteger, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("currency_code", sa.Text, nullable=False),
        sa.Column("effective_date", sa.Date(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("related_event_no", sa.BigInteger, nullable=True),
        sa.Column("reason_code", sa.Text, nullable=True),
        sa.Column("comment", sa.Text, nullable=True),
        sa.CheckConstraint("amount > 0", name="acct_transaction_amount_check"),
        sa.PrimaryKeyConstraint("client_no", "event_no", name="acct_transaction_pkey"),
    )
    op.create_index("acct_transaction_acct_no_idx", "acct_transaction", ["client_no", "acct_no", "event_no"])
    op.create_index(
        "acct_transaction_shared_source_idx",
        "acct_transaction",
        ["client_no", "transaction_type", "source_no"],
        postgresql_where=sa.text("transaction_type IN (4, 5, 8, 24)"),
    )
    op.create_index(
        "acct_transaction_taken_idx",
        "acct_transaction",
        ["client_no", "related_event_no"],
        postgresql_where=sa.text("transaction_type > 0 AND related_event_no IS NOT NULL"),
    )
    op.create_index(
        "acct_transaction_void_key",
        "acct_transaction",
        ["client_no", "related_event_no"],
        unique=True,
        postgresql_where=sa.text("transaction_type < 0"),
    )
    op.create_table(
        "audit_outbox",
        sa.Column("outbox_no", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("refused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refused_reason", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("outbox_no", name="audit_outbox_pkey"),
    )
    op.create_index(
        "audit_outbox_waiting", "audit_outbox", ["outbox_no"], postgresql_where=sa.text("refused_at IS NULL")
    )
    op.create_table(
        "balance_forward",
        sa.Column("client_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("balance_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("event_no", sa.BigInteger, nullable=False),
        sa.Column("acct_no", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("client_no", "balance_no", name="balance_forward_pkey"),
    )
    op.create_table(
        "balance_transfer",
        sa.Column("client_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("transfer_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("event_no", sa.BigInteger, nullable=False),
        sa.Column("from_acct_no", sa.BigInteger, nullable=False),
        sa.Column("to_acct_no", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("client_no", "transfer_no", name="balance_transfer_pkey"),
    )
    op.create_table(
        "cash_credits",
        sa.Column("client_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("credit_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("event_no", sa.BigInteger, nullable=False),
        sa.Column("acct_no", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("client_no", "credit_no", name="cash_credits_pkey"),
    )
    op.create_table(
        "check_refund",
        sa.Column("client_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("check_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("event_no", sa.BigInteger, nullable=False),
        sa.Column("acct_no", sa.BigInteger, nullable=False),
        sa.Column("check_number", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("client_no", "check_id", name="check_refund_pkey"),
    )
    op.create_table(
        "commit_group",
        sa.Column("group_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("first_event_no", sa.BigInteger, nullable=False),
        sa.Column("last_event_no", sa.BigInteger, nullable=False),
        sa.Column("transactions", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("committed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "xid", sa.BigInteger, server_default=sa.text("pg_current_xact_id()::text::bigint"), nullable=False
        ),
        sa.PrimaryKeyConstraint("group_no", name="commit_group_pkey"),
    )
    op.create_index("commit_group_first_event_no_key", "commit_group", ["first_event_no"], unique=True)
    op.create_table(
        "commit_group_part",
        sa.Column("client_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("group_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("first_event_no", sa.BigInteger, nullable=False),
        sa.Column("last_event_no", sa.BigInteger, nullable=False),
        sa.Column("transactions", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column(
            "xid", sa.BigInteger, server_default=sa.text("pg_current_xact_id()::text::bigint"), nullable=False
        ),
        sa.PrimaryKeyConstraint("client_no", "group_no", name="commit_group_part_pkey"),
    )
    op.create_index(
        "commit_group_part_first_event_no_key",
        "commit_group_part",
        ["client_no", "first_event_no"],
        unique=True,
    )
    op.create_table(
        "credit_memo",
        sa.Column("client_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("cm_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("event_no", sa.BigInteger, nullable=False),
        sa.Column("acct_no", sa.BigInteger, nullable=False),
        sa.Column("invoice_no", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("client_no", "cm_no", name="credit_memo_pkey"),
    )
    op.create_table(
        "dunning_charge",
        sa.Column("client_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("charge_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("event_no", sa.BigInteger, nullable=False),
        sa.Column("acct_no", sa.BigInteger, nullable=False),
        sa.Column("dunning_step", sa.Integer(), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("client_no", "charge_id", name="dunning_charge_pkey"),
    )
    op.create_table(
        "external_charge",
        sa.Column("client_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("charge_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("event_no", sa.BigInteger, nullable=False),
        sa.Column("acct_no", sa.BigInteger, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("client_no", "charge_no", name="external_charge_pkey"),
    )
    op.create_table(
        "external_payments",
        sa.Column("client_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("payment_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("event_no", sa.BigInteger, nullable=False),
        sa.Column("acct_no", sa.BigInteger, nullable=False),
        sa.Column("reference_code", sa.Text(collation="C"), nullable=False),
        sa.Column("received_date", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("client_no", "payment_id", name="external_payments_pkey"),
    )
    op.create_index(
        "external_payments_reference_code_idx",
        "external_payments",
        ["client_no", "acct_no", "reference_code"],
    )
    op.create_table(
        "gl_account",
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("code", name="gl_account_pkey"),
    )
    op.create_table(
        "gl_detail",
        sa.Column("client_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("invoice_detail_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("event_no", sa.BigInteger, nullable=False),
        sa.Column("acct_no", sa.BigInteger, nullable=False),
        sa.Column("line_type", sa.SmallInteger(), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("line_no", sa.Integer(), nullable=False),
        sa.Column("invoice_no", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("client_no", "invoice_detail_no", name="gl_detail_pkey"),
    )
    op.create_table(
        "invoice",
        sa.Column("client_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("invoice_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("acct_no", sa.BigInteger, nullable=False),
        sa.Column("plan_instance_no", sa.BigInteger, nullable=True),
        sa.Column("billing_period_start", sa.Date(), nullable=False),
        sa.Column("billing_period_end", sa.Date(), nullable=False),
        sa.Column("issue", sa.Integer(), nullable=False),
        sa.Column("invoice_date", sa.Date(), nullable=False),
        sa.Column("due_date", sa.Date(), nullable=False),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("currency_code", sa.Text, nullable=False),
        sa.Column("first_event_no", sa.BigInteger, nullable=False),
        sa.Column("last_event_no", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("first_event_no <= last_event_no", name="invoice_lines_check"),
        sa.PrimaryKeyConstraint("client_no", "invoice_no", name="invoice_pkey"),
    )
    op.create_index("invoice_acct_no_idx", "invoice", ["client_no", "acct_no", "invoice_no"])
    op.create_index(
        "invoice_billing_period_key",
        "invoice",
        ["client_no", "acct_no", "plan_instance_no", "billing_period_start", "billing_period_end", "issue"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    op.create_table(
        "invoice_line_type",
        sa.Column("code", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("transaction_type", sa.SmallInteger(), nullable=False),
        sa.Column("debit_gl_account", sa.Text, nullable=False),
        sa.Column("credit_gl_account", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("code", name="invoice_line_type_pkey"),
    )
    op.create_table(
        "invoice_void",
        sa.Column("client_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("invoice_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("first_event_no", sa.BigInteger, nullable=False),
        sa.Column("last_event_no", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("client_no", "invoice_no", name="invoice_void_pkey"),
    )
    op.create_table(
        "payments",
        sa.Column("client_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("payment_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("event_no", sa.BigInteger, nullable=False),
        sa.Column("acct_no", sa.BigInteger, nullable=False),
        sa.Column("gateway_reference", sa.Text(collation="C"), nullable=False),
        sa.Column("payment_method_kind", sa.SmallInteger(), nullable=True),
        sa.PrimaryKeyConstraint("client_no", "payment_id", name="payments_pkey"),
    )
    op.create_index(
        "payments_gateway_reference_key", "payments", ["client_no", "gateway_reference"], unique=True
    )
    op.create_table(
        "plan_instance",
        sa.Column("client_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("plan_instance_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("acct_no", sa.BigInteger, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("client_no", "plan_instance_no", name="plan_instance_pkey"),
    )
    op.create_index(
        "plan_instance_acct_no_idx", "plan_instance", ["client_no", "acct_no", "plan_instance_no"]
    )
    op.create_table(
        "plan_instance_balance",
        sa.Column("client_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("plan_instance_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("balance", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("client_no", "plan_instance_no", name="plan_instance_balance_pkey"),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_table(
        "refunds",
        sa.Column("client_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("refund_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("event_no", sa.BigInteger, nullable=False),
        sa.Column("acct_no", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("client_no", "refund_no", name="refunds_pkey"),
    )
    op.create_index("refunds_event_no_key", "refunds", ["client_no", "event_no"], unique=True)
    op.create_table(
        "request_key",
        sa.Column("client_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("scope", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("request_id", sa.Text(collation="C"), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("client_no", "scope", "request_id", name="request_key_pkey"),
    )
    op.create_table(
        "transaction_type",
        sa.Column("code", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("effect", sa.SmallInteger(), nullable=False),
        sa.Column("source_table", sa.Text, nullable=False),
        sa.Column("source_key", sa.Text, nullable=False),
        sa.Column("operation", sa.Text, nullable=False),
        sa.Column("debit_gl_account", sa.Text, nullable=True),
        sa.Column("credit_gl_account", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("code", name="transaction_type_pkey"),
    )
    op.create_table(
        "write_offs",
        sa.Column("client_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("write_off_no", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("event_no", sa.BigInteger, nullable=False),
        sa.Column("acct_no", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("invoice_no", sa.BigInteger, nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("client_no", "write_off_no", name="write_offs_pkey"),
    )
    op.create_index("write_offs_invoice_no_idx", "write_offs", ["client_no", "invoice_no"])


def _fill_reference_tables() -> None:
    for name, columns, rows in (
        ("gl_account", GL_ACCOUNTS_COLUMNS, GL_ACCOUNTS),
        ("transaction_type", TRANSACTION_TYPES_COLUMNS, TRANSACTION_TYPES),
        ("invoice_line_type", INVOICE_LINE_TYPES_COLUMNS, INVOICE_LINE_TYPES),
    ):
        table = sa.table(name, *map(sa.column, columns))
        op.bulk_insert(table, [dict(zip(columns, row, strict=True)) for row in rows])
