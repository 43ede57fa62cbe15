"""Many records of one shape as bytes, written column by column.

To write a record takes a step of Python for each, and one for each of its fields. Where a field has the same
bytes in all records, or as many, it takes one step for all: a pattern is repeated, and each column is written
over it, with a stride. Where a field has more bytes in some, the records are put together piece by piece.
"""

import sys
from array import array
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final, NamedTuple, TypeAlias


class Column(NamedTuple):
    """A field of so many bytes (`width`) in each of the records: those of all, one after the other."""

    content: bytes
    width: int


Field: TypeAlias = bytes | Column | list[bytes]
"""What is alike in all records; what is as long in each; or what each has."""


def written(fields: Iterable[Field], count: int) -> bytes:
    """So many records with these fields, one after the other."""
    blocks: list[list[bytes | Column]] = [[]]
    varying: list[list[bytes]] = []
    for field in fields:
        if isinstance(field, list):
            varying.append(field)
            blocks.append([])
        else:
            blocks[-1].append(field)
    if not varying:
        return _block(blocks[0], count)
    columns = [_each(_block(block, count), count) for block in blocks]
    ordered = [columns[0], *chain.from_iterable(zip(varying, columns[1:], strict=True))]
    return b"".join(chain.from_iterable(zip(*ordered, strict=True)))


_CODES: Final = {2: "h", 4: "i", 8: "q"}


def integers(numbers: Sequence[int], width: int) -> Column:
    """Signed numbers of so many bytes, the most significant first. OverflowError when one has more."""
    column = array(_CODES[width], numbers)
    if sys.byteorder == "little":
        column.byteswap()
    return Column(column.tobytes(), width)


def _block(fields: Sequence[bytes | Column], count: int) -> bytes:
    pattern = b"".join(bytes(field.width) if isinstance(field, Column) else field for field in fields)
    records = bytearray(pattern * count)
    start = 0
    for field in fields:
        if isinstance(field, Column):
            for place in range(field.width):
                records[start + place :: len(pattern)] = field.content[place :: field.width]
            start += field.width
        else:
            start += len(field)
    return bytes(records)


def _each(block: bytes, count: int) -> list[bytes]:
    width = len(block) // count
    return [block[start : start + width] for start in range(0, len(block), width)] if width else [b""] * count
