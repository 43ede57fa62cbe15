"""Invoices: which lines they have, and where the plan stands after them."""

from dataclasses import replace
from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_service.rules.billing_periods import (
    BillingCycle,
    BillingPosition,
    BillingTiming,
    DayRange,
    first_position,
    fraction_of_periods,
)
from batch_service.rules.invoicing import (
    BilledPlan,
    FormerPrice,
    InvoiceComposition,
    InvoiceLine,
    LineType,
    MixedCurrencies,
    PendingLine,
    after,
    compose,
)
from batch_service.rules.proration import percent_of, prorate, round_half_up
from service_kit.money import Money

ADVANCE, ARREARS = BillingTiming.IN_ADVANCE, BillingTiming.IN_ARREARS


def d(text: str) -> date:
    return date.fromisoformat(text)


def usd(minor_units: int) -> Money:
    return Money(minor_units, "USD")


def plan(start: str, timing: BillingTiming = ADVANCE, anchor_day: int = 1, **changes: object) -> BilledPlan:
    cycle = BillingCycle(d(start), anchor_day, 1)
    basis = BilledPlan(
        acct_no=7,
        plan_instance_no=70,
        description="Basic",
        cycle=cycle,
        timing=timing,
        position=first_position(cycle, timing),
        price=usd(3100),
    )
    return replace(basis, **changes)  # type: ignore[arg-type]


def invoice(of: BilledPlan, *pending: PendingLine) -> InvoiceComposition:
    composition = compose(of, pending)
    assert isinstance(composition, InvoiceComposition)
    return composition


def amounts(composition: InvoiceComposition) -> list[tuple[LineType, int]]:
    return [(line.line_type, line.amount.minor_units) for line in composition.lines]


def pending(line_no: int, line_type: LineType, minor_units: int, currency: str = "USD") -> PendingLine:
    return PendingLine(line_no, line_type, "extra", Money(minor_units, currency))


@pytest.mark.parametrize(
    ("amount", "rounded"),
    [
        (Fraction(1, 2), 1),
        (Fraction(49, 100), 0),
        (Fraction(3, 2), 2),
        (Fraction(5, 2), 3),
        (Fraction(-1, 2), -1),
        (Fraction(-3, 2), -2),
        (Fraction(0), 0),
        (Fraction(1, 3), 0),
    ],
)
def test_a_half_goes_away_from_zero(amount: Fraction, rounded: int) -> None:
    assert round_half_up(amount) == rounded


def test_a_percentage_is_rounded_once() -> None:
    assert percent_of(usd(1010), Fraction(5, 2)) == usd(25)
    assert percent_of(usd(1020), Fraction(5, 2)) == usd(26)


@given(st.integers(0, 10**12), st.fractions(0, 1))
def test_a_part_of_a_price_is_never_more_than_half_a_unit_off(price: int, fraction: Fraction) -> None:
    assert abs(prorate(usd(price), fraction).minor_units - price * fraction) <= Fraction(1, 2)


def test_a_whole_period_in_advance_costs_the_price() -> None:
    made = invoice(plan("2026-01-01"))
    assert made.lines == (
        InvoiceLine(LineType.RECURRING_CHARGE, "Basic (2026-01-01 to 2026-01-31)", usd(3100)),
    )
    assert made.period == DayRange(d("2026-01-01"), d("2026-02-01"))
    assert made.next_position == BillingPosition(d("2026-02-01"), d("2026-02-01"))


def test_a_shorter_first_period_costs_its_days() -> None:
    made = invoice(plan("2026-01-10"))
    assert amounts(made) == [(LineType.RECURRING_CHARGE, 2200)]
    assert made.next_position == BillingPosition(d("2026-02-01"), d("2026-02-01"))


def test_arrears_bill_the_period_that_has_ended() -> None:
    made = invoice(plan("2026-01-10", ARREARS))
    assert amounts(made) == [(LineType.RECURRING_ARREARS_CHARGE, 2200)]
    assert made.period == DayRange(d("2026-01-10"), d("2026-02-01"))
    assert made.next_position == BillingPosition(d("2026-02-01"), d("2026-03-01"))


def test_lines_of_every_type_come_in_the_order_in_which_a_customer_reads_them() -> None:
    made = invoice(
        plan("2026-01-01", tax_percent=Fraction(10), activation_charge=usd(500)),
        pending(1, LineType.COUPON_CREDIT, 100),
        pending(2, LineType.SERVICE_CREDIT, 200),
        pending(3, LineType.SURCHARGE, 300),
        pending(4, LineType.ORDER_CHARGE, 400),
        pending(5, LineType.USAGE_CHARGE, 600),
    )
    assert amounts(made) == [
        (LineType.RECURRING_CHARGE, 3100),
        (LineType.ACTIVATION_CHARGE, 500),
        (LineType.USAGE_CHARGE, 600),
        (LineType.ORDER_CHARGE, 400),
        (LineType.SURCHARGE, 300),
        (LineType.TAX_CHARGE, 490),
        (LineType.SERVICE_CREDIT, 200),
        (LineType.COUPON_CREDIT, 100),
    ]
    assert made.pending_line_nos == (1, 2, 3, 4, 5)
    assert made.bills_activation


