"""The time, as something that is handed in: rules and processes never ask the machine for it."""

from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The current instant, aware, in UTC."""
        ...

    def business_date(self, zone: ZoneInfo) -> date:
        """The calendar day that it is now in `zone`: the day a client lives in, not the server's."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The current instant, aware, in UTC."""
        return datetime.now(UTC)

    def business_date(self, zone: ZoneInfo) -> date:
        """The calendar day that it is now in `zone`."""
        return self.now().astimezone(zone).date()


class VirtualClock:
    """A clock that stands still until it is moved, and moves forward only.

    Time that went backwards would bill a day twice, so an attempt is a fault of the caller: ValueError.
    """

    def __init__(self, start: datetime) -> None:
        """Start at the aware instant `start`."""
        self._now = _aware_utc(start)

    def now(self) -> datetime:
        """The instant it was last moved to, aware, in UTC."""
        return self._now

    def business_date(self, zone: ZoneInfo) -> date:
        """The calendar day that it is now in `zone`."""
        return self._now.astimezone(zone).date()

    def advance(self, by: timedelta) -> datetime:
        """Move forward by a duration and return the new instant."""
        return self.move_to(self._now + by)

    def move_to(self, instant: datetime) -> datetime:
        """Move forward to an aware instant and return it in UTC; ValueError when it lies in the past."""
        target = _aware_utc(instant)
        if target < self._now:
            raise ValueError(f"a virtual clock moves forward only: it is {self._now.isoformat()} already")
        self._now = target
        return target


def _aware_utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError(f"{instant.isoformat()} has no time zone: give an aware instant")
    return instant.astimezone(UTC)
