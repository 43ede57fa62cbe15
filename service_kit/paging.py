"""Lists in pages (AIP-158): the rules of page_size, and page tokens that only fit the list they came from.

A token holds the sort key of the last row that was shown (keyset paging), so that a list stays stable while
rows are added, and a fingerprint of the request's filters, so that a token can't be carried over to another
list. It is opaque, not secret: it grants nothing that the request's own authorisation does not grant, so it
is not signed.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, Final, TypeVar, overload
from uuid import UUID

from google.protobuf.message import Message

from service_kit.errors import DomainError, SharedReason, invalid_field

PageKey = int | str | date | datetime | UUID
Key1 = TypeVar("Key1", bound=PageKey)
Key2 = TypeVar("Key2", bound=PageKey)
Key3 = TypeVar("Key3", bound=PageKey)

DEFAULT_PAGE_SIZE: Final = 50
LARGEST_PAGE_SIZE: Final = 1000

_FINGERPRINT_BYTES: Final = 12
_LARGEST_TOKEN: Final = 4096
_BIGINT: Final = range(-(2**63), 2**63)


def page_size(requested: int, *, default: int = DEFAULT_PAGE_SIZE, largest: int = LARGEST_PAGE_SIZE) -> int:
    """The number of rows to show (AIP-158): `default` for 0, at most `largest`; negative is refused."""
    if requested < 0:
        raise invalid_field("page_size", f"{requested} is negative: give 0 for the default of {default}")
    return min(requested or default, largest)


def page_token(request: Message, last_key: Sequence[PageKey]) -> str:
    """The token of the page after the row with the sort key `last_key`, for the list of `request`."""
    key = [_key_to_json(part) for part in last_key]
    content = json.dumps([_fingerprint(request).hex(), *key], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


@overload
def page_start(request: Message, key: type[Key1], /) -> tuple[Key1] | None: ...
@overload
def page_start(request: Message, key: type[Key1], key2: type[Key2], /) -> tuple[Key1, Key2] | None: ...
@overload
def page_start(
    request: Message, key: type[Key1], key2: type[Key2], key3: type[Key3], /
) -> tuple[Key1, Key2, Key3] | None: ...


def page_start(request: Message, /, *key_types: type[Any]) -> tuple[PageKey, ...] | None:
    """The sort key after which the page of `request` starts, with the given types; None for the first page.

    `request` has a field `page_token`. Raises DomainError INVALID_ARGUMENT, reason INVALID_PAGE_TOKEN, when
    the token is none of ours or its list had other filters.
    """
    # Every list request has the field, but no base class says so.
    token: str = request.page_token  # type: ignore[attr-defined]
    if not token:
        return None
    fingerprint, key = _read(token)
    if fingerprint != _fingerprint(request).hex():
        raise _refusal("it belongs to a list with other filters: keep the filters while you page")
    if len(key) != len(key_types):
        raise _refusal("it is not one that this service gave out")
    return tuple(_key_from_json(part, key_type) for part, key_type in zip(key, key_types, strict=True))


def _fingerprint(request: Message) -> bytes:
    """What the list depends on: every field but where the page starts and how long it is."""
    filters = type(request)()
    filters.CopyFrom(request)
    for field in ("page_token", "page_size"):
        filters.ClearField(field)
    canonical = request.DESCRIPTOR.full_name.encode() + b"\0" + filters.SerializeToString(deterministic=True)
    return hashlib.sha256(canonical).digest()[:_FINGERPRINT_BYTES]


def _read(token: str) -> tuple[str, list[object]]:
    try:
        if len(token) > _LARGEST_TOKEN:
            raise ValueError("longer than any token of ours")
        padded = token + "=" * (-len(token) % 4)
        content = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if not isinstance(content, list) or not content or not isinstance(content[0], str):
            raise ValueError("another shape than ours")
    # RecursionError: json nests as deeply as the garbage does.
    except (ValueError, RecursionError):
        raise _refusal("it is not one that this service gave out") from None
    return content[0], content[1:]


def _key_to_json(part: PageKey) -> int | str:
    if isinstance(part, datetime):
        if part.tzinfo is None:
            raise ValueError("a page key needs an aware instant")
        return part.astimezone(UTC).isoformat()
    if isinstance(part, date):
        return part.isoformat()
    if isinstance(part, UUID):
        return str(part)
    return part


def _key_from_json(part: object, key_type: type[PageKey]) -> PageKey:
    # bool is an int for isinstance; NUL is a character that PostgreSQL's text can't hold.
    if key_type is int and type(part) is int and part in _BIGINT:
        return part
    if isinstance(part, str) and "\0" not in part and part.isprintable() | (key_type is str):
        try:
            part.encode()  # lone surrogates pass through JSON, but not into a database
            if key_type is str:
                return part
            if key_type is date:
                return date.fromisoformat(part)
            if key_type is datetime:
                return _aware(datetime.fromisoformat(part))
            if key_type is UUID:
                return UUID(part)
        except ValueError:
            pass
    raise _refusal("it is not one that this service gave out")


def _aware(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError("without a time zone")
    return instant


def _refusal(why: str) -> DomainError:
    return invalid_field("page_token", f"the page token does not fit: {why}", SharedReason.INVALID_PAGE_TOKEN)
