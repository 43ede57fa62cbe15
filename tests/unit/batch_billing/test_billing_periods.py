"""Billing periods: the calendar's edges, and that periods tile it."""

from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_service.rules.billing_periods import (
    BillingCycle,
    BillingPosition,
    BillingTiming,
    DayRange,
    anchor_period,
    first_anchor,
    first_position,
    fraction_of_periods,
    next_anchor,
    period_to_bill,
    position_from,
    served_days,
)

ADVANCE, ARREARS = BillingTiming.IN_ADVANCE, BillingTiming.IN_ARREARS

days = st.dates(date(1950, 1, 1), date(2100, 12, 31))
cycles = st.builds(BillingCycle, days, st.integers(1, 31), st.sampled_from([1, 2, 3, 6, 12, 24, 120]))


def d(text: str) -> date:
    return date.fromisoformat(text)


@pytest.mark.parametrize(
    ("start", "anchor_day", "expected"),
    [
        ("2026-01-01", 1, "2026-01-01"),
        ("2026-01-02", 1, "2026-02-01"),
        ("2026-12-02", 1, "2027-01-01"),
        ("2026-01-31", 31, "2026-01-31"),
        ("2026-02-01", 31, "2026-02-28"),
        ("2028-02-01", 31, "2028-02-29"),
        ("2026-02-28", 31, "2026-02-28"),
        ("2026-02-28", 29, "2026-02-28"),
        ("2028-02-28", 29, "2028-02-29"),
        ("2028-02-29", 28, "2028-03-28"),
        ("2026-04-30", 31, "2026-04-30"),
    ],
)
def test_the_first_anchor_is_on_or_after_the_start(start: str, anchor_day: int, expected: str) -> None:
    assert first_anchor(BillingCycle(d(start), anchor_day, 1)) == d(expected)


@pytest.mark.parametrize(
    ("anchor_day", "bill_dates"),
    [
        (31, "2026-01-31 2026-02-28 2026-03-31 2026-04-30 2026-05-31"),
        (30, "2026-01-30 2026-02-28 2026-03-30 2026-04-30 2026-05-30"),
        (29, "2028-01-29 2028-02-29 2028-03-29 2028-04-29"),
        (29, "2027-01-29 2027-02-28 2027-03-29 2027-04-29"),
        (1, "2026-11-01 2026-12-01 2027-01-01 2027-02-01"),
    ],
)
def test_monthly_bill_dates_return_to_their_anchor_after_a_short_month(
    anchor_day: int, bill_dates: str
) -> None:
    expected = [d(text) for text in bill_dates.split()]
    cycle = BillingCycle(expected[0], anchor_day, 1)
    assert [next_anchor(cycle, day) for day in expected[:-1]] == expected[1:]


@pytest.mark.parametrize(
    ("start", "anchor_day", "months", "bill_dates"),
    [
        ("2024-02-29", 29, 12, "2024-02-29 2025-02-28 2026-02-28 2027-02-28 2028-02-29"),
        ("2024-02-29", 31, 12, "2024-02-29 2025-02-28 2026-02-28 2027-02-28 2028-02-29"),
        ("2025-11-30", 30, 3, "2025-11-30 2026-02-28 2026-05-30 2026-08-30"),
        ("2026-03-15", 1, 12, "2026-03-15 2026-04-01 2027-04-01 2028-04-01"),
    ],
)
def test_longer_periods_keep_their_month_and_their_anchor(
    start: str, anchor_day: int, months: int, bill_dates: str
) -> None:
    expected = [d(text) for text in bill_dates.split()]
    cycle = BillingCycle(d(start), anchor_day, months)
    assert [next_anchor(cycle, day) for day in expected[:-1]] == expected[1:]


@pytest.mark.parametrize(
    ("timing", "start", "first_bill", "first_period_end"),
    [
        (ADVANCE, "2026-01-10", "2026-01-10", "2026-02-01"),
        (ADVANCE, "2026-01-01", "2026-01-01", "2026-02-01"),
        (ARREARS, "2026-01-10", "2026-02-01", "2026-02-01"),
        (ARREARS, "2026-01-01", "2026-02-01", "2026-02-01"),
    ],
)
def test_a_new_plan_is_billed_at_the_start_or_at_the_end_of_its_first_period(
    timing: BillingTiming, start: str, first_bill: str, first_period_end: str
) -> None:
    cycle = BillingCycle(d(start), 1, 1)
    position = first_position(cycle, timing)
    assert position == BillingPosition(d(start), d(first_bill))
    assert period_to_bill(cycle, timing, position) == DayRange(d(start), d(first_period_end))


