"""Files of activity (usage) records: what their lines say, each on its own (rule 34)."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from batch_service.rules.quantities import parse_quantity
from service_kit.errors import DomainError

COLUMNS: Final = ("usage_id", "acct_no", "plan_instance_no", "usage_type", "quantity", "used_at")

_LARGEST_NUMBER: Final = 2**63 - 1
_USAGE_TYPE_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_.-")


@dataclass(frozen=True, slots=True)
class Activity:
    """One usage record of a file."""

    usage_id: str
    acct_no: int
    plan_instance_no: int
    usage_type: str
    quantity: Decimal
    used_at: datetime


@dataclass(frozen=True, slots=True)
class LineFault:
    """Why a line is not loaded: a stable code, and what is wrong with it."""

    reason: str
    message: str


class _FaultyFieldError(Exception):
    """A field can't be read."""

    def __init__(self, fault: LineFault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def read_header(line: str) -> tuple[str, ...] | LineFault:
    """The columns of a file, in its own order; there may be others beside those that are needed."""
    columns = _split(line.removeprefix("\ufeff"))
    if columns is None:
        return LineFault("FILE_INVALID", "the first line is not a line of a CSV file")
    columns = tuple(column.strip() for column in columns)
    missing = [column for column in COLUMNS if column not in columns]
    if missing:
        needed = ", ".join(COLUMNS)
        return LineFault(
            "FILE_INVALID",
            f"the first line names no column {', '.join(missing)}: it has to name {needed}, in any order",
        )
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        return LineFault("FILE_INVALID", f"the first line names the column {', '.join(twice)} twice")
    return columns


def read_line(columns: tuple[str, ...], line: str) -> Activity | LineFault:
    """The record that a line holds, or why it holds none."""
    values = _split(line)
    if values is None or len(values) != len(columns):
        found = "no CSV" if values is None else f"{len(values)} values"
        return LineFault("LINE_MALFORMED", f"{found} where the header names {len(columns)} columns")
    fields = {column: value.strip() for column, value in zip(columns, values, strict=True)}
    try:
        return Activity(
            usage_id=_usage_id(fields),
            acct_no=_number(fields, "acct_no"),
            plan_instance_no=_number(fields, "plan_instance_no"),
            usage_type=_usage_type(fields),
            quantity=_quantity(fields),
            used_at=_instant(fields),
        )
    except _FaultyFieldError as faulty:
        return faulty.fault


def _split(line: str) -> tuple[str, ...] | None:
    try:
        rows = list(csv.reader([line.rstrip("\r\n")], strict=True))
    except csv.Error:
        return None
    return tuple(rows[0]) if len(rows) == 1 else None


def _usage_id(fields: Mapping[str, str]) -> str:
    usage_id = fields["usage_id"]
    if not 1 <= len(usage_id) <= 128 or not usage_id.isprintable():
        raise _FaultyFieldError(
            LineFault("LINE_MALFORMED", "usage_id has to have 1 to 128 printable characters")
        )
    return usage_id


def _usage_type(fields: Mapping[str, str]) -> str:
    usage_type = fields["usage_type"]
    if not 1 <= len(usage_type) <= 64 or not _USAGE_TYPE_CHARACTERS.issuperset(usage_type):
        raise _FaultyFieldError(
            LineFault(
                "LINE_MALFORMED", f"usage_type {usage_type!r} has to be 1 to 64 of a-z, 0-9, '_', '.', '-'"
            )
        )
    return usage_type


def _number(fields: Mapping[str, str], column: str) -> int:
    text = fields[column]
    # isdecimal takes the digits of every script; the numbers of the ledger are written in ASCII.
    if not (text.isascii() and text.isdecimal()) or len(text) > 19 or not 0 < int(text) <= _LARGEST_NUMBER:
        raise _FaultyFieldError(
            LineFault("NUMBER_INVALID", f"{column} {text[:40]!r} is not a whole number above zero")
        )
    return int(text)


def _quantity(fields: Mapping[str, str]) -> Decimal:
    try:
        return parse_quantity(fields["quantity"], "quantity")
    except DomainError as refusal:
        raise _FaultyFieldError(LineFault("NUMBER_INVALID", refusal.message)) from None


def _instant(fields: Mapping[str, str]) -> datetime:
    text = fields["used_at"]
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None:
            instant = instant.replace(tzinfo=UTC)
        return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _FaultyFieldError(
            LineFault("DATE_INVALID", f"used_at {text[:40]!r} is not an instant such as 2026-03-01T14:30:00Z")
        ) from None
