"""What becomes of a recurring plan's dates when it is set, for the first time or again."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from batch_service.rules.billing_periods import (
    BillingCycle,
    BillingPosition,
    BillingTiming,
    DayRange,
    first_position,
    position_from,
)
from batch_service.rules.plan_changes import PlanStatus
from service_kit.money import Money


@dataclass(frozen=True, slots=True)
class RecurringPlan:
    """A plan as its owner sets it."""

    acct_no: int
    plan_instance_no: int
    description: str
    price: Money
    timing: BillingTiming
    cycle: BillingCycle
    activation_charge: Money
    tax_percent: Decimal | None
    status: PlanStatus


@dataclass(frozen=True, slots=True)
class PlanDates:
    """What the service itself keeps of a plan.

    suspended_on: since when it is suspended; None unless it is.
    cancelled_on: the first day without service; None unless it is cancelled.
    unbilled_from: the first day that no invoice covers.
    next_bill_date: None when it is never billed again.
    billed: whether a period of it was billed.
    """

    suspended_on: date | None
    cancelled_on: date | None
    unbilled_from: date
    next_bill_date: date | None
    billed: bool = False


@dataclass(frozen=True, slots=True)
class SetPlan:
    """The dates of a plan that was set, and the days without service that ended with it."""

    dates: PlanDates
    without_service: DayRange | None = None


def set_dates(
    plan: RecurringPlan, known: tuple[BillingTiming, PlanDates] | None, business_date: date
) -> SetPlan:
    """The dates of `plan` when it is set on `business_date`; `known` are its timing and dates so far.

    A plan that was billed keeps how far it is billed, and the date of its next invoice unless it changes
    between advance and arrears. Setting the status counts for all days that no invoice covers yet; a plan
    that becomes active again is not charged for the days on which it was not.
    """
    billed = known is not None and known[1].billed
    position = _position(plan, known)
    if plan.status is PlanStatus.CANCELLED:
        return SetPlan(PlanDates(None, position.unbilled_from, position.unbilled_from, None, billed))
    suspended_on = None
    if plan.status is PlanStatus.SUSPENDED:
        known_since = known[1].suspended_on if known is not None else None
        suspended_on = known_since or position.unbilled_from
    dates = PlanDates(suspended_on, None, position.unbilled_from, position.next_bill_date, billed)
    return SetPlan(dates, _ended_gap(plan, known, business_date) if billed else None)


def _position(plan: RecurringPlan, known: tuple[BillingTiming, PlanDates] | None) -> BillingPosition:
    if known is None or not known[1].billed:
        return first_position(plan.cycle, plan.timing)
    timing, dates = known
    if timing is plan.timing and dates.next_bill_date is not None:
        return BillingPosition(dates.unbilled_from, dates.next_bill_date)
    return position_from(plan.cycle, plan.timing, dates.unbilled_from)


def _ended_gap(
    plan: RecurringPlan, known: tuple[BillingTiming, PlanDates] | None, business_date: date
) -> DayRange | None:
    if known is None or plan.status is PlanStatus.SUSPENDED:
        return None
    since = known[1].suspended_on or known[1].cancelled_on
    return DayRange(since, max(since, business_date)) if since is not None else None
