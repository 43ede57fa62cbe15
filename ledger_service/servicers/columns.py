"""What the readers of calls of many messages have in common, which read them field by field."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import chain
from typing import Any, Final, Protocol, TypeVar

from service_kit.message_columns import Messages

Part_co = TypeVar("Part_co", bound=Sequence[Any], covariant=True)

# So many messages are read before others have their turn: a millisecond or two.
_PART: Final = 500


class Repeated(Protocol[Part_co]):
    """A repeated field of a message."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> Part_co: ...


def in_parts(messages: Repeated[Part_co]) -> Iterator[tuple[int, Part_co]]:
    """The messages of a call in parts, each with the place of its first.

    Keep none of them: protobuf is slower the more of its messages are in use. And let others have their turn
    before the next part: small calls, and groups that are being written.
    """
    for first in range(0, len(messages), _PART):
        yield first, messages[first : first + _PART]


def days(name: str, messages: Messages) -> list[date]:
    """The days that a field has in each. ValueError where one is none of the calendar."""
    given = messages.within(name)
    return list(map(date, given.column("year"), given.column("month"), given.column("day")))


def days_or(name: str, messages: Messages, otherwise: Sequence[date]) -> Sequence[date]:
    """The days that a field has in each, or the other's where it has none. ValueError as for `days`."""
    given = messages.has(name)
    if not any(given):
        return otherwise
    if all(given):
        return days(name, messages)
    return [
        date(day.year, day.month, day.day) if is_given else other
        for is_given, day, other in zip(given, messages.column(name), otherwise, strict=True)
    ]


def joined(parts: Iterable[Sequence[Sequence[Any]]]) -> list[list[Any]]:
    """The columns of all parts, one after the other."""
    return [list(chain.from_iterable(columns)) for columns in zip(*parts, strict=True)]
