"""The results of a call that all look the same, except for the numbers in them.

An object of Python for each result, and for each message within it, takes longer to make than all the rest of
such an answer. But its bytes are a pattern that is repeated, if each number has as many bytes in all results:
so the pattern is written as often as there are results, and the numbers over it, column by column. What the
bytes of a message are is told in protobuf's documentation ("Encoding"); that these are the ones that protobuf
itself writes, by the tests.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

from tallybook.ledger.v1 import ledger_pb2

_VARINT: Final = 0
_LENGTH_DELIMITED: Final = 2


class NotUniformError(Exception):
    """The results don't have the same length."""


class Numbers(NamedTuple):
    """A number for each of the results, and its place in a result: so many bytes."""

    column: Sequence[int]
    length: int


Parts: TypeAlias = list[bytes | Numbers]
"""Of the pattern: what is in all results, and what is in each."""


def number_field(field: int, column: Sequence[int]) -> Parts:
    """A field with a positive number. NotUniformError if the numbers don't have the same length in bytes."""
    length = _length(min(column))
    if _length(max(column)) != length:
        raise NotUniformError
    return [_tag(field, _VARINT), Numbers(column, length)]


def message_field(field: int, parts: Parts) -> Parts:
    """A field with a message."""
    size = sum(part.length if isinstance(part, Numbers) else len(part) for part in parts)
    return [_tag(field, _LENGTH_DELIMITED), _varint(size), *parts]


def repeated(parts: Parts, count: int) -> bytes:
    """So many results, each with its own of the numbers."""
    pattern = b"".join(bytes(part.length) if isinstance(part, Numbers) else part for part in parts)
    results = bytearray(pattern * count)
    start = 0
    for part in parts:
        if isinstance(part, Numbers):
            numbers = _written(part)
            for place in range(part.length):
                results[start + place :: len(pattern)] = numbers[place :: part.length]
            start += part.length
        else:
            start += len(part)
    return bytes(results)


def _length(value: int) -> int:
    """Of a number as it is written, seven bits to a byte."""
    return -(-value.bit_length() // 7)


def _tag(field: int, kind: int) -> bytes:
    return _varint(field << 3 | kind)


def _varint(value: int) -> bytes:
    return _written(Numbers([value], _length(value)))


def _written(numbers: Numbers) -> bytes:
    """One after the other, as protobuf writes those of a list after the list's tag and length."""
    content = ledger_pb2.BatchGetTransactionsRequest(event_nos=numbers.column).SerializeToString()
    return content[-numbers.length * len(numbers.column) :]
