"""What the billing processes need: plans, usage, payments, dunning, mail, and the sandbox gateway.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create everything."""
    op.create_table(
        "client_profile",
        sa.Column("client_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("client_no", name=op.f("client_profile_pkey")),
        info={"grants": "SELECT, INSERT, UPDATE"},
    )
    op.create_table(
        "recurring_plan",
        sa.Column("client_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("plan_instance_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("acct_no", sa.BigInteger(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("timing", sa.SmallInteger(), nullable=False),
        sa.Column("period_months", sa.Integer(), nullable=False),
        sa.Column("anchor_day", sa.Integer(), nullable=False),
        sa.Column("start_date", sa.Date(), nullable=False),
        sa.Column("activation_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("activation_billed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("tax_percent", sa.Numeric(), nullable=True, comment="NULL: no tax"),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("suspended_on", sa.Date(), nullable=True, comment="since when it is suspended"),
        sa.Column("cancelled_on", sa.Date(), nullable=True, comment="the first day without service"),
        sa.Column("unbilled_from", sa.Date(), nullable=False, comment="the first day that no invoice covers"),
        sa.Column("next_bill_date", sa.Date(), nullable=True, comment="NULL: never billed again"),
        sa.Column(
            "billed",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="a period was billed",
        ),
        sa.CheckConstraint(
            "(status = 2) = (suspended_on IS NOT NULL)", name=op.f("recurring_plan_suspended_on_check")
        ),
        sa.CheckConstraint(
            "price_minor >= 0 AND activation_minor >= 0", name=op.f("recurring_plan_amounts_check")
        ),
        sa.PrimaryKeyConstraint("client_no", "plan_instance_no", name=op.f("recurring_plan_pkey")),
        info={"grants": "SELECT, INSERT, UPDATE"},
    )
    op.create_index(
        "recurring_plan_acct_no_idx",
        "recurring_plan",
        ["client_no", "acct_no", "plan_instance_no"],
        unique=False,
    )
    op.create_index("recurring_plan_due_idx", "recurring_plan", ["client_no", "next_bill_date"], unique=False)
    op.create_table(
        "plan_change",
        sa.Column("client_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("change_no", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("plan_instance_no", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("effective_date", sa.Date(), nullable=False),
        sa.Column("new_price_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True, comment="of the new price"),
        sa.Column(
            "origin", sa.Text(), nullable=False, comment="who asked for it, or the process that did it"
        ),
        sa.Column(
            "applied_on",
            sa.Date(),
            nullable=True,
            comment="the business date on which it took effect; NULL: scheduled",
        ),
        sa.Column("former_price_minor", sa.BigInteger(), nullable=True, comment="what the plan cost before"),
        sa.Column("former_currency", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("client_no", "change_no", name=op.f("plan_change_pkey")),
        info={"grants": "SELECT, INSERT, UPDATE"},
    )
    op.create_index(
        "plan_change_plan_instance_no_idx", "plan_change", ["client_no", "plan_instance_no"], unique=False
    )
    op.create_index(
        "plan_change_scheduled_idx",
        "plan_change",
        ["client_no", "effective_date"],
        unique=False,
        postgresql_where=sa.text("applied_on IS NULL"),
    )
    op.create_table(
        "plan_suspension",
        sa.Column("client_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("plan_instance_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("suspended_on", sa.Date(), nullable=False),
        sa.Column("resumed_on", sa.Date(), nullable=False, comment="the first day with service again"),
        sa.PrimaryKeyConstraint(
            "client_no", "plan_instance_no", "suspended_on", name=op.f("plan_suspension_pkey")
        ),
        info={"grants": "SELECT, INSERT, UPDATE"},
    )
    op.create_table(
        "payment_method",
        sa.Column("client_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("acct_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("payment_token", sa.Text(), nullable=False),
        sa.Column("declined_for_good", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "version",
            sa.BigInteger(),
            server_default="1",
            nullable=False,
            comment="counts how often it was set",
        ),
        sa.PrimaryKeyConstraint("client_no", "acct_no", name=op.f("payment_method_pkey")),
        info={"grants": "SELECT, INSERT, UPDATE"},
    )
    op.create_table(
        "usage_rate",
        sa.Column("client_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("usage_type", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("unit_price", sa.Numeric(), nullable=False, comment="in whole units of the currency"),
        sa.PrimaryKeyConstraint("client_no", "usage_type", "currency", name=op.f("usage_rate_pkey")),
        info={"grants": "SELECT, INSERT, UPDATE"},
    )
    op.create_table(
        "usage_record",
        sa.Column("client_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("usage_id", sa.Text(), nullable=False),
        sa.Column("acct_no", sa.BigInteger(), nullable=False),
        sa.Column("plan_instance_no", sa.BigInteger(), nullable=False),
        sa.Column("usage_type", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "origin",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="the file and line that it came with",
        ),
        sa.Column(
            "pending_line_no",
            sa.BigInteger(),
            nullable=True,
            comment="the pending line that it was rated into",
        ),
        sa.PrimaryKeyConstraint("client_no", "usage_id", name=op.f("usage_record_pkey")),
        info={"grants": "SELECT, INSERT, UPDATE"},
    )
    op.create_index(
        "usage_record_acct_no_idx",
        "usage_record",
        ["client_no", "acct_no", "used_at", "usage_id"],
        unique=False,
    )
    op.create_index(
        "usage_record_unrated_idx",
        "usage_record",
        ["client_no", "plan_instance_no", "used_at"],
        unique=False,
        postgresql_where=sa.text("pending_line_no IS NULL"),
    )
    op.create_table(
        "pending_line",
        sa.Column("client_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("line_no", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column(
            "line_id", sa.Text(), nullable=True, comment="the caller's identifier; NULL for rated usage"
        ),
        sa.Column("acct_no", sa.BigInteger(), nullable=False),
        sa.Column("plan_instance_no", sa.BigInteger(), nullable=False),
        sa.Column("line_type", sa.SmallInteger(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column(
            "claimed_for",
            sa.Date(),
            nullable=True,
            comment="the first day of the period whose invoice intent it is part of",
        ),
        sa.Column(
            "invoice_no",
            sa.BigInteger(),
            nullable=True,
            comment="the invoice that it is on; 0: settled with none, since it is zero",
        ),
        sa.CheckConstraint("amount_minor >= 0", name=op.f("pending_line_amount_check")),
        sa.PrimaryKeyConstraint("client_no", "line_no", name=op.f("pending_line_pkey")),
        sa.UniqueConstraint("client_no", "line_id", name=op.f("pending_line_client_no_line_id_key")),
        info={"grants": "SELECT, INSERT, UPDATE"},
    )
    op.create_index(
        "pending_line_waiting_idx",
        "pending_line",
        ["client_no", "plan_instance_no", "line_no"],
        unique=False,
        postgresql_where=sa.text("invoice_no IS NULL"),
    )
    op.create_table(
        "invoice_intent",
        sa.Column("client_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("plan_instance_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False, comment="the last day of the period"),
        sa.Column("acct_no", sa.BigInteger(), nullable=False),
        sa.Column("invoice_date", sa.Date(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column(
            "lines",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="[[line type, description, minor units], ...]",
        ),
        sa.Column("bills_activation", sa.Boolean(), nullable=False),
        sa.Column("next_unbilled_from", sa.Date(), nullable=False),
        sa.Column("next_bill_date", sa.Date(), nullable=True, comment="NULL: never billed again"),
        sa.PrimaryKeyConstraint("client_no", "plan_instance_no", name=op.f("invoice_intent_pkey")),
        info={"grants": "SELECT, INSERT, UPDATE, DELETE"},
    )
    op.create_table(
        "payment_attempt",
        sa.Column("client_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("attempt_id", sa.Text(), nullable=False),
        sa.Column(
            "fact", sa.Text(), nullable=False, comment="the business fact: one payment at most for each"
        ),
        sa.Column("acct_no", sa.BigInteger(), nullable=False),
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("method_kind", sa.SmallInteger(), nullable=False),
        sa.Column("method_version", sa.BigInteger(), nullable=False),
        sa.Column("payment_token", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False, comment="rules.collection.AttemptStatus"),
        sa.Column("gateway_reference", sa.Text(), server_default="", nullable=False),
        sa.Column("decline_code", sa.Text(), server_default="", nullable=False),
        sa.Column("event_no", sa.BigInteger(), nullable=True, comment="the transaction of the ledger"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("payment_attempt_amount_check")),
        sa.PrimaryKeyConstraint("client_no", "attempt_id", name=op.f("payment_attempt_pkey")),
        info={"grants": "SELECT, INSERT, UPDATE"},
    )
    op.create_index("payment_attempt_fact_idx", "payment_attempt", ["client_no", "fact"], unique=False)
    op.create_index(
        "payment_attempt_open_key",
        "payment_attempt",
        ["client_no", "acct_no"],
        unique=True,
        postgresql_where=sa.text("status IN (1, 2, 3, 4)"),
    )
    op.create_table(
        "dunning_step",
        sa.Column("client_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("step_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("days_past_due", sa.Integer(), nullable=False),
        sa.Column("action", sa.SmallInteger(), nullable=False),
        sa.Column("fixed_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("percent", sa.Numeric(), nullable=True),
        sa.PrimaryKeyConstraint("client_no", "step_no", name=op.f("dunning_step_pkey")),
        info={"grants": "SELECT, INSERT, UPDATE, DELETE"},
    )
    op.create_table(
        "dunning_position",
        sa.Column("client_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("acct_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entered_on", sa.Date(), nullable=False, comment="names the cycle"),
        sa.Column("last_step_no", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_step_on", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("client_no", "acct_no", name=op.f("dunning_position_pkey")),
        info={"grants": "SELECT, INSERT, UPDATE, DELETE"},
    )
    op.create_table(
        "dunning_charge_intent",
        sa.Column("client_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("acct_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entered_on", sa.Date(), nullable=False),
        sa.Column("step_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(
            "client_no", "acct_no", "entered_on", "step_no", name=op.f("dunning_charge_intent_pkey")
        ),
        info={"grants": "SELECT, INSERT, UPDATE, DELETE"},
    )
    op.create_table(
        "outgoing_mail",
        sa.Column("client_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("mail_no", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "mail_key", sa.Text(), nullable=False, comment="the business fact, so that each is queued once"
        ),
        sa.Column("acct_no", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("client_no", "mail_no", name=op.f("outgoing_mail_pkey")),
        sa.UniqueConstraint("client_no", "mail_key", name=op.f("outgoing_mail_client_no_mail_key_key")),
        info={"grants": "SELECT, INSERT, UPDATE"},
    )
    op.create_index(
        "outgoing_mail_queued_idx",
        "outgoing_mail",
        ["client_no", "mail_no"],
        unique=False,
        postgresql_where=sa.text("sent_at IS NULL"),
    )
    op.create_table(
        "activity_line",
        sa.Column("client_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column(
            "line_no", sa.BigInteger(), autoincrement=False, nullable=False, comment="the header is line 1"
        ),
        sa.Column("line", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("client_no", "file_name", "line_no", name=op.f("activity_line_pkey")),
        info={"grants": "SELECT, INSERT"},
    )
    op.create_table(
        "sandbox_charge",
        sa.Column("client_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("attempt_id", sa.Text(), nullable=False),
        sa.Column("outcome", sa.SmallInteger(), nullable=False, comment="payments.v1.ChargeOutcome"),
        sa.Column("gateway_reference", sa.Text(), nullable=False),
        sa.Column("decline_code", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("client_no", "attempt_id", name=op.f("sandbox_charge_pkey")),
        info={"grants": "SELECT, INSERT, UPDATE"},
    )
    op.create_table(
        "sandbox_outage",
        sa.Column("client_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("client_no", name=op.f("sandbox_outage_pkey")),
        info={"grants": "SELECT, INSERT, DELETE"},
    )
