"""The tables of the billing processes: what they need and the ledger does not keep.

Every table leads with `client_no`. Money is minor units and a currency, days are dates, and the numbers of
kinds and statuses are those of the contract.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    Numeric,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from batch_service.metadata import metadata

_INSTANT: Final = DateTime(timezone=True)
_ALL: Final = {"grants": "SELECT, INSERT, UPDATE, DELETE"}


def _client_no() -> Column[int]:
    return Column("client_no", BigInteger, primary_key=True, autoincrement=False)


client_profile = Table(
    "client_profile",
    metadata,
    _client_no(),
    Column("name", Text, nullable=False, server_default=""),
    Column("time_zone", Text, nullable=False),
    info={"grants": "SELECT, INSERT, UPDATE"},
)

recurring_plan = Table(
    "recurring_plan",
    metadata,
    _client_no(),
    Column("plan_instance_no", BigInteger, primary_key=True, autoincrement=False),
    Column("acct_no", BigInteger, nullable=False),
    Column("description", Text, nullable=False),
    Column("price_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("timing", SmallInteger, nullable=False),
    Column("period_months", Integer, nullable=False),
    Column("anchor_day", Integer, nullable=False),
    Column("start_date", Date, nullable=False),
    Column("activation_minor", BigInteger, nullable=False, server_default="0"),
    Column("activation_billed", Boolean, nullable=False, server_default=text("false")),
    Column("tax_percent", Numeric, comment="NULL: no tax"),
    Column("status", SmallInteger, nullable=False),
    Column("suspended_on", Date, comment="since when it is suspended"),
    Column("cancelled_on", Date, comment="the first day without service"),
    Column("unbilled_from", Date, nullable=False, comment="the first day that no invoice covers"),
    Column("next_bill_date", Date, comment="NULL: never billed again"),
    Column("billed", Boolean, nullable=False, server_default=text("false"), comment="a period was billed"),
    CheckConstraint("price_minor >= 0 AND activation_minor >= 0", name="amounts"),
    CheckConstraint("(status = 2) = (suspended_on IS NOT NULL)", name="suspended_on"),
    Index("recurring_plan_due_idx", "client_no", "next_bill_date"),
    Index("recurring_plan_acct_no_idx", "client_no", "acct_no", "plan_instance_no"),
    info={"grants": "SELECT, INSERT, UPDATE"},
)

plan_change = Table(
    "plan_change",
    metadata,
    _client_no(),
    Column("change_no", BigInteger, Identity(always=True), primary_key=True),
    Column("plan_instance_no", BigInteger, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("effective_date", Date, nullable=False),
    Column("new_price_minor", BigInteger),
    Column("currency", Text, comment="of the new price"),
    Column("origin", Text, nullable=False, comment="who asked for it, or the process that did it"),
    Column("applied_on", Date, comment="the business date on which it took effect; NULL: scheduled"),
    Column("former_price_minor", BigInteger, comment="what the plan cost before"),
    Column("former_currency", Text),
    Index("plan_change_plan_instance_no_idx", "client_no", "plan_instance_no"),
    Index(
        "plan_change_scheduled_idx",
        "client_no",
        "effective_date",
        postgresql_where=text("applied_on IS NULL"),
    ),
    info={"grants": "SELECT, INSERT, UPDATE"},
)

plan_suspension = Table(
    "plan_suspension",
    metadata,
    _client_no(),
    Column("plan_instance_no", BigInteger, primary_key=True, autoincrement=False),
    Column("suspended_on", Date, primary_key=True),
    Column("resumed_on", Date, nullable=False, comment="the first day with service again"),
    info={"grants": "SELECT, INSERT, UPDATE"},
)

payment_method = Table(
    "payment_method",
    metadata,
    _client_no(),
    Column("acct_no", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", SmallInteger, nullable=False),
    Column("payment_token", Text, nullable=False),
    Column("declined_for_good", Boolean, nullable=False, server_default=text("false")),
    Column("version", BigInteger, nullable=False, server_default="1", comment="counts how often it was set"),
    info={"grants": "SELECT, INSERT, UPDATE"},
)

usage_rate = Table(
    "usage_rate",
    metadata,
    _client_no(),
    Column("usage_type", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("unit_price", Numeric, nullable=False, comment="in whole units of the currency"),
    info={"grants": "SELECT, INSERT, UPDATE"},
)

usage_record = Table(
    "usage_record",
    metadata,
    _client_no(),
    Column("usage_id", Text, primary_key=True),
    Column("acct_no", BigInteger, nullable=False),
    Column("plan_instance_no", BigInteger, nullable=False),
    Column("usage_type", Text, nullable=False),
    Column("quantity", Numeric, nullable=False),
    Column("used_at", _INSTANT, nullable=False),
    Column("origin", Text, nullable=False, server_default="", comment="the file and line that it came with"),
    Column("pending_line_no", BigInteger, comment="the pending line that it was rated into"),
    Index("usage_record_acct_no_idx", "client_no", "acct_no", "used_at", "usage_id"),
    Index(
        "usage_record_unrated_idx",
        "client_no",
        "plan_instance_no",
        "used_at",
        postgresql_where=text("pending_line_no IS NULL"),
    ),
    info={"grants": "SELECT, INSERT, UPDATE"},
)

pending_line = Table(
    "pending_line",
    metadata,
    _client_no(),
    Column("line_no", BigInteger, Identity(always=False), primary_key=True),
    Column("line_id", Text, comment="the caller's identifier; NULL for rated usage"),
    Column("acct_no", BigInteger, nullable=False),
    Column("plan_instance_no", BigInteger, nullable=False),
    Column("line_type", SmallInteger, nullable=False),
    Column("description", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("claimed_for", Date, comment="the first day of the period whose invoice intent it is part of"),
    Column(
        "invoice_no", BigInteger, comment="the invoice that it is on; 0: settled with none, since it is zero"
    ),
    CheckConstraint("amount_minor >= 0", name="amount"),
    UniqueConstraint("client_no", "line_id"),
    Index(
        "pending_line_waiting_idx",
        "client_no",
        "plan_instance_no",
        "line_no",
        postgresql_where=text("invoice_no IS NULL"),
    ),
    info={"grants": "SELECT, INSERT, UPDATE"},
)

# What an invoice will be made of, written before the ledger is asked and gone when its answer is settled.
# So a run that finds one sends exactly the same invoice again, whatever happened to the plan in between.
invoice_intent = Table(
    "invoice_intent",
    metadata,
    _client_no(),
    Column("plan_instance_no", BigInteger, primary_key=True, autoincrement=False),
    Column("period_start", Date, nullable=False),
    Column("period_end", Date, nullable=False, comment="the last day of the period"),
    Column("acct_no", BigInteger, nullable=False),
    Column("invoice_date", Date, nullable=False),
    Column("currency", Text, nullable=False),
    Column("lines", JSONB, nullable=False, comment="[[line type, description, minor units], ...]"),
    Column("bills_activation", Boolean, nullable=False),
    Column("next_unbilled_from", Date, nullable=False),
    Column("next_bill_date", Date, comment="NULL: never billed again"),
    info=_ALL,
)

payment_attempt = Table(
    "payment_attempt",
    metadata,
    _client_no(),
    Column("attempt_id", Text, primary_key=True),
    Column("fact", Text, nullable=False, comment="the business fact: one payment at most for each"),
    Column("acct_no", BigInteger, nullable=False),
    Column("business_date", Date, nullable=False),
    Column("method_kind", SmallInteger, nullable=False),
    Column("method_version", BigInteger, nullable=False),
    Column("payment_token", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("status", SmallInteger, nullable=False, comment="rules.collection.AttemptStatus"),
    Column("gateway_reference", Text, nullable=False, server_default=""),
    Column("decline_code", Text, nullable=False, server_default=""),
    Column("event_no", BigInteger, comment="the transaction of the ledger"),
    Column("created_at", _INSTANT, nullable=False, server_default=text("now()")),
    Column("changed_at", _INSTANT, nullable=False, server_default=text("now()")),
    CheckConstraint("amount_minor > 0", name="amount"),
    # What is open of an account blocks whatever is new. New, unknown, pending, approved.
    Index(
        "payment_attempt_open_key",
        "client_no",
        "acct_no",
        unique=True,
        postgresql_where=text("status IN (1, 2, 3, 4)"),
    ),
    Index("payment_attempt_fact_idx", "client_no", "fact"),
    info={"grants": "SELECT, INSERT, UPDATE"},
)

dunning_step = Table(
    "dunning_step",
    metadata,
    _client_no(),
    Column("step_no", Integer, primary_key=True, autoincrement=False),
    Column("days_past_due", Integer, nullable=False),
    Column("action", SmallInteger, nullable=False),
    Column("fixed_minor", BigInteger),
    Column("currency", Text),
    Column("percent", Numeric),
    info=_ALL,
)

dunning_position = Table(
    "dunning_position",
    metadata,
    _client_no(),
    Column("acct_no", BigInteger, primary_key=True, autoincrement=False),
    Column("entered_on", Date, nullable=False, comment="names the cycle"),
    Column("last_step_no", Integer, nullable=False, server_default="0"),
    Column("last_step_on", Date),
    info=_ALL,
)

# A charge of a dunning step, written with its amount before the ledger is asked: what is overdue may be
# less when the step is repeated after a crash, the charge is the same.
dunning_charge_intent = Table(
    "dunning_charge_intent",
    metadata,
    _client_no(),
    Column("acct_no", BigInteger, primary_key=True, autoincrement=False),
    Column("entered_on", Date, primary_key=True),
    Column("step_no", Integer, primary_key=True, autoincrement=False),
    Column("business_date", Date, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    info=_ALL,
)

outgoing_mail = Table(
    "outgoing_mail",
    metadata,
    _client_no(),
    Column("mail_no", BigInteger, Identity(always=True), primary_key=True),
    Column("mail_key", Text, nullable=False, comment="the business fact, so that each is queued once"),
    Column("acct_no", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("business_date", Date, nullable=False),
    Column("content", JSONB, nullable=False),
    Column("queued_at", _INSTANT, nullable=False, server_default=text("now()")),
    Column("sent_at", _INSTANT),
    UniqueConstraint("client_no", "mail_key"),
    Index("outgoing_mail_queued_idx", "client_no", "mail_no", postgresql_where=text("sent_at IS NULL")),
    info={"grants": "SELECT, INSERT, UPDATE"},
)

activity_line = Table(
    "activity_line",
    metadata,
    _client_no(),
    Column("file_name", Text, primary_key=True),
    Column("line_no", BigInteger, primary_key=True, autoincrement=False, comment="the header is line 1"),
    Column("line", Text, nullable=False),
    info={"grants": "SELECT, INSERT"},
)

# The sandbox gateway plays the outside world: what it did survives our restarts, as a bank's books would.
sandbox_charge = Table(
    "sandbox_charge",
    metadata,
    _client_no(),
    Column("attempt_id", Text, primary_key=True),
    Column("outcome", SmallInteger, nullable=False, comment="payments.v1.ChargeOutcome"),
    Column("gateway_reference", Text, nullable=False),
    Column("decline_code", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    info={"grants": "SELECT, INSERT, UPDATE"},
)

sandbox_outage = Table("sandbox_outage", metadata, _client_no(), info={"grants": "SELECT, INSERT, DELETE"})
