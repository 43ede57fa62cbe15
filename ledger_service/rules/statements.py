"""Statements: the transactions of a period between an opening and a closing balance, and what a line says."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from service_kit.errors import DomainError, ErrorKind, invalid_field

# A statement is one message. Whoever needs more lines than a person can read wants the list of transactions.
MOST_LINES: Final = 10_000


@dataclass(frozen=True, slots=True)
class StatementLine:
    """A transaction on a statement: its effect on the balance and the balance after it, in minor units."""

    event_no: int
    effect: int
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


def compose_statement(opening_balance: int, effects: Iterable[tuple[int, int]]) -> Statement:
    """The statement over transactions in order of effective date and event_no, each as (event_no, effect)."""
    lines = []
    balance = opening_balance
    total_charges = 0
    total_credits = 0
    for event_no, effect in effects:
        balance += effect
        total_charges += max(effect, 0)
        total_credits += max(-effect, 0)
        lines.append(StatementLine(event_no, effect, balance))
    return Statement(opening_balance, lines, total_charges, total_credits)


def require_period(period_start: date, period_end: date) -> None:
    """DomainError DATE_INVALID when the period ends before it starts; a period of one day is one."""
    if period_end < period_start:
        raise invalid_field(
            "period_end", f"{period_end} is before the period's first day {period_start}", "DATE_INVALID"
        )


def require_readable(line_count: int, period_start: date, period_end: date) -> None:
    """DomainError OUT_OF_RANGE, reason DATE_INVALID, when a statement would have too many lines."""
    if line_count > MOST_LINES:
        raise DomainError(
            ErrorKind.OUT_OF_RANGE,
            "DATE_INVALID",
            f"the period from {period_start} to {period_end} has more than the {MOST_LINES} transactions of a"
            " statement: choose a shorter period, or list the transactions",
            metadata={"most_lines": str(MOST_LINES)},
        )


def describe_line(name: str, *, text: str = "", reference: str = "", is_void: bool = False) -> str:
    """What the customer reads.

    name: of the transaction type, or of the invoice line type where the type is that of invoice lines.
    text: what the source row says it is for; it speaks for itself, but a void must say that it is one.
    reference: a number by which the customer knows the source, such as a check's.
    """
    if text:
        return f"{name}: {text}" if is_void else text
    return f"{name} {reference}" if reference else name
