"""Closed statements (rule 6): which period is closed next, and with what balances.

The statements of an account cut its transactions two ways: by effective date, and by when they were posted.
Up to a statement belongs what takes effect by its last day and was posted before it was closed. Both limits
only grow from one statement to the next, so what belongs up to one belongs up to all later ones; and on a
statement is what belongs up to it, but not up to the one before. So each transaction is on one statement, and
what is back-dated into a closed period is on the next.
"""

from datetime import date, datetime, timedelta
from typing import NamedTuple

from ledger_service.rules import refusals
from service_kit.money import LARGEST_MINOR_UNITS, SMALLEST_MINOR_UNITS


class ClosedStatement(NamedTuple):
    """A closed statement, as it is stored. Balances in minor units.

    after_event_no, through_event_no: the last transaction of the account when the statement before, and when
        this one was closed; 0 where there was none.
    """

    client_no: int
    statement_no: int
    acct_no: int
    period_start: date
    period_end: date
    opening_balance: int
    closing_balance: int
    currency_code: str
    after_event_no: int
    through_event_no: int
    transactions: int
    adjustments: int
    closed_at: datetime


class LastStatement(NamedTuple):
    """What the next statement of an account needs to know of the last."""

    statement_no: int
    period_end: date
    closing_balance: int
    through_event_no: int


class Unclosed(NamedTuple):
    """What would be on the statement of an account that is closed now.

    opened_on: the day on which the account was opened.
    last_event_no: its last transaction, 0 without any.
    first_date: the earliest effective date on the statement; None where nothing is on it.
    effect: what its transactions do to the balance, in minor units.
    """

    acct_no: int
    currency_code: str
    opened_on: date
    last: LastStatement | None
    last_event_no: int
    transactions: int
    adjustments: int
    first_date: date | None
    effect: int


def close_statement(
    client_no: int, statement_no: int, unclosed: Unclosed, period_end: date, now: datetime
) -> ClosedStatement:
    """The statement up to a day; call `require_closable` before."""
    last = unclosed.last
    opening_balance = 0 if last is None else last.closing_balance
    return ClosedStatement(
        client_no=client_no,
        statement_no=statement_no,
        acct_no=unclosed.acct_no,
        period_start=_first_day(unclosed, period_end),
        period_end=period_end,
        opening_balance=opening_balance,
        closing_balance=opening_balance + unclosed.effect,
        currency_code=unclosed.currency_code,
        after_event_no=0 if last is None else last.through_event_no,
        through_event_no=unclosed.last_event_no,
        transactions=unclosed.transactions,
        adjustments=unclosed.adjustments,
        closed_at=now,
    )


def require_closable(unclosed: Unclosed, period_end: date) -> None:
    """STATEMENT_PERIOD_CLOSED when the day lies in a closed period; AMOUNT_OUT_OF_RANGE."""
    last = unclosed.last
    if last is not None and period_end <= last.period_end:
        raise refusals.statement_period_closed(
            unclosed.acct_no, period_end, last.statement_no, last.period_end
        )
    opening_balance = 0 if last is None else last.closing_balance
    # What takes effect later is left out, so that the sum may leave the range that the balance is kept in.
    if not SMALLEST_MINOR_UNITS <= opening_balance + unclosed.effect <= LARGEST_MINOR_UNITS:
        raise refusals.amount_out_of_range(unclosed.acct_no)


def _first_day(unclosed: Unclosed, period_end: date) -> date:
    if unclosed.last is not None:
        return unclosed.last.period_end + timedelta(days=1)
    return min(unclosed.opened_on, unclosed.first_date or period_end, period_end)
