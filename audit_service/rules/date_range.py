"""The days that one search may cover (rule 35)."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from audit_service.rules.reasons import AuditReason
from service_kit.errors import DomainError, ErrorKind, FieldViolation

MOST_DAYS: Final = 7
"""Both ends included."""


@dataclass(frozen=True, slots=True)
class DateRange:
    """The days from `first` to `last`, both included; never reversed, never wider than a search may be."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise _refusal(
                AuditReason.DATE_RANGE_REVERSED,
                f"from_date {self.first} is after to_date {self.last}: give the earlier date first",
            )
        width = (self.last - self.first).days + 1
        if width > MOST_DAYS:
            furthest = self.first + timedelta(days=MOST_DAYS - 1)
            raise _refusal(
                AuditReason.DATE_RANGE_TOO_WIDE,
                f"from_date {self.first} to to_date {self.last} are {width} days, both included: a search "
                f"covers at most {MOST_DAYS}, for example {self.first} to {furthest}",
            )

    def days(self) -> list[date]:
        """Each day of the range, the earliest first."""
        width = (self.last - self.first).days + 1
        return [self.first + timedelta(days=offset) for offset in range(width)]


def _refusal(reason: AuditReason, message: str) -> DomainError:
    return DomainError(
        ErrorKind.INVALID_ARGUMENT,
        reason,
        message,
        field_violations=tuple(FieldViolation(field, message, reason) for field in ("from_date", "to_date")),
    )
