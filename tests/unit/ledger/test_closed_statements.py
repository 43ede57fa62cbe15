"""Which period is closed next, and with what balances (rule 6)."""

from datetime import UTC, date, datetime
from typing import Any, Final

import pytest

from ledger_service.rules.closed_statements import (
    LastStatement,
    Unclosed,
    close_statement,
    require_closable,
)
from service_kit.errors import DomainError
from service_kit.money import LARGEST_MINOR_UNITS, SMALLEST_MINOR_UNITS

MARCH: Final = date(2026, 3, 31)
APRIL: Final = date(2026, 4, 30)
NOW: Final = datetime(2026, 5, 1, tzinfo=UTC)
LAST: Final = LastStatement(7, MARCH, 100, 40)


def unclosed(
    last: LastStatement | None = LAST, effect: int = 0, opened_on: date = date(2026, 3, 5), **fields: Any
) -> Unclosed:
    """An account with something to be closed."""
    return Unclosed(1, "USD", opened_on, last, 60, 2, 1, date(2026, 2, 1), effect)._replace(**fields)


def test_a_statement_follows_the_one_before() -> None:
    statement = close_statement(9, 8, unclosed(effect=-30), APRIL, NOW)

    assert (statement.period_start, statement.period_end) == (date(2026, 4, 1), APRIL)
    assert (statement.opening_balance, statement.closing_balance) == (100, 70)
    assert (statement.after_event_no, statement.through_event_no) == (40, 60)
    assert (statement.transactions, statement.adjustments) == (2, 1)


@pytest.mark.parametrize(
    ("opened_on", "first_date", "start"),
    [
        (date(2026, 3, 5), None, date(2026, 3, 5)),
        (date(2026, 3, 5), date(2026, 3, 9), date(2026, 3, 5)),
        (date(2026, 3, 5), date(2026, 2, 1), date(2026, 2, 1)),
        (date(2026, 4, 5), None, MARCH),
        (date(2026, 4, 5), date(2026, 3, 9), date(2026, 3, 9)),
    ],
)
def test_the_first_statement_begins_when_there_was_something_to_tell(
    opened_on: date, first_date: date | None, start: date
) -> None:
    first = unclosed(None, effect=5, opened_on=opened_on, first_date=first_date)

    statement = close_statement(9, 1, first, MARCH, NOW)

    assert statement.period_start == start
    assert (statement.opening_balance, statement.closing_balance, statement.after_event_no) == (0, 5, 0)


@pytest.mark.parametrize("period_end", [date(2026, 3, 1), MARCH])
def test_no_statement_ends_within_a_closed_period(period_end: date) -> None:
    with pytest.raises(DomainError) as refused:
        require_closable(unclosed(), period_end)
    assert refused.value.reason == "STATEMENT_PERIOD_CLOSED"


def test_a_period_of_one_day_is_closed() -> None:
    require_closable(unclosed(), date(2026, 4, 1))


@pytest.mark.parametrize("effect", [LARGEST_MINOR_UNITS - 99, SMALLEST_MINOR_UNITS - 101])
def test_a_balance_that_64_bits_do_not_hold_is_not_closed(effect: int) -> None:
    with pytest.raises(DomainError) as refused:
        require_closable(unclosed(effect=effect), APRIL)
    assert refused.value.reason == "AMOUNT_OUT_OF_RANGE"
