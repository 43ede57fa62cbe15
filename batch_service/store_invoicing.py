"""The SQL of the Invoicer: plans that are due, what their invoices are made of, and what the ledger answered.

An invoice is composed and written down (the intent) before the ledger is asked. Until the answer is
settled, every run sends the same intent again, so that a crash at any point changes neither what is on the
invoice nor which pending lines it took.
"""

import json
from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import Any, Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from batch_service.arrays import columns
from batch_service.rules.billing_periods import (
    ONE_DAY,
    BillingCycle,
    BillingPosition,
    BillingTiming,
    DayRange,
)
from batch_service.rules.invoicing import (
    BilledPlan,
    FormerPrice,
    InvoiceComposition,
    InvoiceIntent,
    InvoiceLine,
    LineType,
    PendingLine,
)
from service_kit.database import raw_connection
from service_kit.money import Money

_NO_TAX: Final = Fraction(0)


class DuePlan(NamedTuple):
    """A plan that is due, with the pending lines that no invoice took yet."""

    plan: BilledPlan
    pending: tuple[PendingLine, ...]


# Active plans, and cancelled ones with a last invoice to come; and whatever an earlier run left open.
_DUE: Final = """
    SELECT plan_instance_no, acct_no FROM recurring_plan
    WHERE client_no = $1 AND next_bill_date <= $2 AND status IN (1, 3)
    UNION
    SELECT plan_instance_no, acct_no FROM invoice_intent WHERE client_no = $1
    ORDER BY plan_instance_no
"""

_LOCK_DUE: Final = """
    SELECT acct_no, plan_instance_no, description, price_minor, currency, timing, period_months, anchor_day,
           start_date, activation_minor, activation_billed, tax_percent, cancelled_on, unbilled_from,
           next_bill_date
    FROM unnest($2::bigint[]) AS wanted
    CROSS JOIN LATERAL (
        SELECT * FROM recurring_plan WHERE client_no = (SELECT $1::bigint) AND plan_instance_no = wanted
        OFFSET 0 FOR NO KEY UPDATE
    ) AS plan
    WHERE next_bill_date <= $3 AND status IN (1, 3)
"""

# A statement of its own: only a look that is taken after the lock sees what another worker wrote before it.
_WITH_INTENT: Final = """
    SELECT plan_instance_no FROM invoice_intent
    WHERE client_no = $1 AND plan_instance_no = ANY($2::bigint[])
"""

_SUSPENSIONS: Final = """
    SELECT plan_instance_no, suspended_on, resumed_on FROM plan_suspension
    WHERE client_no = $1 AND plan_instance_no = ANY($2::bigint[])
"""

_FORMER_PRICES: Final = """
    SELECT plan_instance_no, effective_date, former_price_minor, former_currency
    FROM unnest($2::bigint[]) AS wanted
    CROSS JOIN LATERAL (
        SELECT * FROM plan_change WHERE client_no = (SELECT $1::bigint) AND plan_instance_no = wanted OFFSET 0
    ) AS change
    WHERE former_price_minor IS NOT NULL
    ORDER BY change_no
"""

_PENDING: Final = """
    SELECT plan_instance_no, line_no, line_type, description, amount_minor, currency
    FROM unnest($2::bigint[]) AS wanted
    CROSS JOIN LATERAL (
        SELECT * FROM pending_line
        WHERE client_no = (SELECT $1::bigint) AND plan_instance_no = wanted
          AND invoice_no IS NULL AND claimed_for IS NULL
        OFFSET 0
    ) AS line
    ORDER BY line_no
"""

_ADD_INTENTS: Final = """
    INSERT INTO invoice_intent
        (client_no, plan_instance_no, acct_no, period_start, period_end, invoice_date, currency, lines,
         bills_activation, next_unbilled_from, next_bill_date)
    SELECT $1, given.* FROM unnest(
        $2::bigint[], $3::bigint[], $4::date[], $5::date[], $6::date[], $7::text[], $8::jsonb[],
        $9::boolean[], $10::date[], $11::date[]
    ) AS given
"""

_CLAIM_LINES: Final = """
    UPDATE pending_line AS line SET claimed_for = given.period_start
    FROM (
        SELECT $1::bigint AS client_no, one.*
        FROM unnest($2::bigint[], $3::date[]) AS one (line_no, period_start)
        OFFSET 0
    ) AS given
    WHERE line.client_no = given.client_no AND line.line_no = given.line_no
"""

# As text: who decodes JSON on a connection is none of our business.
_INTENTS: Final = """
    SELECT plan_instance_no, acct_no, period_start, period_end, invoice_date, currency, lines::text AS lines
    FROM invoice_intent
    WHERE client_no = $1 AND plan_instance_no = ANY($2::bigint[]) ORDER BY plan_instance_no
"""

# A period without anything to invoice: its lines of zero are settled, and the plan moves on.
_SETTLE_LINES_OF_ZERO: Final = """
    UPDATE pending_line SET invoice_no = 0 WHERE client_no = $1 AND line_no = ANY($2::bigint[])
"""

