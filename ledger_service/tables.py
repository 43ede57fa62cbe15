"""The tables of the ledger: the one definition of its schema.

Every table of a client's own begins its primary key with `client_no`, so that the schema can be distributed
by client as it stands. What is a fact is append-only: the service itself may neither change nor remove it
(rule 7). Only the balances, of items too, are updated, in the transaction that appends what they follow from.

There are no foreign keys: each would be checked once a row, which costs more than writing the row. The one
posting path keeps what they would keep, and VerifyLedger proves it.

Amounts are minor units in 64 bits.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    text,
)

from service_kit.outbox import outbox_table

APPEND_ONLY: Final = {"grants": "SELECT, INSERT"}
UPDATED: Final = {"grants": "SELECT, INSERT, UPDATE"}
DERIVED: Final = {"grants": "SELECT, INSERT, UPDATE, DELETE"}
REFERENCE: Final = {"grants": "SELECT"}

# Keys are compared byte by byte: faster than in the order of any language, and the same everywhere.
KEY_TEXT: Final = Text(collation="C")

# A balance is updated in place as long as its page has room: no index is touched then.
ROOM_FOR_UPDATES: Final = {"fillfactor": "70"}

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    },
    info={"grants": {"journal": "SELECT", "open_item": "SELECT"}},
)

# ------------------------------------------------------------------------------------ accounts and balances

account = Table(
    "account",
    metadata,
    Column("client_no", BigInteger, primary_key=True, autoincrement=False),
    Column("acct_no", BigInteger, primary_key=True, autoincrement=False),
    Column("external_id", KEY_TEXT),
    Column("name", Text, nullable=False),
    Column("currency_code", Text, nullable=False),
    Column("payment_term_days", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Index(
        "account_external_id_key",
        "client_no",
        "external_id",
        unique=True,
        postgresql_where=text("external_id IS NOT NULL"),
    ),
    info=APPEND_ONLY,
)

plan_instance = Table(
    "plan_instance",
    metadata,
    Column("client_no", BigInteger, primary_key=True, autoincrement=False),
    Column("plan_instance_no", BigInteger, primary_key=True, autoincrement=False),
    Column("acct_no", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Index("plan_instance_acct_no_idx", "client_no", "acct_no", "plan_instance_no"),
    info=APPEND_ONLY,
)

# The row of an account is also its lock: whoever writes anything about the account holds it first.
account_balance = Table(
    "account_balance",
    metadata,
    Column("client_no", BigInteger, primary_key=True, autoincrement=False),
    Column("acct_no", BigInteger, primary_key=True, autoincrement=False),
    # The sum of its transactions, those of its plan instances included.
    Column("balance", BigInteger, nullable=False),
    # 0: it has no transaction yet.
    Column("last_event_no", BigInteger, nullable=False),
    # The last effective date that any of its transactions has: at an earlier one, the books were others.
    Column("last_effective_date", Date),
    # The part of its credits that waits to be told whom to pay: balance + held waits for the other side.
    Column("held", BigInteger, nullable=False),
    # What waits of its transactions after this one has no row in item_balance: see the view open_item.
    Column("waiting_after", BigInteger, nullable=False),
    info=UPDATED,
    postgresql_with=ROOM_FOR_UPDATES,
)

plan_instance_balance = Table(
    "plan_instance_balance",
    metadata,
    Column("client_no", BigInteger, primary_key=True, autoincrement=False),
    Column("plan_instance_no", BigInteger, primary_key=True, autoincrement=False),
    Column("balance", BigInteger, nullable=False),
    info=UPDATED,
    postgresql_with=ROOM_FOR_UPDATES,
)

# What the transactions of an account do to its balances, by the day on which they take effect: of those up to
# the mark of the account. Only accounts with a long history have any; what posts knows nothing of it.
day_sum = Table(
    "day_sum",
    metadata,
    Column("client_no", BigInteger, primary_key=True, autoincrement=False),
    Column("acct_no", BigInteger, primary_key=True, autoincrement=False),
    Column("effective_date", Date, primary_key=True),
    # 0: the account itself.
    Column("plan_instance_no", BigInteger, primary_key=True, autoincrement=False),
    # The sum of a day may leave the 64 bits in which the balance is kept.
    Column("amount", Numeric, nullable=False),
    info=UPDATED,
)

# The row of an account is also the lock of its sums.
day_sum_mark = Table(
    "day_sum_mark",
    metadata,
    Column("client_no", BigInteger, primary_key=True, autoincrement=False),
    Column("acct_no", BigInteger, primary_key=True, autoincrement=False),
    # The last transaction of the account that is in its sums; 0: none is.
    Column("through_event_no", BigInteger, nullable=False),
    info=UPDATED,
)

# --------------------------------------------------------------------------------------------- transactions

acct_transaction = Table(
    "acct_transaction",
    metadata,
    Column("client_no", BigInteger, primary_key=True, autoincrement=False),
    Column("event_no", BigInteger, primary_key=True, autoincrement=False),
    Column("acct_no", BigInteger, nullable=False),
    # NULL: posted on the account itself.
    Column("plan_instance_no", BigInteger),
    Column("transaction_type", SmallInteger, nullable=False),
    # The key of the row in the source table of the type.
    Column("source_no", BigInteger, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency_code", Text, nullable=False),
    Column("effective_date", Date, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    # Of a void: what it voids. Of a refund: its payment. Of a reversal and of a line of a credit memo: the
    # charge.
    Column("related_event_no", BigInteger),
    Column("reason_code", Text),
    Column("comment", Text),
    CheckConstraint("amount > 0", name="amount"),
    Index("acct_transaction_acct_no_idx", "client_no", "acct_no", "event_no"),
    # What counts at a date, and what falls into a period. An account's transactions of one day share an
    # entry, so it is small.
    Index("acct_transaction_effective_date_idx", "client_no", "acct_no", "effective_date"),
    # A transaction has at most one void, and the link back from it is read here.
    Index(
        "acct_transaction_void_key",
        "client_no",
        "related_event_no",
        unique=True,
        postgresql_where=text("transaction_type < 0"),
    ),
    # What was taken from a payment or a charge: its refunds, reversals and memo lines.
    Index(
        "acct_transaction_taken_idx",
        "client_no",
        "related_event_no",
        postgresql_where=text("transaction_type > 0 AND related_event_no IS NOT NULL"),
    ),
    # The transactions that share a source row: both legs of a transfer, the reversals of a refund, the
    # lines of a memo.
    Index(
        "acct_transaction_shared_source_idx",
        "client_no",
        "transaction_type",
        "source_no",
        postgresql_where=text("transaction_type IN (4, 5, 8, 24)"),
    ),
    info=APPEND_ONLY,
)


def _source_table(name: str, key: str, *columns: Column[object] | Index, account: str = "acct_no") -> Table:
    """A source table. `event_no` is the transaction that the row was made for, or the first of their document
    where several share the row.
    """
    return Table(
        name,
        metadata,
        Column("client_no", BigInteger, primary_key=True, autoincrement=False),
        Column(key, BigInteger, primary_key=True, autoincrement=False),
        Column("event_no", BigInteger, nullable=False),
        Column(account, BigInteger, nullable=False),
        *columns,
        info=APPEND_ONLY,
    )


# 2
external_payments = _source_table(
    "external_payments",
    "payment_id",
    Column("reference_code", KEY_TEXT, nullable=False),
    Column("received_date", Date, nullable=False),
    # How many payments of the account had the code before, all voided (rule 11); NULL for none.
    Column("reuse", SmallInteger),
    Index(
        "external_payments_reference_code_key",
        "client_no",
        "acct_no",
        "reference_code",
        "reuse",
        unique=True,
        postgresql_nulls_not_distinct=True,
    ),
)

# 3 and 12: a payment and its refund each have a row of their own.
payments = _source_table(
    "payments",
    "payment_id",
    Column("gateway_reference", KEY_TEXT, nullable=False),
    # 1 card, 2 electronic check; NULL for a refund, whose payment has it.
    Column("payment_method_kind", SmallInteger),
    Index("payments_gateway_reference_key", "client_no", "gateway_reference", unique=True),
)

# 4 and 5, which share the row
balance_transfer = _source_table(
    "balance_transfer",
    "transfer_no",
    Column("to_acct_no", BigInteger, nullable=False),
    account="from_acct_no",
)

# 6
write_offs = _source_table(
    "write_offs",
    "write_off_no",
    # 1 write-off, 2 dispute hold
    Column("kind", SmallInteger, nullable=False),
    Column("invoice_no", BigInteger, nullable=False),
    Column("expires_on", Date),
    Index("write_offs_invoice_no_idx", "client_no", "invoice_no"),
    Index(
        "write_offs_expires_on_idx",
        "client_no",
        "expires_on",
        "event_no",
        postgresql_where=text("expires_on IS NOT NULL"),
    ),
)

# 8: the reversals of a refund share the row
refunds = _source_table(
    "refunds",
    "refund_no",
    # Here event_no is the refund (12 or 13) that the reversals go with.
    Index("refunds_event_no_key", "client_no", "event_no", unique=True),
)

# 9 and 18
balance_forward = _source_table("balance_forward", "balance_no")

# 10
cash_credits = _source_table("cash_credits", "credit_no")

# 13
check_refund = _source_table("check_refund", "check_id", Column("check_number", Text, nullable=False))

# 14
external_charge = _source_table("external_charge", "charge_no", Column("description", Text, nullable=False))

# 15
dunning_charge = _source_table(
    "dunning_charge",
    "charge_id",
    Column("dunning_step", Integer, nullable=False),
    Column("description", Text, nullable=False),
)

# 21 and 22
gl_detail = _source_table(
    "gl_detail",
    "invoice_detail_no",
    Column("line_type", SmallInteger, nullable=False),
    Column("description", Text, nullable=False),
    # From 1.
    Column("line_no", Integer, nullable=False),
    Column("invoice_no", BigInteger, nullable=False),
)

# 24: the lines of a memo share the row
credit_memo = _source_table("credit_memo", "cm_no", Column("invoice_no", BigInteger, nullable=False))

# ------------------------------------------------------------------------------------------------- invoices

invoice = Table(
    "invoice",
    metadata,
    Column("client_no", BigInteger, primary_key=True, autoincrement=False),
    Column("invoice_no", BigInteger, primary_key=True, autoincrement=False),
    Column("acct_no", BigInteger, nullable=False),
    # NULL: the account itself is billed.
    Column("plan_instance_no", BigInteger),
    Column("billing_period_start", Date, nullable=False),
    Column("billing_period_end", Date, nullable=False),
    # 1 for the first invoice of the period, and one more for each that follows when the one before is
    # voided. So two invoices of one period that both stand can't be stored.
    Column("issue", Integer, nullable=False),
    Column("invoice_date", Date, nullable=False),
    Column("due_date", Date, nullable=False),
    # Charges less credits.
    Column("total", BigInteger, nullable=False),
    Column("currency_code", Text, nullable=False),
    # Its lines are the transactions with these numbers, in the order of the lines, and no others.
    Column("first_event_no", BigInteger, nullable=False),
    Column("last_event_no", BigInteger, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("first_event_no <= last_event_no", name="lines"),
    Index("invoice_acct_no_idx", "client_no", "acct_no", "invoice_no"),
    Index(
        "invoice_billing_period_key",
        "client_no",
        "acct_no",
        "plan_instance_no",
        "billing_period_start",
        "billing_period_end",
        "issue",
        unique=True,
        postgresql_nulls_not_distinct=True,
    ),
    info=APPEND_ONLY,
)

# The mark of a voided invoice.
invoice_void = Table(
    "invoice_void",
    metadata,
    Column("client_no", BigInteger, primary_key=True, autoincrement=False),
    Column("invoice_no", BigInteger, primary_key=True, autoincrement=False),
    # The voids of its lines are the transactions with these numbers, in the order of the lines.
    Column("first_event_no", BigInteger, nullable=False),
    Column("last_event_no", BigInteger, nullable=False),
    info=APPEND_ONLY,
)

# What a settled dispute re-aged. The newest row of an invoice has its due date instead of the invoice itself.
invoice_due_date = Table(
    "invoice_due_date",
    metadata,
    Column("client_no", BigInteger, primary_key=True, autoincrement=False),
    Column("invoice_no", BigInteger, primary_key=True, autoincrement=False),
    # The void of the hold. The date holds from the day on which that takes effect.
    Column("event_no", BigInteger, primary_key=True, autoincrement=False),
    Column("due_date", Date, nullable=False),
    info=APPEND_ONLY,
)

# --------------------------------------------------------------------------------------------- applications

# Which credit paid which charge, in the transaction that posted the later of the two.
application = Table(
    "application",
    metadata,
    Column("client_no", BigInteger, primary_key=True, autoincrement=False),
    Column("acct_no", BigInteger, primary_key=True, autoincrement=False),
    Column("application_no", BigInteger, primary_key=True, autoincrement=False),
    Column("credit_event_no", BigInteger, nullable=False),
    Column("charge_event_no", BigInteger, nullable=False),
    Column("amount", BigInteger, nullable=False),
    # Of one that takes back another, or a part of it: the number of that.
    Column("takes_back_no", BigInteger),
    # NULL: it was made without a posting.
    Column("by_event_no", BigInteger),
    Column("effective_date", Date, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("amount > 0", name="amount"),
    Index("application_credit_event_no_idx", "client_no", "credit_event_no"),
    Index("application_charge_event_no_idx", "client_no", "charge_event_no"),
    Index(
        "application_takes_back_no_idx",
        "client_no",
        "acct_no",
        "takes_back_no",
        postgresql_where=text("takes_back_no IS NOT NULL"),
    ),
    info=APPEND_ONLY,
)

# How a credit is to be applied, where that is not by the date of the charges.
application_instruction = Table(
    "application_instruction",
    metadata,
    Column("client_no", BigInteger, primary_key=True, autoincrement=False),
    Column("event_no", BigInteger, primary_key=True, autoincrement=False),
    # 2 by due date, 3 directed, 4 none
    Column("method", SmallInteger, nullable=False),
    info=APPEND_ONLY,
)

# What is open of a transaction: where that is less than all of it, is held, was closed before, or does not
# come after all else that waits. The row goes when nothing is open any more. All other items that wait have
# no row: see the view open_item. The key is the order in which they are paid, or pay.
item_balance = Table(
    "item_balance",
    metadata,
    Column("client_no", BigInteger, primary_key=True, autoincrement=False),
    Column("acct_no", BigInteger, primary_key=True, autoincrement=False),
    # 1 charges, 2 credits, 3 credits that are held
    Column("queue", SmallInteger, primary_key=True, autoincrement=False),
    Column("effective_date", Date, primary_key=True),
    Column("event_no", BigInteger, primary_key=True, autoincrement=False),
    Column("transaction_type", SmallInteger, nullable=False),
    Column("open_amount", BigInteger, nullable=False),
    CheckConstraint("open_amount > 0", name="open_amount"),
    info=DERIVED,
    postgresql_with=ROOM_FOR_UPDATES,
)

# ----------------------------------------------------------------------------------------- closed statements

# What is on one follows from its limits (rules/closed_statements.py): the transactions themselves say nothing
# of it.
closed_statement = Table(
    "closed_statement",
    metadata,
    Column("client_no", BigInteger, primary_key=True, autoincrement=False),
    Column("statement_no", BigInteger, primary_key=True, autoincrement=False),
    Column("acct_no", BigInteger, nullable=False),
    Column("period_start", Date, nullable=False),
    Column("period_end", Date, nullable=False),
    Column("opening_balance", BigInteger, nullable=False),
    Column("closing_balance", BigInteger, nullable=False),
    Column("currency_code", Text, nullable=False),
    # The last transaction of the account when the statement before was closed, and when this one was.
    Column("after_event_no", BigInteger, nullable=False),
    Column("through_event_no", BigInteger, nullable=False),
    Column("transactions", BigInteger, nullable=False),
    # Of these, what takes effect before the first day.
    Column("adjustments", BigInteger, nullable=False),
    Column("closed_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("period_start <= period_end", name="period"),
    Index("closed_statement_period_end_key", "client_no", "acct_no", "period_end", unique=True),
    info=APPEND_ONLY,
)

# -------------------------------------------------------------------------------------------- commit groups

# What was committed in one go. Its event numbers are one contiguous block, and within it those of each
# client.
commit_group = Table(
    "commit_group",
    metadata,
    Column("group_no", BigInteger, primary_key=True, autoincrement=False),
    Column("first_event_no", BigInteger, nullable=False),
    Column("last_event_no", BigInteger, nullable=False),
    Column("transactions", Integer, nullable=False),
    # rules/digests.py says over what.
    Column("digest", LargeBinary, nullable=False),
    Column("committed_at", DateTime(timezone=True), nullable=False),
    # The database's own number of the transaction: who reads in commit order knows by it what is still
    # under way.
    Column("xid", BigInteger, nullable=False, server_default=text("pg_current_xact_id()::text::bigint")),
    Index("commit_group_first_event_no_key", "first_event_no", unique=True),
    info=APPEND_ONLY,
)

# The part of each client in a commit group, so that a client's books are proven from its own rows alone.
commit_group_part = Table(
    "commit_group_part",
    metadata,
    Column("client_no", BigInteger, primary_key=True, autoincrement=False),
    Column("group_no", BigInteger, primary_key=True, autoincrement=False),
    Column("first_event_no", BigInteger, nullable=False),
    Column("last_event_no", BigInteger, nullable=False),
    Column("transactions", Integer, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("xid", BigInteger, nullable=False, server_default=text("pg_current_xact_id()::text::bigint")),
    Index("commit_group_part_first_event_no_key", "client_no", "first_event_no", unique=True),
    info=APPEND_ONLY,
)

# ---------------------------------------------------------------------------------------------- idempotency

# The first answer to each key that a caller gave: of a call (scope 1) or of a document within one (scope 2).
request_key = Table(
    "request_key",
    metadata,
    Column("client_no", BigInteger, primary_key=True, autoincrement=False),
    Column("scope", SmallInteger, primary_key=True, autoincrement=False),
    Column("request_id", KEY_TEXT, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    info=APPEND_ONLY,
)

# ------------------------------------------------------------------------------------------- reference data

gl_account = Table(
    "gl_account",
    metadata,
    Column("code", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    info=REFERENCE,
)

transaction_type = Table(
    "transaction_type",
    metadata,
    Column("code", SmallInteger, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    # +1 for a charge, -1 for any other: amount * effect is what a transaction does to the balance.
    Column("effect", SmallInteger, nullable=False),
    Column("source_table", Text, nullable=False),
    Column("source_key", Text, nullable=False),
    Column("operation", Text, nullable=False),
    # NULL for invoice lines, whose line type names them.
    Column("debit_gl_account", Text),
    Column("credit_gl_account", Text),
    info=REFERENCE,
)

invoice_line_type = Table(
    "invoice_line_type",
    metadata,
    Column("code", SmallInteger, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("transaction_type", SmallInteger, nullable=False),
    Column("debit_gl_account", Text, nullable=False),
    Column("credit_gl_account", Text, nullable=False),
    info=REFERENCE,
)

# --------------------------------------------------------------------------------- charts of clients' own

# Beside those of gl_account, which every client has.
client_gl_account = Table(
    "client_gl_account",
    metadata,
    Column("client_no", BigInteger, primary_key=True, autoincrement=False),
    Column("code", KEY_TEXT, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    info=APPEND_ONLY,
)

# The changes of counter accounts. The newest one whose limits a transaction is within decides for it.
gl_override = Table(
    "gl_override",
    metadata,
    Column("client_no", BigInteger, primary_key=True, autoincrement=False),
    # Never that of a void.
    Column("transaction_type", SmallInteger, primary_key=True, autoincrement=False),
    # Of invoice lines (21, 22); otherwise 0.
    Column("line_type", SmallInteger, primary_key=True, autoincrement=False),
    Column("override_no", BigInteger, Identity(always=True), primary_key=True),
    # NULL: the default again.
    Column("gl_account", Text),
    # Its limits: what is recorded from this event on, and takes effect from this day on (NULL: any day).
    Column("from_event_no", BigInteger, nullable=False),
    Column("effective_from", Date),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("actor", Text, nullable=False),
    info=APPEND_ONLY,
)

audit_outbox = outbox_table(metadata)

SOURCE_TABLES: Final = {
    table.name: table
    for table in (
        external_payments,
        payments,
        balance_transfer,
        write_offs,
        refunds,
        balance_forward,
        cash_credits,
        check_refund,
        external_charge,
        dunning_charge,
        gl_detail,
        credit_memo,
    )
}

SEQUENCES: Final = (
    "event_no",
    "acct_no",
    "plan_instance_no",
    "invoice_no",
    "group_no",
    "application",
    "statement_no",
    *SOURCE_TABLES,
)
"""What is numbered: the sequence of each is named <it>_seq. Source tables are numbered each on its own."""
