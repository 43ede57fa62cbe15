"""Scheduled changes: what they make of a plan."""

from datetime import date

from batch_service.rules.plan_changes import PlanChange, PlanChangeKind, PlanState, PlanStatus, apply_changes
from service_kit.money import Money

ACTIVE = PlanState(PlanStatus.ACTIVE, Money(100, "USD"))
FIRST, SECOND, THIRD = date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3)


def test_changes_take_effect_by_date_and_then_by_number() -> None:
    dearer = PlanChange(2, PlanChangeKind.PRICE, FIRST, Money(200, "USD"))
    dearest = PlanChange(3, PlanChangeKind.PRICE, FIRST, Money(300, "USD"))
    earlier = PlanChange(9, PlanChangeKind.PRICE, date(2026, 2, 1), Money(150, "USD"))
    state, applied = apply_changes(ACTIVE, [dearest, dearer, earlier])
    assert state.price == Money(300, "USD")
    assert [(effect.change.change_no, effect.former_price) for effect in applied] == [
        (9, Money(100, "USD")),
        (2, Money(150, "USD")),
        (3, Money(200, "USD")),
    ]


def test_a_suspension_ends_with_the_resumption_and_its_days_are_remembered() -> None:
    state, applied = apply_changes(
        ACTIVE,
        [PlanChange(1, PlanChangeKind.SUSPEND, FIRST), PlanChange(2, PlanChangeKind.RESUME, THIRD)],
    )
    assert state == ACTIVE
    assert applied[1].suspended == (FIRST, THIRD)


def test_to_suspend_what_is_suspended_keeps_the_first_day() -> None:
    state, _ = apply_changes(
        ACTIVE,
        [PlanChange(1, PlanChangeKind.SUSPEND, FIRST), PlanChange(2, PlanChangeKind.SUSPEND, SECOND)],
    )
    assert state.suspended_on == FIRST


def test_nothing_brings_a_cancelled_plan_back() -> None:
    state, applied = apply_changes(
        ACTIVE,
        [
            PlanChange(1, PlanChangeKind.SUSPEND, FIRST),
            PlanChange(2, PlanChangeKind.CANCEL, SECOND),
            PlanChange(3, PlanChangeKind.RESUME, THIRD),
        ],
    )
    assert state == PlanState(PlanStatus.CANCELLED, Money(100, "USD"), cancelled_on=SECOND)
    assert applied[1].suspended == (FIRST, SECOND)