_MOVE_ON: Final = """
    UPDATE recurring_plan AS plan
    SET unbilled_from = given.unbilled_from, next_bill_date = given.next_bill_date, billed = true,
        activation_billed = plan.activation_billed OR given.bills_activation
    FROM (
        SELECT $1::bigint AS client_no, one.*
        FROM unnest($2::bigint[], $3::date[], $4::date[], $5::boolean[])
            AS one (plan_instance_no, unbilled_from, next_bill_date, bills_activation)
        OFFSET 0
    ) AS given
    WHERE plan.client_no = given.client_no AND plan.plan_instance_no = given.plan_instance_no
"""

# One statement, so that it happens once: who finds the intent gone settles nothing. An invoice that was not
# made of the intent gives its lines back. A plan that was ended meanwhile stays ended.
_SETTLE: Final = """
    WITH answered AS (
        SELECT $1::bigint AS client_no, given.*
        FROM unnest($2::bigint[], $3::date[], $4::bigint[], $5::boolean[])
            AS given (plan_instance_no, period_start, invoice_no, took_lines)
        OFFSET 0
    ), settled AS (
        DELETE FROM invoice_intent AS intent USING answered
        WHERE intent.client_no = answered.client_no AND intent.plan_instance_no = answered.plan_instance_no
          AND intent.period_start = answered.period_start
        RETURNING intent.*, answered.invoice_no, answered.took_lines
    ), invoiced AS (
        UPDATE pending_line AS line
        SET invoice_no = CASE WHEN settled.took_lines THEN settled.invoice_no END,
            claimed_for = CASE WHEN settled.took_lines THEN line.claimed_for END
        FROM settled
        WHERE line.client_no = settled.client_no AND line.plan_instance_no = settled.plan_instance_no
          AND line.claimed_for = settled.period_start AND line.invoice_no IS NULL
    )
    UPDATE recurring_plan AS plan
    SET unbilled_from = settled.next_unbilled_from,
        next_bill_date = CASE WHEN plan.next_bill_date IS NOT NULL THEN settled.next_bill_date END,
        billed = true,
        activation_billed = plan.activation_billed OR (settled.bills_activation AND settled.took_lines)
    FROM settled
    WHERE plan.client_no = settled.client_no AND plan.plan_instance_no = settled.plan_instance_no
"""

# What the ledger refused is composed anew by the next run, from what is right then.
_DISCARD: Final = """
    WITH refused AS (
        DELETE FROM invoice_intent
        WHERE client_no = $1
          AND (plan_instance_no, period_start) IN (SELECT * FROM unnest($2::bigint[], $3::date[]))
        RETURNING client_no, plan_instance_no, period_start
    )
    UPDATE pending_line AS line SET claimed_for = NULL FROM refused
    WHERE line.client_no = refused.client_no AND line.plan_instance_no = refused.plan_instance_no
      AND line.claimed_for = refused.period_start AND line.invoice_no IS NULL
"""


async def plan_instances_to_invoice(
    connection: AsyncConnection, client_no: int, business_date: date
) -> list[tuple[int, int]]:
    """The plan instances that are due, with their accounts, by number."""
    driver = await raw_connection(connection)
    rows = await driver.fetch(_DUE, client_no, business_date)
    return [(row["plan_instance_no"], row["acct_no"]) for row in rows]


async def lock_due_plans(
    connection: AsyncConnection, client_no: int, plan_instance_nos: Sequence[int], business_date: date
) -> list[DuePlan]:
    """Those of these plans that are due and have no open intent, locked, with what their invoices depend
    on.
    """
    driver = await raw_connection(connection)
    # Locked in the order of their numbers, as every statement that locks plans does.
    locked = await driver.fetch(_LOCK_DUE, client_no, sorted(plan_instance_nos), business_date)
    open_ones = {row[0] for row in await driver.fetch(_WITH_INTENT, client_no, plan_instance_nos)}
    rows = [row for row in locked if row["plan_instance_no"] not in open_ones]
    numbers = [row["plan_instance_no"] for row in rows]
    suspensions = _grouped(await driver.fetch(_SUSPENSIONS, client_no, numbers))
    former_prices = _grouped(await driver.fetch(_FORMER_PRICES, client_no, numbers))
    pending = _grouped(await driver.fetch(_PENDING, client_no, numbers))
    return [
        DuePlan(
            _billed_plan(
                row,
                suspensions.get(row["plan_instance_no"], []),
                former_prices.get(row["plan_instance_no"], []),
            ),
            tuple(
                PendingLine(
                    line["line_no"],
                    LineType(line["line_type"]),
                    line["description"],
                    Money(line["amount_minor"], line["currency"]),
                )
                for line in pending.get(row["plan_instance_no"], [])
            ),
        )
        for row in rows
    ]