def test_lines_of_zero_are_left_out_and_settled_all_the_same() -> None:
    made = invoice(
        plan("2026-01-01", price=usd(0), tax_percent=Fraction(10)), pending(1, LineType.USAGE_CHARGE, 0)
    )
    assert made.lines == ()
    assert made.pending_line_nos == (1,)
    assert made.next_position == BillingPosition(d("2026-02-01"), d("2026-02-01"))


def test_what_is_in_another_currency_than_the_plan_is_not_invoiced() -> None:
    assert compose(plan("2026-01-01"), [pending(1, LineType.SURCHARGE, 5, "EUR")]) == MixedCurrencies(
        "USD", "EUR"
    )


def test_the_activation_charge_is_billed_once() -> None:
    before = plan("2026-01-01", activation_charge=usd(500))
    later = after(before, invoice(before))
    assert later is not None
    assert amounts(invoice(later)) == [(LineType.RECURRING_CHARGE, 3100)]


def test_a_new_price_counts_from_the_invoice_of_its_day_on() -> None:
    changed = plan("2026-01-01", former_prices=(FormerPrice(d("2026-02-01"), usd(6200)),))
    later = after(changed, invoice(changed))
    assert later is not None
    assert amounts(invoice(changed)) == [(LineType.RECURRING_CHARGE, 6200)]
    assert amounts(invoice(later)) == [(LineType.RECURRING_CHARGE, 3100)]


def test_the_first_of_two_later_prices_says_what_was_valid_before() -> None:
    former = (FormerPrice(d("2026-03-01"), usd(200)), FormerPrice(d("2026-02-01"), usd(100)))
    assert amounts(invoice(plan("2026-01-01", former_prices=former)))[0][1] == 100


@pytest.mark.parametrize(
    ("new_from", "amount"), [("2026-02-01", 6200), ("2026-01-11", 4100), ("2026-01-01", 3100)]
)
def test_in_arrears_each_day_costs_the_price_of_its_day(new_from: str, amount: int) -> None:
    changed = plan("2026-01-01", ARREARS, former_prices=(FormerPrice(d(new_from), usd(6200)),))
    assert amounts(invoice(changed)) == [(LineType.RECURRING_ARREARS_CHARGE, amount)]


def test_prices_of_one_day_that_replace_each_other_cost_nothing_in_arrears() -> None:
    former = (FormerPrice(d("2026-01-11"), usd(6200)), FormerPrice(d("2026-01-11"), usd(9999)))
    made = invoice(plan("2026-01-01", ARREARS, former_prices=former))
    assert amounts(made) == [(LineType.RECURRING_ARREARS_CHARGE, 2000 + 2100)]


def test_a_suspension_is_not_charged_once_it_is_over() -> None:
    suspended = DayRange(d("2025-12-20"), d("2026-01-12"))
    made = invoice(plan("2026-01-01", suspensions=(suspended,)))
    assert amounts(made) == [(LineType.RECURRING_CHARGE, 2000)]
    assert made.lines[0].description == "Basic (2026-01-12 to 2026-01-31)"


def test_a_plan_cancelled_in_arrears_owes_the_days_until_then_and_nothing_after() -> None:
    made = invoice(plan("2026-01-01", ARREARS, cancelled_on=d("2026-01-11")))
    assert amounts(made) == [(LineType.RECURRING_ARREARS_CHARGE, 1000)]
    assert made.next_position is None


def test_a_plan_cancelled_in_advance_only_settles_its_pending_lines() -> None:
    cancelled = plan(
        "2026-01-01",
        cancelled_on=d("2026-01-20"),
        position=BillingPosition(d("2026-02-01"), d("2026-02-01")),
    )
    made = invoice(cancelled, pending(1, LineType.USAGE_CHARGE, 40))
    assert amounts(made) == [(LineType.USAGE_CHARGE, 40)]
    assert made.next_position is None


@given(st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.integers(1, 31), st.sampled_from(BillingTiming))
def test_a_year_of_invoices_bills_every_day_once(start: date, anchor_day: int, timing: BillingTiming) -> None:
    billed = plan(start.isoformat(), timing, anchor_day)
    covered = []
    for _ in range(12):
        made = invoice(billed)
        covered.append(made.period)
        following = after(billed, made)
        assert following is not None
        billed = following
    whole = DayRange(start, covered[-1].end)
    assert sum(period.days for period in covered) == whole.days
    assert fraction_of_periods(billed.cycle, covered) == fraction_of_periods(billed.cycle, [whole])
