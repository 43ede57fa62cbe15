"""When a plan is billed, and for which days: billing cycles anchored to a day of the month (rule 30).

The anchor periods of a cycle tile the whole calendar, before its start as well: so the days that a first,
shorter period lacks are always days of some full period, and a fraction has an exact meaning.
"""

import calendar
from collections.abc import Sequence
from datetime import date, timedelta
from enum import IntEnum
from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple

# Dates that leave room for a period of 120 months on either side, inside the calendar of Python and of
# PostgreSQL.
EARLIEST_DAY: Final = date(1900, 1, 1)
LATEST_DAY: Final = date(9000, 12, 31)

ONE_DAY: Final = timedelta(days=1)

# Of the plans of a night, most share the period that they are in with many others.
_MANY_PERIODS: Final = 4096


class BillingTiming(IntEnum):
    """When a recurring charge is billed; the numbers are those of the contract."""

    IN_ADVANCE = 1
    IN_ARREARS = 2


class BillingCycle(NamedTuple):
    """How the periods of a plan follow each other.

    start_date: the first day of service.
    anchor_day: 1 to 31, the day of the month on which periods start; in a shorter month its last day.
    period_months: the length of a period.
    """

    start_date: date
    anchor_day: int
    period_months: int


class DayRange(NamedTuple):
    """The days from `first_day` up to, and without, `end`."""

    first_day: date
    end: date

    @property
    def days(self) -> int:
        """How many days it has; 0 when it ends where it begins."""
        return max((self.end - self.first_day).days, 0)

    @property
    def last_day(self) -> date:
        """The last day that belongs to it."""
        return self.end - ONE_DAY

    def overlap(self, other: "DayRange") -> "DayRange":
        """The days that belong to both; empty (0 days) when there are none."""
        first_day = max(self.first_day, other.first_day)
        return DayRange(first_day, max(min(self.end, other.end), first_day))


class BillingPosition(NamedTuple):
    """How far a plan is billed: the first day that no invoice covers, and the date of the next invoice.

    In advance both are the same day; in arrears the next invoice is due on the day after its period.
    """

    unbilled_from: date
    next_bill_date: date


def first_anchor(cycle: BillingCycle) -> date:
    """The first anchor day on or after the start of the service."""
    start = cycle.start_date
    this_month = _day_of_month(start.year * 12 + start.month - 1, cycle.anchor_day)
    if this_month >= start:
        return this_month
    return _day_of_month(start.year * 12 + start.month, cycle.anchor_day)


@lru_cache(maxsize=_MANY_PERIODS)
def anchor_period(cycle: BillingCycle, day: date) -> DayRange:
    """The full anchor period that `day` belongs to."""
    anchor = first_anchor(cycle)
    origin = anchor.year * 12 + anchor.month - 1
    number = (day.year * 12 + day.month - 1 - origin) // cycle.period_months
    starts = _day_of_month(origin + number * cycle.period_months, cycle.anchor_day)
    if day < starts:
        # The month of `day` is one in which a period starts, but later than on `day`.
        number -= 1
        starts = _day_of_month(origin + number * cycle.period_months, cycle.anchor_day)
    ends = _day_of_month(origin + (number + 1) * cycle.period_months, cycle.anchor_day)
    return DayRange(starts, ends)


def next_anchor(cycle: BillingCycle, day: date) -> date:
    """The first day after `day` on which a period starts."""
    return anchor_period(cycle, day).end


def first_position(cycle: BillingCycle, timing: BillingTiming) -> BillingPosition:
    """Where a plan stands that was never billed."""
    return position_from(cycle, timing, cycle.start_date)


def position_from(cycle: BillingCycle, timing: BillingTiming, unbilled_from: date) -> BillingPosition:
    """Where a plan stands whose days before `unbilled_from` are billed."""
    if timing is BillingTiming.IN_ADVANCE:
        return BillingPosition(unbilled_from, unbilled_from)
    return BillingPosition(unbilled_from, next_anchor(cycle, unbilled_from))


def period_to_bill(cycle: BillingCycle, timing: BillingTiming, position: BillingPosition) -> DayRange:
    """The days that the next invoice covers.

    In arrears they end at the next bill date, which may be no anchor day when the cycle was changed
    meanwhile.
    """
    if timing is BillingTiming.IN_ARREARS and position.next_bill_date > position.unbilled_from:
        return DayRange(position.unbilled_from, position.next_bill_date)
    return DayRange(position.unbilled_from, next_anchor(cycle, position.unbilled_from))


def fraction_of_periods(cycle: BillingCycle, served: Sequence[DayRange]) -> Fraction:
    """How many full periods the served days are, exactly: each day counts as one of the days of its own
    period.
    """
    total: Fraction | int = 0
    for days in served:
        day = days.first_day
        while day < days.end:
            full = anchor_period(cycle, day)
            part = full.overlap(days)
            total += 1 if part == full else Fraction(part.days, full.days)
            day = part.end
    return Fraction(total)


def served_days(
    period: DayRange, suspensions: Sequence[DayRange], cancelled_on: date | None
) -> tuple[DayRange, ...]:
    """The days of `period` on which the plan was neither suspended nor cancelled."""
    end = period.end if cancelled_on is None else min(period.end, cancelled_on)
    served = []
    day = period.first_day
    for suspension in sorted(suspensions):
        if suspension.first_day > day:
            served.append(DayRange(day, min(suspension.first_day, end)))
        day = max(day, suspension.end)
    served.append(DayRange(day, end))
    return tuple(days for days in served if days.days > 0)


def _day_of_month(month_index: int, day: int) -> date:
    """The `day` of a month counted from year 0, or the last day of a month that is shorter."""
    year, month = divmod(month_index, 12)
    return date(year, month + 1, min(day, calendar.monthrange(year, month + 1)[1]))
