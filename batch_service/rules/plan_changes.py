"""What scheduled changes make of a recurring plan (rule 29)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import IntEnum

from service_kit.money import Money


class PlanStatus(IntEnum):
    """Whether a recurring plan is billed; the numbers are those of the contract."""

    ACTIVE = 1
    SUSPENDED = 2
    CANCELLED = 3


class PlanChangeKind(IntEnum):
    """What a scheduled change does; the numbers are those of the contract."""

    PRICE = 1
    CANCEL = 2
    SUSPEND = 3
    RESUME = 4


@dataclass(frozen=True, slots=True)
class PlanChange:
    """A change that takes effect on a business date; `new_price` only of a change of the price."""

    change_no: int
    kind: PlanChangeKind
    effective_date: date
    new_price: Money | None = None


@dataclass(frozen=True, slots=True)
class PlanState:
    """What changes can change. suspended_on: since when it is suspended; None unless it is."""

    status: PlanStatus
    price: Money
    cancelled_on: date | None = None
    suspended_on: date | None = None


@dataclass(frozen=True, slots=True)
class AppliedChange:
    """A change that took effect, with what has to be remembered of the state before it.

    former_price: what the plan cost before, of a change of the price.
    suspended: the days of a suspension that ended with it: from the day, up to the change.
    """

    change: PlanChange
    former_price: Money | None = None
    suspended: tuple[date, date] | None = None


def apply_changes(
    state: PlanState, changes: Sequence[PlanChange]
) -> tuple[PlanState, tuple[AppliedChange, ...]]:
    """The plan after `changes`, in the order of their dates and then of their numbers.

    A change that finds the plan as it would make it, or cancelled, takes effect without a difference: to
    suspend what is suspended is no fault of anybody who has to act.
    """
    applied = []
    for change in sorted(changes, key=lambda change: (change.effective_date, change.change_no)):
        state, effect = _apply(state, change)
        applied.append(effect)
    return state, tuple(applied)


def _apply(state: PlanState, change: PlanChange) -> tuple[PlanState, AppliedChange]:
    day = change.effective_date
    match change.kind, state.status:
        case PlanChangeKind.PRICE, _ if change.new_price is not None:
            changed = PlanState(state.status, change.new_price, state.cancelled_on, state.suspended_on)
            return changed, AppliedChange(change, former_price=state.price)
        case PlanChangeKind.CANCEL, PlanStatus.ACTIVE | PlanStatus.SUSPENDED:
            return PlanState(PlanStatus.CANCELLED, state.price, day), AppliedChange(
                change, suspended=_suspension_until(state, day)
            )
        case PlanChangeKind.SUSPEND, PlanStatus.ACTIVE:
            return PlanState(PlanStatus.SUSPENDED, state.price, None, day), AppliedChange(change)
        case PlanChangeKind.RESUME, PlanStatus.SUSPENDED:
            return PlanState(PlanStatus.ACTIVE, state.price), AppliedChange(
                change, suspended=_suspension_until(state, day)
            )
        case _:
            return state, AppliedChange(change)


def _suspension_until(state: PlanState, day: date) -> tuple[date, date] | None:
    if state.suspended_on is None:
        return None
    return state.suspended_on, max(day, state.suspended_on)
