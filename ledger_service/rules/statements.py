"""Statements: the transactions of a period between an opening and a closing balance, and what a line says."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final

from ledger_service.rules.invoice_line_types import INVOICE_LINE_TYPES
from ledger_service.rules.sources import (
    BalanceTransfer,
    CheckRefund,
    DunningCharge,
    ExternalCharge,
    ExternalPayment,
    InvoiceLine,
)
from ledger_service.rules.transactions import Transaction
from service_kit.errors import DomainError, ErrorKind, invalid_field

# A statement is one message. Whoever needs more lines than a person can read wants the list of transactions.
MOST_LINES: Final = 10_000


@dataclass(frozen=True, slots=True)
class StatementLine:
    """A transaction on a statement, what the customer reads, and the balance after it in minor units."""

    transaction: Transaction
    description: str
    running_balance: int


@dataclass(frozen=True, slots=True)
class Statement:
    """The lines of a period in order, and its sums in minor units. `total_credits` is not below zero."""

    opening_balance: int
    lines: Sequence[StatementLine]
    total_charges: int
    total_credits: int

    @property
    def closing_balance(self) -> int:
        """The balance at the end of the period."""
        return self.opening_balance + self.total_charges - self.total_credits


def compose_statement(opening_balance: int, transactions: Iterable[Transaction]) -> Statement:
    """The statement over transactions, which are given in the order of effective date and event_no."""
    lines = []
    balance = opening_balance
    total_charges = 0
    total_credits = 0
    for transaction in transactions:
        effect = transaction.effect
        balance += effect
        total_charges += max(effect, 0)
        total_credits += max(-effect, 0)
        lines.append(StatementLine(transaction, describe(transaction), balance))
    return Statement(opening_balance, lines, total_charges, total_credits)


def require_period(period_start: date, period_end: date) -> None:
    """DomainError DATE_INVALID when the period ends before it starts; a period of one day is one."""
    if period_end < period_start:
        raise invalid_field(
            "period_end", f"{period_end} is before the period's first day {period_start}", "DATE_INVALID"
        )


def require_readable(line_count: int, period_start: date, period_end: date) -> None:
    """DomainError STATEMENT_TOO_LONG (OUT_OF_RANGE) when a statement would have too many lines."""
    if line_count > MOST_LINES:
        raise statement_too_long(period_start, period_end)


def statement_too_long(period_start: date, period_end: date) -> DomainError:
    """The refusal of a statement that has too many lines, or too much text, for one message."""
    return DomainError(
        ErrorKind.OUT_OF_RANGE,
        "STATEMENT_TOO_LONG",
        f"the period from {period_start} to {period_end} has more than the {MOST_LINES} transactions, or more"
        " text, than a statement holds: choose a shorter period, or list the transactions",
        metadata={"most_lines": str(MOST_LINES)},
    )


def describe(transaction: Transaction) -> str:
    """What the customer reads: what the source says that it is for, or else the name of what it is.

    What says what it is for speaks for itself, but a void must say that it is one.
    """
    kind, source = transaction.type, transaction.source
    if kind.is_void or not (text := _TEXTS.get(type(source), _no_text)(source)):
        text = " ".join(filter(None, (kind.name, _REFERENCES.get(type(source), _no_text)(source))))
    return text


def _no_text(_source: object) -> str:
    return ""


def _text_of_line(line: InvoiceLine) -> str:
    return line.description or INVOICE_LINE_TYPES[line.line_type].name


# What a source is for, by its kind.
_TEXTS: Final[Mapping[type, Callable[[Any], str]]] = MappingProxyType(
    {
        ExternalCharge: attrgetter("description"),
        DunningCharge: attrgetter("description"),
        InvoiceLine: _text_of_line,
    }
)

# By what the customer knows it, after the name of its type.
_REFERENCES: Final[Mapping[type, Callable[[Any], str]]] = MappingProxyType(
    {
        ExternalPayment: attrgetter("reference_code"),
        CheckRefund: attrgetter("check_number"),
        BalanceTransfer: lambda source: f"({source.counterpart_acct_no})",
        ExternalCharge: lambda source: f"({source.description})",
        DunningCharge: lambda source: f"({source.description})",
        InvoiceLine: lambda source: f"({_text_of_line(source)})",
    }
)
