"""Messages read field by field: what one field has in all of them, in a pass in C, instead of one message
after the other.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import chain
from operator import attrgetter
from typing import Any, Final, Protocol, TypeVar

from google.protobuf.message import Message

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


def column(name: str, messages: Iterable[Message]) -> list[Any]:
    """What a field has in each."""
    return list(map(attrgetter(name), messages))


def days(name: str, messages: Iterable[Message]) -> list[date]:
    """The days that a field has in each. ValueError where one is none of the calendar."""
    given = column(name, messages)
    return list(map(date, column("year", given), column("month", given), column("day", given)))


def days_or(name: str, messages: Sequence[Message], otherwise: Sequence[date]) -> Sequence[date]:
    """The days that a field has in each, or the other's where it has none. ValueError as for `days`."""
    given = [message.HasField(name) for message in messages]
    if not any(given):
        return otherwise
    return [
        date(day.year, day.month, day.day) if is_given else other
        for is_given, day, other in zip(given, column(name, messages), otherwise, strict=True)
    ]


def joined(parts: Iterable[Sequence[Sequence[Any]]]) -> list[list[Any]]:
    """The columns of all parts, one after the other."""
    return [list(chain.from_iterable(columns)) for columns in zip(*parts, strict=True)]
