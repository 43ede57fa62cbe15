"""On which days something may take effect: on those that a business can mean.

A transaction of the year 202 or of 20226 is a slip of the hand that nobody would find: it lies before every
period or after all of them. The past reaches back further than any book that is carried over. The future has
room for what is agreed long before it takes effect, and for the business dates of a clock that runs ahead.
"""

from datetime import date
from functools import lru_cache
from typing import Final

from ledger_service.rules import refusals

FIRST_BUSINESS_DATE: Final = date(1900, 1, 1)
YEARS_AHEAD: Final = 10


@lru_cache(maxsize=2)
def last_business_date(today: date) -> date:
    """The last day that can be written today: the last of the year that is `YEARS_AHEAD` from now."""
    return date(today.year + YEARS_AHEAD, 12, 31)


def business_date(day: date, field: str, today: date) -> date:
    """The day; DATE_INVALID about `field` when it is out of range.

    What was in range stays so, since the ends only move apart: a call that is repeated is told the same.
    """
    if not FIRST_BUSINESS_DATE <= day <= last_business_date(today):
        raise refusals.date_invalid(
            field,
            f"{day} is out of range: a business date is from {FIRST_BUSINESS_DATE} to"
            f" {last_business_date(today)}",
        )
    return day