async def add_intents(
    connection: AsyncConnection,
    client_no: int,
    invoice_date: date,
    invoices: Sequence[tuple[BilledPlan, InvoiceComposition]],
) -> list[InvoiceIntent]:
    """Write down invoices that are to be made, claim their pending lines, and return them as they were
    written.
    """
    if not invoices:
        return []
    driver = await raw_connection(connection)
    rows = [
        (
            plan.plan_instance_no,
            plan.acct_no,
            made.period.first_day,
            made.period.last_day,
            invoice_date,
            plan.price.currency,
            json.dumps([(line.line_type, line.description, line.amount.minor_units) for line in made.lines]),
            made.bills_activation,
            made.period.end,
            made.next_position.next_bill_date if made.next_position else None,
        )
        for plan, made in invoices
    ]
    await driver.execute(_ADD_INTENTS, client_no, *columns(rows, 10))
    claims = [(line_no, made.period.first_day) for _, made in invoices for line_no in made.pending_line_nos]
    if claims:
        await driver.execute(_CLAIM_LINES, client_no, *columns(claims, 2))
    return [
        InvoiceIntent(plan.acct_no, plan.plan_instance_no, made.period, invoice_date, made.lines)
        for plan, made in invoices
    ]


async def move_on(
    connection: AsyncConnection, client_no: int, periods: Sequence[tuple[BilledPlan, InvoiceComposition]]
) -> None:
    """Move plans past periods without anything to invoice."""
    if not periods:
        return
    driver = await raw_connection(connection)
    rows = [
        (
            plan.plan_instance_no,
            made.period.end,
            made.next_position.next_bill_date if made.next_position else None,
            made.bills_activation,
        )
        for plan, made in periods
    ]
    await driver.execute(_MOVE_ON, client_no, *columns(rows, 4))
    lines = [line_no for _, made in periods for line_no in made.pending_line_nos]
    await driver.execute(_SETTLE_LINES_OF_ZERO, client_no, lines)


async def open_intents(
    connection: AsyncConnection, client_no: int, plan_instance_nos: Sequence[int]
) -> list[InvoiceIntent]:
    """The invoices of these plan instances that the ledger has not answered for, by plan instance."""
    driver = await raw_connection(connection)
    return [
        InvoiceIntent(
            row["acct_no"],
            row["plan_instance_no"],
            DayRange(row["period_start"], row["period_end"] + ONE_DAY),
            row["invoice_date"],
            tuple(
                InvoiceLine(LineType(line_type), description, Money(minor_units, row["currency"]))
                for line_type, description, minor_units in json.loads(row["lines"])
            ),
        )
        for row in await driver.fetch(_INTENTS, client_no, plan_instance_nos)
    ]


async def settle_intents(
    connection: AsyncConnection, client_no: int, invoiced: Sequence[tuple[InvoiceIntent, int, bool]]
) -> None:
    """Invoices are in the ledger: intent, number, and whether it is the intent's own with the lines it
    claimed.
    """
    driver = await raw_connection(connection)
    rows = [
        (intent.plan_instance_no, intent.period.first_day, invoice_no, took_lines)
        for intent, invoice_no, took_lines in invoiced
    ]
    await driver.execute(_SETTLE, client_no, *columns(rows, 4))


async def discard_intents(
    connection: AsyncConnection, client_no: int, refused: Sequence[InvoiceIntent]
) -> None:
    """The ledger refused these: their lines wait again."""
    if not refused:
        return
    driver = await raw_connection(connection)
    rows = [(intent.plan_instance_no, intent.period.first_day) for intent in refused]
    await driver.execute(_DISCARD, client_no, *columns(rows, 2))


def _grouped(rows: Sequence[Any]) -> dict[int, list[Any]]:
    groups: dict[int, list[Any]] = {}
    for row in rows:
        groups.setdefault(row["plan_instance_no"], []).append(row)
    return groups


def _billed_plan(row: Any, suspensions: list[Any], former_prices: list[Any]) -> BilledPlan:
    currency = row["currency"]
    activation = None if row["activation_billed"] else row["activation_minor"]
    return BilledPlan(
        acct_no=row["acct_no"],
        plan_instance_no=row["plan_instance_no"],
        description=row["description"],
        cycle=BillingCycle(row["start_date"], row["anchor_day"], row["period_months"]),
        timing=BillingTiming(row["timing"]),
        position=BillingPosition(row["unbilled_from"], row["next_bill_date"]),
        price=Money(row["price_minor"], currency),
        former_prices=tuple(
            FormerPrice(
                former["effective_date"], Money(former["former_price_minor"], former["former_currency"])
            )
            for former in former_prices
        ),
        suspensions=tuple(DayRange(days["suspended_on"], days["resumed_on"]) for days in suspensions),
        cancelled_on=row["cancelled_on"],
        tax_percent=Fraction(row["tax_percent"]) if row["tax_percent"] else _NO_TAX,
        activation_charge=Money(activation, currency) if activation else None,
    )
