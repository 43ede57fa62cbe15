"""Rule 35: a search covers at most 7 days, both ends included."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_service.rules.date_range import DateRange
from service_kit.errors import DomainError, ErrorKind

FIRST = date(2026, 2, 26)


@pytest.mark.parametrize("width", range(1, 8))
def test_up_to_seven_days_are_searched(width: int) -> None:
    dates = DateRange(FIRST, FIRST + timedelta(days=width - 1))
    assert len(dates.days()) == width
    assert dates.days()[0] == FIRST
    assert dates.days()[-1] == dates.last


def test_an_eighth_day_is_too_many_and_the_message_says_which_range_would_do() -> None:
    with pytest.raises(DomainError) as refused:
        DateRange(FIRST, date(2026, 3, 5))
    assert refused.value.kind is ErrorKind.INVALID_ARGUMENT
    assert refused.value.reason == "DATE_RANGE_TOO_WIDE"
    assert "from_date 2026-02-26 to to_date 2026-03-05 are 8 days" in refused.value.message
    assert "2026-02-26 to 2026-03-04" in refused.value.message
    assert [violation.field for violation in refused.value.field_violations] == ["from_date", "to_date"]


def test_a_range_that_ends_before_it_begins_is_refused_with_both_dates() -> None:
    with pytest.raises(DomainError) as refused:
        DateRange(FIRST, FIRST - timedelta(days=1))
    assert refused.value.kind is ErrorKind.INVALID_ARGUMENT
    assert refused.value.reason == "DATE_RANGE_REVERSED"
    assert "2026-02-26" in refused.value.message
    assert "2026-02-25" in refused.value.message


@given(st.dates(), st.integers(-9, 9))
def test_any_two_dates_are_a_range_of_at_most_seven_days_or_are_refused(first: date, offset: int) -> None:
    last = date.fromordinal(min(max(first.toordinal() + offset, 1), date.max.toordinal()))
    if 0 <= (last - first).days < 7:
        days = DateRange(first, last).days()
        assert days == sorted({first, *days, last})
        assert len(days) == (last - first).days + 1
        return
    with pytest.raises(DomainError) as refused:
        DateRange(first, last)
    assert refused.value.reason == ("DATE_RANGE_REVERSED" if last < first else "DATE_RANGE_TOO_WIDE")
