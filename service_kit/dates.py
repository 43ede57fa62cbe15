"""google.type.Date and google.protobuf.Timestamp at the border: checked on the way in, exact on both."""

from datetime import UTC, date, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date

from service_kit.errors import SharedReason, invalid_field

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def date_from_proto(value: Date, field: str) -> date:
    """A calendar day; DomainError DATE_INVALID about `field` when a part is missing or there is no such day.

    google.type.Date also spells years, months and anniversaries by leaving parts 0. No rule of ours has a use
    for them, and a bill for "February" is a mistake: all three parts are required.
    """
    try:
        return date(value.year, value.month, value.day)
    except ValueError:
        written = f"{value.year:04d}-{value.month:02d}-{value.day:02d}"
        raise invalid_field(
            field,
            f"{written} is not a day of the calendar: year, month and day are required",
            SharedReason.DATE_INVALID,
        ) from None


def date_to_proto(value: date) -> Date:
    """The contract's form of a calendar day."""
    return Date(year=value.year, month=value.month, day=value.day)


def write_date(into: Date, value: date) -> None:
    """Write a calendar day into a field of a message: cheaper than to make a message that is copied there."""
    into.year = value.year
    into.month = value.month
    into.day = value.day


def instant_from_proto(value: Timestamp, field: str) -> datetime:
    """An aware instant in UTC, in microseconds; DomainError DATE_INVALID outside of the years 1 to 9999."""
    try:
        return value.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise invalid_field(
            field,
            f"{value.seconds} seconds is not an instant of the years 1 to 9999",
            SharedReason.DATE_INVALID,
        ) from None


def instant_to_proto(value: datetime) -> Timestamp:
    """The contract's form of an aware instant; ValueError when it has no time zone."""
    instant = Timestamp()
    write_instant(instant, value)
    return instant


def write_instant(into: Timestamp, value: datetime) -> None:
    """Write an aware instant into a field of a message; ValueError when it has no time zone."""
    if value.tzinfo is None:
        raise ValueError(f"{value.isoformat()} has no time zone: give an aware instant")
    since = value - _EPOCH
    into.seconds = since.days * 86_400 + since.seconds
    into.nanos = since.microseconds * 1_000
