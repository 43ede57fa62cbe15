"""The journal as files for other programs: CSV for spreadsheets and accounting, JSON lines for the rest."""

import csv
import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import IO, Final, Protocol

from console.rendering import as_json_value, day
from service_kit.dates import instant_from_proto
from service_kit.money import Money
from tallybook.ledger.v1.journal_pb2 import JOURNAL_SIDE_DEBIT, JournalLine


class JournalFormat(StrEnum):
    """What an export may look like."""

    CSV = "csv"
    JSONL = "jsonl"


class LineWriter(Protocol):
    """Writes one line of the journal."""

    def __call__(self, line: JournalLine) -> None:
        """Write it."""
        ...


def _amount(line: JournalLine) -> str:
    """ "1234.50": no separators that a program could stumble over."""
    money = Money(line.amount.minor_units, line.amount.currency_code)
    return f"{money.to_decimal():.{money.exponent}f}"


def _or_nothing(number: int) -> str:
    return str(number or "")


CSV_COLUMNS: Final[Mapping[str, Callable[[JournalLine], str]]] = MappingProxyType(
    {
        "event_no": lambda line: str(line.event_no),
        "effective_date": lambda line: day(line.effective_date),
        "recorded_at": lambda line: instant_from_proto(line.recorded_at, "recorded_at").isoformat(),
        "gl_account": lambda line: line.gl_account,
        "debit": lambda line: _amount(line) if line.side == JOURNAL_SIDE_DEBIT else "",
        "credit": lambda line: "" if line.side == JOURNAL_SIDE_DEBIT else _amount(line),
        "currency": lambda line: line.amount.currency_code,
        "transaction_type": lambda line: str(line.transaction_type),
        "acct_no": lambda line: str(line.acct_no),
        "plan_instance_no": lambda line: _or_nothing(line.plan_instance_no),
        "source_no": lambda line: str(line.source_no),
        "invoice_no": lambda line: _or_nothing(line.invoice_no),
        "invoice_line_type": lambda line: _or_nothing(line.invoice_line_type),
        "voids_event_no": lambda line: _or_nothing(line.voids_event_no),
    }
)
"""The columns of the CSV format, and what is in each."""


def _csv_writer(file: IO[str]) -> LineWriter:
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(CSV_COLUMNS)

    def write(line: JournalLine) -> None:
        rows.writerow(value_of(line) for value_of in CSV_COLUMNS.values())

    return write


def _jsonl_writer(file: IO[str]) -> LineWriter:
    def write(line: JournalLine) -> None:
        file.write(json.dumps(as_json_value(line), ensure_ascii=False) + "\n")

    return write


WRITERS: Final[Mapping[JournalFormat, Callable[[IO[str]], LineWriter]]] = MappingProxyType(
    {JournalFormat.CSV: _csv_writer, JournalFormat.JSONL: _jsonl_writer}
)
"""What begins a file of each format, and then writes its lines."""
