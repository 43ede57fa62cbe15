"""The cursors of WatchTransactions: a place in the order of a client's transactions, opaque to callers.

A cursor is no secret and grants nothing, so it is not signed. It says which form it has, so that another form
can come later while callers still hold cursors of this one.
"""

import base64
import json
from typing import Final

from ledger_service.rules import refusals

_VERSION: Final = 1
_PLACES: Final = range(2**63)


def cursor_of(client_no: int, place: int | None) -> str:
    """The cursor of a place; empty for none."""
    if place is None:
        return ""
    content = json.dumps([_VERSION, client_no, place], separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def place_of(client_no: int, cursor: str) -> int:
    """The place of a cursor; CURSOR_INVALID when it is none of ours, or another client's."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        content = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    # RecursionError: json nests as deeply as the garbage does.
    except (ValueError, RecursionError):
        content = None
    match content:
        case [int(version), int(client), int(place)] if version == _VERSION and place in _PLACES:
            if client != client_no:
                raise refusals.cursor_invalid("it belongs to another client")
            return place
    raise refusals.cursor_invalid("it is not one that this service gave out")
