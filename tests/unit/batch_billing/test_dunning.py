"""Dunning: which steps are due."""

from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_service.rules.dunning import (
    DunningAction,
    DunningPosition,
    DunningStep,
    LeaveDunning,
    Overdue,
    StayOutside,
    TakeSteps,
    charge_of,
    decide,
    fault_of,
    overdue_within,
)
from service_kit.money import Money

DUE = date(2026, 3, 1)
STEPS = (
    DunningStep(1, 3, DunningAction.NOTICE),
    DunningStep(2, 7, DunningAction.RETRY_PAYMENT),
    DunningStep(3, 14, DunningAction.PERCENT_CHARGE, percent=Fraction(3, 2)),
    DunningStep(4, 30, DunningAction.SUSPENSION),
)
OWES = Overdue(Money(5000, "USD"), Money(4000, "USD"), DUE)


def day(days_past_due: int) -> date:
    return DUE + timedelta(days=days_past_due)


@pytest.mark.parametrize(
    ("days_past_due", "last_step_no", "expected"),
    [
        (3, 0, [1]),
        (6, 1, []),
        (7, 1, [2]),
        (7, 0, [1, 2]),
        (45, 0, [1, 2, 3, 4]),
        (45, 3, [4]),
        (45, 4, []),
    ],
)
def test_each_step_that_is_due_is_taken_once_and_in_order(
    days_past_due: int, last_step_no: int, expected: list[int]
) -> None:
    position = DunningPosition(day(3), last_step_no)
    decision = decide(STEPS, position, OWES, day(days_past_due))
    assert isinstance(decision, TakeSteps)
    assert [step.step_no for step in decision.steps] == expected


@pytest.mark.parametrize("days_past_due", [-5, 0, 1, 2])
def test_before_the_first_step_nobody_enters(days_past_due: int) -> None:
    assert decide(STEPS, None, OWES, day(days_past_due)) == StayOutside()


def test_who_enters_begins_a_cycle_on_that_day() -> None:
    decision = decide(STEPS, None, OWES, day(5))
    assert decision == TakeSteps(DunningPosition(day(5)), STEPS[:1])


@pytest.mark.parametrize(
    "overdue",
    [None, replace(OWES, amount=Money(0, "USD")), replace(OWES, oldest_due_date=day(40))],
    ids=["owes nothing", "owes nothing that is overdue", "re-aged"],
)
def test_an_account_leaves_when_nothing_is_overdue(overdue: Overdue | None) -> None:
    assert decide(STEPS, DunningPosition(day(3), 2), overdue, day(20)) == LeaveDunning()


def test_without_steps_there_is_no_dunning() -> None:
    assert decide((), DunningPosition(day(3), 2), OWES, day(20)) == LeaveDunning()
    assert decide((), None, OWES, day(20)) == StayOutside()


def test_a_charge_in_percent_does_not_compound() -> None:
    assert charge_of(STEPS[2], OWES) == Money(60, "USD")


def test_a_fixed_charge_is_what_was_set() -> None:
    step = DunningStep(1, 1, DunningAction.FIXED_CHARGE, fixed_charge=Money(250, "USD"))
    assert charge_of(step, OWES) == Money(250, "USD")


@given(st.lists(st.integers(0, 60), max_size=12))
def test_whatever_days_are_missed_all_steps_come_once_and_in_order(run_days: list[int]) -> None:
    position: DunningPosition | None = None
    taken: list[int] = []
    for days_past_due in sorted(run_days):
        decision = decide(STEPS, position, OWES, day(days_past_due))
        if isinstance(decision, TakeSteps):
            position = decision.position
            taken += [step.step_no for step in decision.steps]
            if decision.steps:
                position = replace(position, last_step_no=decision.steps[-1].step_no)
    reached = max(run_days, default=0)
    assert taken == [step.step_no for step in STEPS if step.days_past_due <= reached]


@pytest.mark.parametrize(
    ("steps", "fault"),
    [
        ([DunningStep(2, 1, DunningAction.NOTICE)], "numbered from 1"),
        ([STEPS[0], DunningStep(2, 3, DunningAction.NOTICE)], "more days past due"),
        ([DunningStep(1, 1, DunningAction.FIXED_CHARGE)], "needs a fixed_charge"),
        ([DunningStep(1, 1, DunningAction.NOTICE, fixed_charge=Money(1, "USD"))], "is no fixed charge"),
        ([DunningStep(1, 1, DunningAction.FIXED_CHARGE, fixed_charge=Money(0, "USD"))], "not above zero"),
        ([DunningStep(1, 1, DunningAction.PERCENT_CHARGE)], "needs a percent"),
        ([DunningStep(1, 1, DunningAction.NOTICE, percent=Fraction(1))], "is no charge in percent"),
    ],
)
def test_steps_that_make_no_sense_are_named(steps: list[DunningStep], fault: str) -> None:
    assert fault in (fault_of(steps) or "")


def test_good_steps_have_no_fault() -> None:
    assert fault_of(STEPS) is None
    assert fault_of([]) is None


@pytest.mark.parametrize("overdue", [None, OWES])
def test_a_late_run_for_a_day_before_the_cycle_began_changes_nothing(overdue: Overdue | None) -> None:
    position = DunningPosition(day(5), 1, day(5))
    assert decide(STEPS, position, overdue, day(2)) == TakeSteps(position, ())


@pytest.mark.parametrize(
    ("balance", "amount", "without_charges", "days"),
    [(9000, 5000, 4000, 3), (4500, 4500, 4000, 3), (1000, 1000, 1000, 3), (0, 0, 0, 0), (-200, 0, 0, 0)],
)
def test_never_more_is_overdue_than_the_balance(
    balance: int, amount: int, without_charges: int, days: int
) -> None:
    overdue = overdue_within(Money(balance, "USD"), Money(5000, "USD"), Money(4000, "USD"), DUE)
    assert overdue.amount == Money(amount, "USD")
    assert overdue.without_dunning_charges == Money(without_charges, "USD")
    assert overdue.days_past_due(day(3)) == days
