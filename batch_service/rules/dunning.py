"""Which dunning steps an overdue account has to take, one after the other (rule 32)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction

from batch_service.rules.proration import percent_of
from service_kit.money import Money


class DunningAction(IntEnum):
    """What a step does; the numbers are those of the contract."""

    NOTICE = 1
    RETRY_PAYMENT = 2
    FIXED_CHARGE = 3
    PERCENT_CHARGE = 4
    SUSPENSION = 5


@dataclass(frozen=True, slots=True)
class DunningStep:
    """A step. fixed_charge and percent belong to the actions of that name, and are None for any other."""

    step_no: int
    days_past_due: int
    action: DunningAction
    fixed_charge: Money | None = None
    percent: Fraction | None = None

    def percent_as_decimal(self) -> Decimal:
        """The percentage, exactly: it was read from a decimal number. Only of a charge in percent."""
        assert self.percent is not None, f"step {self.step_no} is no charge in percent"
        return Decimal(self.percent.numerator) / Decimal(self.percent.denominator)


@dataclass(frozen=True, slots=True)
class DunningPosition:
    """Where an account stands. entered_on names the cycle: one stay in dunning, until nothing is overdue."""

    entered_on: date
    last_step_no: int = 0
    last_step_on: date | None = None


@dataclass(frozen=True, slots=True)
class Overdue:
    """What an account owes past its due dates; never more than its balance (see `overdue_within`).

    oldest_due_date: of the oldest charge that is open; None when nothing is.
    without_dunning_charges: the part that is no dunning charge itself, the base of charges in percent.
    """

    amount: Money
    without_dunning_charges: Money
    oldest_due_date: date | None

    def days_past_due(self, business_date: date) -> int:
        """For how many days something has been overdue; 0 when nothing is."""
        if self.amount.minor_units <= 0 or self.oldest_due_date is None:
            return 0
        return max((business_date - self.oldest_due_date).days, 0)


def overdue_within(
    balance: Money, overdue: Money, without_dunning_charges: Money, oldest_due_date: date | None
) -> Overdue:
    """What is overdue, as far as the balance is: a credit that waits to be told whom to pay lowers it all the
    same (rule 10). So nobody who owes nothing is dunned for a charge that is open beside such a credit.
    """
    owed = max(balance.minor_units, 0)
    return Overdue(
        Money(min(overdue.minor_units, owed), overdue.currency),
        Money(min(without_dunning_charges.minor_units, owed), without_dunning_charges.currency),
        oldest_due_date,
    )


@dataclass(frozen=True, slots=True)
class StayOutside:
    """The account is not in dunning, and no step is due."""


@dataclass(frozen=True, slots=True)
class LeaveDunning:
    """Nothing is overdue any more: the cycle ends."""


@dataclass(frozen=True, slots=True)
class TakeSteps:
    """The steps to be taken now, in order; none when the next one is not due yet. `position` is the one
    before them.
    """

    position: DunningPosition
    steps: tuple[DunningStep, ...]


DunningDecision = StayOutside | LeaveDunning | TakeSteps


def decide(
    steps: Sequence[DunningStep],
    position: DunningPosition | None,
    overdue: Overdue | None,
    business_date: date,
) -> DunningDecision:
    """What is to be done with an account on a business date.

    Steps whose days were missed are all taken, in order, each once in a cycle. `overdue` is None for an
    account that owes nothing. A client without steps has no dunning: whoever is in it leaves. A late run for
    a day before the cycle began knows nothing of what is overdue in it: it lets the account be.
    """
    if position is not None and business_date < position.entered_on:
        return TakeSteps(position, ())
    days = overdue.days_past_due(business_date) if overdue is not None else 0
    if days == 0 or not steps:
        return StayOutside() if position is None else LeaveDunning()
    last_step_no = position.last_step_no if position is not None else 0
    due = tuple(
        step
        for step in sorted(steps, key=lambda step: step.step_no)
        if step.step_no > last_step_no and step.days_past_due <= days
    )
    if position is None:
        return TakeSteps(DunningPosition(business_date), due) if due else StayOutside()
    return TakeSteps(position, due)


def charge_of(step: DunningStep, overdue: Overdue) -> Money:
    """What a charging step costs: its fixed amount, or its percentage of what is overdue without earlier
    dunning charges, so that they never compound.
    """
    if step.fixed_charge is not None:
        return step.fixed_charge
    assert step.percent is not None, f"step {step.step_no} charges nothing"
    return percent_of(overdue.without_dunning_charges, step.percent)


def fault_of(steps: Sequence[DunningStep]) -> str | None:
    """What is wrong with a list of steps, for the person who wrote it; None when nothing is."""
    for place, step in enumerate(steps, start=1):
        if step.step_no != place:
            return f"step {place} has the number {step.step_no}: steps are numbered from 1 without a gap"
        if place > 1 and step.days_past_due <= steps[place - 2].days_past_due:
            return f"step {place} has to be more days past due than step {place - 1}"
        fault = _fault_of_charge(step)
        if fault is not None:
            return f"step {place} {fault}"
    return None


def _fault_of_charge(step: DunningStep) -> str | None:
    fixed, percent = step.fixed_charge, step.percent
    if (fixed is not None) != (step.action is DunningAction.FIXED_CHARGE):
        return "needs a fixed_charge" if fixed is None else "has a fixed_charge, but is no fixed charge"
    if (percent is not None) != (step.action is DunningAction.PERCENT_CHARGE):
        return "needs a percent" if percent is None else "has a percent, but is no charge in percent"
    if fixed is not None and fixed.minor_units <= 0:
        return "has a fixed_charge that is not above zero"
    return None
