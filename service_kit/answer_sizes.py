"""How large an answer may be: no larger than what a gRPC client takes unless it was told to take more.

An answer above that reaches nobody: the client has only RESOURCE_EXHAUSTED, though the work is done.
"""

from collections.abc import Iterable
from typing import Final, TypeVar

from google.protobuf.message import Message

Row = TypeVar("Row", bound=Message)

# The default of every gRPC implementation is 4 MiB. Some room is left for what stands around the rows.
LARGEST_ANSWER_BYTES: Final = 4 * 1024 * 1024 - 64 * 1024


def as_many_as_fit(rows: Iterable[Row], *, largest: int = LARGEST_ANSWER_BYTES) -> list[Row]:
    """The first of the rows, as many as one answer holds; one at least, or a list would never end."""
    shown: list[Row] = []
    size = 0
    for row in rows:
        size += row.ByteSize() + _ROW_HEADER_BYTES
        if shown and size > largest:
            break
        shown.append(row)
    return shown


# The number of the field, and the length of a message below 2 MiB.
_ROW_HEADER_BYTES: Final = 4
