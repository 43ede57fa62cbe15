"""Statements: opening balance, lines with their running balance, sums, closing balance."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_service.rules.statements import (
    MOST_LINES,
    StatementLine,
    compose_statement,
    describe_line,
    require_period,
    require_readable,
)
from service_kit.errors import DomainError, ErrorKind

JUNE = (date(2026, 6, 1), date(2026, 6, 30))


def test_a_statement_runs_from_the_opening_to_the_closing_balance() -> None:
    statement = compose_statement(500, [(1, 200), (2, -600), (3, 50)])

    assert statement.lines == [
        StatementLine(1, 200, 700),
        StatementLine(2, -600, 100),
        StatementLine(3, 50, 150),
    ]
    assert (statement.total_charges, statement.total_credits, statement.closing_balance) == (250, 600, 150)


def test_a_statement_without_transactions_closes_as_it_opened() -> None:
    statement = compose_statement(-70, [])

    assert (list(statement.lines), statement.closing_balance) == ([], -70)


@given(st.integers(-(2**62), 2**62), st.lists(st.integers(-(2**60), 2**60)))
def test_the_last_running_balance_is_the_closing_balance(opening_balance: int, effects: list[int]) -> None:
    statement = compose_statement(opening_balance, enumerate(effects))

    assert statement.closing_balance == opening_balance + sum(effects)
    assert not effects or statement.lines[-1].running_balance == statement.closing_balance


def test_a_period_of_one_day_is_a_period_and_one_that_ends_before_it_starts_is_not() -> None:
    require_period(JUNE[0], JUNE[0])
    with pytest.raises(
        DomainError, match="2026-06-01 is before the period's first day 2026-06-30"
    ) as refusal:
        require_period(JUNE[1], JUNE[0])

    assert (refusal.value.kind, refusal.value.reason) == (ErrorKind.INVALID_ARGUMENT, "DATE_INVALID")


def test_a_statement_that_nobody_could_read_is_refused_with_advice() -> None:
    require_readable(MOST_LINES, *JUNE)
    with pytest.raises(DomainError, match="choose a shorter period") as refusal:
        require_readable(MOST_LINES + 1, *JUNE)

    assert refusal.value.kind is ErrorKind.OUT_OF_RANGE


@pytest.mark.parametrize(
    ("line", "description"),
    [
        ({"name": "Check", "reference": "45678"}, "Check 45678"),
        ({"name": "Voided Check", "reference": "45678", "is_void": True}, "Voided Check 45678"),
        ({"name": "External Charge", "text": "New SIM card"}, "New SIM card"),
        (
            {"name": "Voided External Charge", "text": "New SIM card", "is_void": True},
            "Voided External Charge: New SIM card",
        ),
        ({"name": "Recurring Charge"}, "Recurring Charge"),
    ],
)
def test_a_line_says_what_it_is_for(line: dict[str, object], description: str) -> None:
    assert describe_line(**line) == description  # type: ignore[arg-type]
