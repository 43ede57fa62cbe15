"""The results of a call that all look the same, except for the numbers in them.

An object of Python for each result, and for each message within it, takes longer to make than all the rest of
such an answer. But if each number has as many bytes in all results, their bytes are records of one shape
(`service_kit.records`). What the bytes of a message are is told in protobuf's documentation ("Encoding");
that it would itself write the same, by the tests.
"""

from collections.abc import Sequence
from typing import Final

from service_kit.records import Column
from tallybook.ledger.v1 import ledger_pb2

_VARINT: Final = 0
_LENGTH_DELIMITED: Final = 2


class NotUniformError(Exception):
    """The results don't have the same length."""


def number_field(field: int, numbers: Sequence[int]) -> list[bytes | Column]:
    """A field with a positive number. NotUniformError if they don't all have the same length in bytes."""
    length = _length(min(numbers))
    assert length, "protobuf leaves out what is zero"
    if _length(max(numbers)) != length:
        raise NotUniformError
    return [_tag(field, _VARINT), Column(_varints(numbers, length), length)]


def message_field(field: int, fields: list[bytes | Column]) -> list[bytes | Column]:
    """A field with a message that has these fields."""
    size = sum(each.width if isinstance(each, Column) else len(each) for each in fields)
    return [_tag(field, _LENGTH_DELIMITED), _varint(size), *fields]


def _tag(field: int, kind: int) -> bytes:
    return _varint(field << 3 | kind)


def _varint(number: int) -> bytes:
    return _varints([number], _length(number))


def _length(number: int) -> int:
    """In bytes, of seven bits each."""
    return -(-number.bit_length() // 7)


def _varints(numbers: Sequence[int], length: int) -> bytes:
    """One after the other, as protobuf writes those of a list behind the list's own tag and length."""
    content = ledger_pb2.BatchGetTransactionsRequest(event_nos=numbers).SerializeToString()
    return content[-length * len(numbers) :]