@pytest.mark.parametrize(
    ("start", "anchor_day", "months", "first", "end", "fraction"),
    [
        ("2026-01-10", 1, 1, "2026-01-10", "2026-02-01", Fraction(22, 31)),
        ("2026-02-15", 1, 1, "2026-02-15", "2026-03-01", Fraction(14, 28)),
        ("2028-02-15", 1, 1, "2028-02-15", "2028-03-01", Fraction(15, 29)),
        ("2026-03-15", 1, 12, "2026-03-15", "2026-04-01", Fraction(17, 365)),
        ("2028-02-15", 1, 12, "2028-02-15", "2028-03-01", Fraction(15, 366)),
        ("2026-01-31", 31, 1, "2026-01-31", "2026-02-28", Fraction(1)),
        ("2026-01-01", 1, 1, "2026-01-01", "2026-03-01", Fraction(2)),
    ],
)
def test_a_part_of_a_period_counts_by_the_days_of_its_own_full_period(
    start: str, anchor_day: int, months: int, first: str, end: str, fraction: Fraction
) -> None:
    cycle = BillingCycle(d(start), anchor_day, months)
    assert fraction_of_periods(cycle, [DayRange(d(first), d(end))]) == fraction


@given(cycles, days)
def test_every_day_lies_in_exactly_one_anchor_period(cycle: BillingCycle, day: date) -> None:
    period = anchor_period(cycle, day)
    assert period.first_day <= day < period.end
    assert anchor_period(cycle, period.end).first_day == period.end
    assert anchor_period(cycle, period.last_day) == period


@given(cycles, st.sampled_from(BillingTiming))
def test_billed_periods_follow_each_other_without_gap_or_overlap(
    cycle: BillingCycle, timing: BillingTiming
) -> None:
    position = first_position(cycle, timing)
    periods = []
    for _ in range(14):
        period = period_to_bill(cycle, timing, position)
        assert position.next_bill_date == (period.first_day if timing is ADVANCE else period.end)
        periods.append(period)
        position = position_from(cycle, timing, period.end)
    assert periods[0].first_day == cycle.start_date
    assert all(earlier.end == later.first_day for earlier, later in pairwise(periods))
    assert all(period.days > 0 for period in periods)
    assert all(fraction_of_periods(cycle, [period]) == 1 for period in periods[1:])
    assert 0 < fraction_of_periods(cycle, periods[:1]) <= 1


@given(cycles, st.integers(0, 400), st.lists(st.integers(0, 400), max_size=5))
def test_the_parts_of_a_period_add_up_to_the_whole(cycle: BillingCycle, length: int, cuts: list[int]) -> None:
    start = cycle.start_date
    bounds = [start + timedelta(days=cut) for cut in sorted({0, length, *(c for c in cuts if c < length)})]
    parts = [DayRange(*bound) for bound in pairwise(bounds)]
    assert fraction_of_periods(cycle, parts) == fraction_of_periods(cycle, [DayRange(start, bounds[-1])])


MARCH = DayRange(d("2026-03-01"), d("2026-04-01"))


@pytest.mark.parametrize(
    ("suspensions", "cancelled_on", "served"),
    [
        ([], None, ["2026-03-01 2026-04-01"]),
        ([], "2026-03-11", ["2026-03-01 2026-03-11"]),
        ([], "2026-02-11", []),
        (["2026-03-05 2026-03-10"], None, ["2026-03-01 2026-03-05", "2026-03-10 2026-04-01"]),
        (["2026-02-05 2026-03-10"], None, ["2026-03-10 2026-04-01"]),
        (["2026-03-20 2026-05-10"], None, ["2026-03-01 2026-03-20"]),
        (["2026-02-20 2026-05-10"], None, []),
        (["2026-04-01 2026-04-10"], None, ["2026-03-01 2026-04-01"]),
        (["2026-03-05 2026-03-10", "2026-03-08 2026-03-12"], "2026-03-20",
         ["2026-03-01 2026-03-05", "2026-03-12 2026-03-20"]),
    ],
)  # fmt: skip
def test_days_without_service_are_not_served(
    suspensions: list[str], cancelled_on: str | None, served: list[str]
) -> None:
    def ranges(texts: list[str]) -> list[DayRange]:
        return [DayRange(*map(d, text.split())) for text in texts]

    cancelled = d(cancelled_on) if cancelled_on else None
    assert list(served_days(MARCH, ranges(suspensions), cancelled)) == ranges(served)
