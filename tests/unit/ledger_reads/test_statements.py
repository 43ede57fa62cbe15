"""Statements: opening balance, lines with their running balance, sums, closing balance."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_service.rules.sources import (
    BalanceTransfer,
    CheckRefund,
    DunningCharge,
    ElectronicPayment,
    ExternalCharge,
    ExternalPayment,
    InvoiceLine,
    Source,
)
from ledger_service.rules.statements import (
    MOST_LINES,
    compose_statement,
    describe,
    require_period,
    require_readable,
)
from ledger_service.rules.transaction_types import TRANSACTION_TYPES
from ledger_service.rules.transactions import Transaction
from service_kit.errors import DomainError, ErrorKind

JUNE = (date(2026, 6, 1), date(2026, 6, 30))


def transaction(code: int, amount: int = 100, source: Source | None = None) -> Transaction:
    return Transaction(
        client_no=7,
        event_no=101,
        acct_no=1,
        plan_instance_no=0,
        type=TRANSACTION_TYPES[code],
        source_no=1,
        amount=amount,
        currency="USD",
        effective_date=JUNE[0],
        created_at=datetime(2026, 6, 1, tzinfo=UTC),
        related_event_no=0,
        voided_by_event_no=0,
        reason_code="",
        comment="",
        source=source,
    )


def test_a_statement_runs_from_the_opening_to_the_closing_balance() -> None:
    statement = compose_statement(500, [transaction(9, 200), transaction(10, 600), transaction(9, 50)])

    assert [line.running_balance for line in statement.lines] == [700, 100, 150]
    assert (statement.total_charges, statement.total_credits, statement.closing_balance) == (250, 600, 150)


def test_a_statement_without_transactions_closes_as_it_opened() -> None:
    statement = compose_statement(-70, [])

    assert (list(statement.lines), statement.closing_balance) == ([], -70)


@given(
    st.integers(-(2**50), 2**50),
    st.lists(st.builds(transaction, st.sampled_from([9, -9, 10, -10]), st.integers(1, 2**50))),
)
def test_the_last_running_balance_is_the_closing_balance(
    opening_balance: int, transactions: list[Transaction]
) -> None:
    statement = compose_statement(opening_balance, transactions)

    assert statement.closing_balance == opening_balance + sum(each.effect for each in transactions)
    assert not transactions or statement.lines[-1].running_balance == statement.closing_balance


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

    assert (refusal.value.kind, refusal.value.reason) == (ErrorKind.OUT_OF_RANGE, "STATEMENT_TOO_LONG")


@pytest.mark.parametrize(
    ("code", "source", "description"),
    [
        (2, ExternalPayment("45678", JUNE[0]), "Check 45678"),
        (-2, ExternalPayment("45678", JUNE[0]), "Voided Check 45678"),
        (3, ElectronicPayment("gw-1", 1), "Electronic Payment"),
        (4, BalanceTransfer(17), "Balance Transfer To Account (17)"),
        (9, None, "Balance Forward"),
        (13, CheckRefund(99, "123"), "Refund of External Payment 123"),
        (14, ExternalCharge("New SIM card"), "New SIM card"),
        (-14, ExternalCharge("New SIM card"), "Voided External Charge (New SIM card)"),
        (15, DunningCharge(1, "Late fee"), "Late fee"),
        (21, InvoiceLine(1, "Fibre, June", 1, 5), "Fibre, June"),
        (21, InvoiceLine(1, "", 1, 5), "Recurring Charge"),
        (-21, InvoiceLine(2, "", 1, 5), "Voided Invoice Charge Line Item (Tax Charge)"),
    ],
)
def test_a_line_says_what_it_is_for(code: int, source: Source | None, description: str) -> None:
    assert describe(transaction(code, source=source)) == description


@pytest.mark.parametrize("code", TRANSACTION_TYPES)
def test_a_line_says_something_whatever_its_type(code: int) -> None:
    assert describe(transaction(code))
