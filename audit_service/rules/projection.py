"""What the log says about sessions and records, whatever the order in which its events arrived (rule 36)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeVar
from uuid import UUID


@dataclass(frozen=True, slots=True, order=True)
class Recency:
    """Tells newer from older among what several events say of one thing.

    The producer's own count decides: a session's version, a record's tries. The other two only break a tie
    that a producer should not make, so that the outcome still does not hang on the order of arrival.
    """

    count: int
    occurred_at: datetime
    event_id: UUID


@dataclass(frozen=True, slots=True)
class SessionSnapshot:
    """A batch session as an event tells it. `session` is the contract's BatchSession, serialized."""

    client_no: int
    session_no: int
    recency: Recency
    business_date: date
    status: int
    batch_no: int
    name: str
    actor: str
    message: str
    session: bytes

    @property
    def key(self) -> tuple[int, int]:
        """The session."""
        return (self.client_no, self.session_no)

    @property
    def version_key(self) -> tuple[int, int, int]:
        """The session at this version."""
        return (self.client_no, self.session_no, self.recency.count)


@dataclass(frozen=True, slots=True)
class RecordResult:
    """How a record that failed at least once fared. `record` is the contract's BatchRecord, serialized."""

    client_no: int
    session_no: int
    record_no: int
    recency: Recency
    failed: bool
    record: bytes

    @property
    def key(self) -> tuple[int, int, int]:
        """The record."""
        return (self.client_no, self.session_no, self.record_no)


ToldType = TypeVar("ToldType", SessionSnapshot, RecordResult)


def newest(told: Iterable[ToldType], key: Callable[[ToldType], tuple[int, ...]]) -> list[ToldType]:
    """The newest of what is told of each thing, ordered by `key`, which says what the thing is.

    The order of `told` and repetitions in it make no difference, and parts may be taken in advance:
    newest(a + b) == newest(newest(a) + newest(b)). The store goes on with the same comparison in SQL.
    """
    best: dict[tuple[int, ...], ToldType] = {}
    for each in told:
        other = best.get(key(each))
        if other is None or each.recency > other.recency:
            best[key(each)] = each
    return [best[thing] for thing in sorted(best)]
