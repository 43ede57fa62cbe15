"""Rows in the form in which COPY takes them as binary.

asyncpg writes them value by value; this writes them column by column (`service_kit.records`), in a third of
the time. The form is told in PostgreSQL's documentation of COPY ("Binary Format"); that it would itself
write the same, by the tests.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

from sqlalchemy import BigInteger, Date, DateTime, Integer, LargeBinary, SmallInteger, Text

from service_kit.records import Column, Field, integers, written

_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER: Final = b"\xff\xff"
_NULL: Final = b"\xff\xff\xff\xff"
_LENGTH: Final = struct.Struct(">i")
_COUNT: Final = struct.Struct(">h")
# Days and instants are counted from here.
_FIRST_DAY: Final = date(2000, 1, 1).toordinal()
# asyncpg takes the first and the last day of Python for the infinities of PostgreSQL, wherever it meets them.
_ENDS_OF_TIME: Final = MappingProxyType({date.min: -(2**31), date.max: 2**31 - 1})
_FIRST_INSTANT: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def rows_in_binary(types: Sequence[type], rows: Sequence[Sequence[Any]]) -> bytes:
    """All that COPY ... (FORMAT binary) is sent for these rows, at least one. types: of the columns, as
    SQLAlchemy has them. OverflowError when a number does not fit its column.
    """
    fields: list[Field] = [_COUNT.pack(len(types))]
    for kind, column in zip(types, zip(*rows, strict=True), strict=True):
        fields += _fields(FORMS[kind], column)
    return b"".join((_HEADER, written(fields, len(rows)), _TRAILER))


class _Numbers(NamedTuple):
    """A type that is written as a number of so many bytes."""

    width: int
    number_of: Callable[[Any], int] | None = None

    def of_all(self, values: Sequence[Any]) -> Sequence[int]:
        """The numbers that these values are written as."""
        return values if self.number_of is None else list(map(self.number_of, values))


_Encoder: TypeAlias = Callable[[Any], bytes]
"""Of a type that is not written as a number."""


def _fields(form: _Numbers | _Encoder, column: Sequence[Any]) -> list[Field]:
    """Of one column: the length of each value, and the value."""
    if column.count(column[0]) == len(column):
        return [_field(form, column[0])]
    if None in column:
        return [[_field(form, value) for value in column]]
    if isinstance(form, _Numbers):
        return [_LENGTH.pack(form.width), integers(form.of_all(column), form.width)]
    values = list(map(form, column))
    length = len(values[0])
    if all(len(value) == length for value in values):
        return [_LENGTH.pack(length), Column(b"".join(values), length)]
    return [[_LENGTH.pack(len(value)) + value for value in values]]


def _field(form: _Numbers | _Encoder, value: Any) -> bytes:
    if value is None:
        return _NULL
    if isinstance(form, _Numbers):
        (number,) = form.of_all([value])
        content = number.to_bytes(form.width, signed=True)
    else:
        content = form(value)
    return _LENGTH.pack(len(content)) + content


def _day(value: date) -> int:
    return _ENDS_OF_TIME.get(value) or value.toordinal() - _FIRST_DAY


def _instant(value: datetime) -> int:
    return (value - _FIRST_INSTANT) // _MICROSECOND


FORMS: Final[Mapping[type, _Numbers | _Encoder]] = MappingProxyType(
    {
        BigInteger: _Numbers(8),
        Integer: _Numbers(4),
        SmallInteger: _Numbers(2),
        Date: _Numbers(4, _day),
        DateTime: _Numbers(8, _instant),
        Text: str.encode,
        LargeBinary: bytes,
    }
)
"""By type of a column."""
