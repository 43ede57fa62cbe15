"""Clocks, and days and instants at the border."""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date
from hypothesis import given
from hypothesis import strategies as st

from service_kit.clock import SystemClock, VirtualClock
from service_kit.dates import date_from_proto, date_to_proto, instant_from_proto, instant_to_proto
from service_kit.errors import DomainError

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


def test_the_system_clock_tells_utc() -> None:
    now = SystemClock().now()
    assert now.tzinfo is UTC
    assert abs(now - datetime.now(UTC)) < timedelta(seconds=1)


def test_a_virtual_clock_stands_still_until_it_is_moved() -> None:
    clock = VirtualClock(NOON)
    assert clock.now() == clock.now() == NOON
    assert clock.advance(timedelta(days=1)) == clock.now() == NOON + timedelta(days=1)
    assert clock.move_to(NOON + timedelta(days=2)) == clock.now()


def test_a_virtual_clock_never_goes_back() -> None:
    clock = VirtualClock(NOON)
    with pytest.raises(ValueError, match="forward only"):
        clock.move_to(NOON - timedelta(microseconds=1))
    with pytest.raises(ValueError, match="forward only"):
        clock.advance(timedelta(seconds=-1))
    assert clock.now() == NOON


def test_a_virtual_clock_needs_a_zone() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        VirtualClock(datetime(2024, 3, 1))  # noqa: DTZ001  # that is the point


@pytest.mark.parametrize(
    ("instant", "zone", "day"),
    [
        ("2024-03-01T04:59:59Z", "America/New_York", date(2024, 2, 29)),
        ("2024-03-01T05:00:00Z", "America/New_York", date(2024, 3, 1)),
        ("2024-03-01T11:00:00Z", "Pacific/Auckland", date(2024, 3, 2)),
        # The clocks change on 10 March 2024 at 2:00: the day after begins an hour earlier in UTC.
        ("2024-03-11T03:59:59Z", "America/New_York", date(2024, 3, 10)),
        ("2024-03-11T04:00:00Z", "America/New_York", date(2024, 3, 11)),
        # And on 3 November back: that day has 25 hours.
        ("2024-11-04T04:59:59Z", "America/New_York", date(2024, 11, 3)),
        ("2024-11-04T05:00:00Z", "America/New_York", date(2024, 11, 4)),
    ],
)
def test_a_business_date_is_the_day_where_the_client_lives(instant: str, zone: str, day: date) -> None:
    assert VirtualClock(datetime.fromisoformat(instant)).business_date(ZoneInfo(zone)) == day


@given(st.dates())
def test_a_day_comes_back_as_it_went(day: date) -> None:
    assert date_from_proto(date_to_proto(day), "d") == day


@pytest.mark.parametrize(
    "parts",
    [
        (0, 0, 0),
        (2024, 0, 0),
        (2024, 2, 0),
        (0, 2, 1),
        (2023, 2, 29),
        (2024, 13, 1),
        (10000, 1, 1),
        (-1, 1, 1),
    ],
)
def test_a_day_that_is_partial_or_none_is_refused(parts: tuple[int, int, int]) -> None:
    with pytest.raises(DomainError) as refused:
        date_from_proto(Date(year=parts[0], month=parts[1], day=parts[2]), "from_date")
    assert refused.value.reason == "DATE_INVALID"
    assert refused.value.field_violations[0].field == "from_date"


@given(st.datetimes(timezones=st.just(UTC)))
def test_an_instant_comes_back_as_it_went(instant: datetime) -> None:
    assert instant_from_proto(instant_to_proto(instant), "i") == instant


def test_an_instant_of_another_zone_is_told_in_utc() -> None:
    instant = datetime(1960, 1, 1, tzinfo=timezone(timedelta(hours=-5)))
    assert instant_from_proto(instant_to_proto(instant), "i").isoformat() == "1960-01-01T05:00:00+00:00"


@pytest.mark.parametrize("seconds", [253402300800, -62135596801, 2**62, -(2**62)])
def test_an_instant_beyond_the_calendar_is_refused(seconds: int) -> None:
    with pytest.raises(DomainError) as refused:
        instant_from_proto(Timestamp(seconds=seconds), "used_at")
    assert refused.value.reason == "DATE_INVALID"


def test_an_instant_without_a_zone_is_a_fault_of_the_program() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        instant_to_proto(datetime(2024, 1, 1))  # noqa: DTZ001  # that is the point
