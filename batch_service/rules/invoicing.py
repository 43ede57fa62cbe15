"""What an invoice of a plan instance is made of, and where the plan stands after it (rule 30).

Choices: one tax line on the sum of all charge lines, before credits, since a credit or coupon is the
seller's own and does not lower the price that was agreed; lines of zero are left out; an invoice without
lines is not made, and the plan moves on all the same. Days on which the plan was suspended or cancelled are
not charged; days that were billed in advance are not given back. In advance the price is that of the bill
date; in arrears each day costs the price of its day, as it was when the customer was served.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import IntEnum
from fractions import Fraction
from itertools import pairwise
from typing import Final, NamedTuple

from batch_service.rules.billing_periods import (
    BillingCycle,
    BillingPosition,
    BillingTiming,
    DayRange,
    fraction_of_periods,
    period_to_bill,
    position_from,
    served_days,
)
from batch_service.rules.proration import percent_of, prorate, round_half_up
from service_kit.money import Money


class LineType(IntEnum):
    """What an invoice line bills; the numbers are the line type codes of the ledger."""

    RECURRING_CHARGE = 1
    TAX_CHARGE = 2
    SERVICE_CREDIT = 3
    COUPON_CREDIT = 4
    ACTIVATION_CHARGE = 5
    USAGE_CHARGE = 6
    RECURRING_ARREARS_CHARGE = 7
    ORDER_CHARGE = 8
    SURCHARGE = 9


CREDIT_LINES: Final = frozenset({LineType.SERVICE_CREDIT, LineType.COUPON_CREDIT})

_RECURRING_LINE: Final = {
    BillingTiming.IN_ADVANCE: LineType.RECURRING_CHARGE,
    BillingTiming.IN_ARREARS: LineType.RECURRING_ARREARS_CHARGE,
}

# How the customer reads an invoice: what comes every time first, what is given back last.
_ORDER_OF_LINES: Final = {
    line_type: place
    for place, line_type in enumerate(
        (
            LineType.RECURRING_CHARGE,
            LineType.RECURRING_ARREARS_CHARGE,
            LineType.ACTIVATION_CHARGE,
            LineType.USAGE_CHARGE,
            LineType.ORDER_CHARGE,
            LineType.SURCHARGE,
            LineType.TAX_CHARGE,
            LineType.SERVICE_CREDIT,
            LineType.COUPON_CREDIT,
        )
    )
}

# An invoice of the ledger has at most 1,000 lines; three of them are the plan's own. What is left waits for
# the next invoice.
MOST_PENDING_LINES: Final = 990


@dataclass(frozen=True, slots=True)
class BilledPlan:
    """What the invoice of a plan instance depends on.

    price: of a full period, as it is now; former_prices says what it was.
    suspensions: the days on which it was suspended.
    cancelled_on: the first day without service, or None.
    tax_percent: on all charge lines; zero when there is none.
    activation_charge: None when there is none, or when it was billed before.
    """

    acct_no: int
    plan_instance_no: int
    description: str
    cycle: BillingCycle
    timing: BillingTiming
    position: BillingPosition
    price: Money
    former_prices: tuple["FormerPrice", ...] = ()
    suspensions: tuple[DayRange, ...] = ()
    cancelled_on: date | None = None
    tax_percent: Fraction = Fraction(0)
    activation_charge: Money | None = None


class FormerPrice(NamedTuple):
    """The price that a plan had before `until`, the day on which a new price took effect."""

    until: date
    price: Money


class PendingLine(NamedTuple):
    """A line that waits for the next invoice of its plan instance."""

    line_no: int
    line_type: LineType
    description: str
    amount: Money


class InvoiceLine(NamedTuple):
    """A line of an invoice to be made."""

    line_type: LineType
    description: str
    amount: Money


class InvoiceComposition(NamedTuple):
    """An invoice to be made.

    lines: empty when there is nothing to invoice.
    pending_line_nos: the pending lines that it settles, those of zero included.
    bills_activation: whether the activation charge is settled with it.
    next_position: where the plan stands after it; None when it is never billed again.
    """

    period: DayRange
    lines: tuple[InvoiceLine, ...]
    pending_line_nos: tuple[int, ...]
    bills_activation: bool
    next_position: BillingPosition | None


class InvoiceIntent(NamedTuple):
    """An invoice that the ledger is asked for until it answers."""

    acct_no: int
    plan_instance_no: int
    period: DayRange
    invoice_date: date
    lines: tuple[InvoiceLine, ...]


@dataclass(frozen=True, slots=True)
class MixedCurrencies:
    """The plan is billed in one currency and has something to bill in another."""

    plan_currency: str
    other_currency: str


def compose(plan: BilledPlan, pending: Sequence[PendingLine]) -> InvoiceComposition | MixedCurrencies:
    """The next invoice of a plan; `pending` are its pending lines, oldest first."""
    taken = pending[:MOST_PENDING_LINES]
    other = _other_currency(plan, taken)
    if other is not None:
        return MixedCurrencies(plan.price.currency, other)
    period = period_to_bill(plan.cycle, plan.timing, plan.position)
    charges = [_recurring_line(plan, period)]
    if plan.activation_charge is not None:
        charges.append(
            InvoiceLine(
                LineType.ACTIVATION_CHARGE, f"Activation of {plan.description}", plan.activation_charge
            )
        )
    lines = charges + [InvoiceLine(line.line_type, line.description, line.amount) for line in taken]
    if plan.tax_percent:
        lines.append(_tax_line(plan, lines))
    kept = [line for line in lines if line.amount.minor_units != 0]
    return InvoiceComposition(
        period=period,
        lines=tuple(sorted(kept, key=lambda line: _ORDER_OF_LINES[line.line_type])),
        pending_line_nos=tuple(line.line_no for line in taken),
        bills_activation=plan.activation_charge is not None,
        next_position=_next_position(plan, period),
    )


def price_on(plan: BilledPlan, day: date) -> Money:
    """The price of a full period that is valid on `day`, also when it was changed since."""
    if not plan.former_prices:
        return plan.price
    later = [former for former in plan.former_prices if former.until > day]
    return min(later, key=lambda former: former.until).price if later else plan.price


def after(plan: BilledPlan, composition: InvoiceComposition) -> BilledPlan | None:
    """The plan once the invoice was made; None when it is never billed again."""
    if composition.next_position is None:
        return None
    activation = None if composition.bills_activation else plan.activation_charge
    return replace(plan, position=composition.next_position, activation_charge=activation)


def _recurring_line(plan: BilledPlan, period: DayRange) -> InvoiceLine:
    served = served_days(period, plan.suspensions, plan.cancelled_on)
    covered = DayRange(served[0].first_day, served[-1].end) if served else period
    return InvoiceLine(
        _RECURRING_LINE[plan.timing],
        f"{plan.description} ({covered.first_day} to {covered.last_day})",
        _recurring_amount(plan, served),
    )


def _recurring_amount(plan: BilledPlan, served: Sequence[DayRange]) -> Money:
    if plan.timing is BillingTiming.IN_ADVANCE:
        price = price_on(plan, plan.position.next_bill_date)
        return prorate(price, fraction_of_periods(plan.cycle, served))
    changes = sorted({former.until for former in plan.former_prices})
    exact = Fraction(0)
    for first, end in pairwise((date.min, *changes, date.max)):
        price = price_on(plan, first)
        part = [days.overlap(DayRange(first, end)) for days in served]
        exact += price.minor_units * fraction_of_periods(plan.cycle, part)
    return Money(round_half_up(exact), plan.price.currency)


def _tax_line(plan: BilledPlan, lines: Sequence[InvoiceLine]) -> InvoiceLine:
    taxed = sum(line.amount.minor_units for line in lines if line.line_type not in CREDIT_LINES)
    tax = percent_of(Money(taxed, plan.price.currency), plan.tax_percent)
    return InvoiceLine(LineType.TAX_CHARGE, f"Tax {float(plan.tax_percent):g}%", tax)


def _next_position(plan: BilledPlan, period: DayRange) -> BillingPosition | None:
    if plan.cancelled_on is not None and plan.cancelled_on <= period.end:
        return None
    return position_from(plan.cycle, plan.timing, period.end)


def _other_currency(plan: BilledPlan, pending: Sequence[PendingLine]) -> str | None:
    amounts = [line.amount for line in pending]
    if plan.activation_charge is not None:
        amounts.append(plan.activation_charge)
    for amount in amounts:
        if amount.currency != plan.price.currency:
            return amount.currency
    return None
