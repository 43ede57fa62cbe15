"""The invented customers of the demonstration."""

from datetime import date

from console.account_import.rows import PaymentKind, Timing
from console.demo.sample import (
    DEARER_CUSTOMER,
    DISPUTE_DAY,
    DISPUTED,
    DISPUTING_CUSTOMER,
    LEAVING_CUSTOMER,
    OWING_CUSTOMER,
    PAYING_CUSTOMER,
    REFUND,
    REFUNDED_CUSTOMER,
    Month,
    PlanInstance,
    invent_customers,
    invent_usage_file,
    last_complete_month,
)

FEBRUARY = Month(date(2028, 2, 1))


def test_the_same_number_and_month_give_the_same_customers() -> None:
    assert invent_customers(50, FEBRUARY) == invent_customers(50, FEBRUARY)


def test_the_month_knows_its_days_also_in_a_leap_year() -> None:
    assert len(FEBRUARY.days) == 29
    assert FEBRUARY.day(31) == date(2028, 2, 29)
    assert FEBRUARY.previous == Month(date(2028, 1, 1))
    assert str(FEBRUARY) == "February 2028"
    assert last_complete_month(date(2026, 1, 15)) == Month(date(2025, 12, 1))


def test_the_sample_has_what_the_report_wants_to_show() -> None:
    customers = invent_customers(200, FEBRUARY)
    subscribers = {customer.subscriber.external_id: customer.subscriber for customer in customers}

    assert {subscriber.payment_token for subscriber in subscribers.values()} == {
        "",
        "tok_approve",
        "tok_soft_decline",
        "tok_hard_decline",
        "tok_pending",
        "tok_timeout",
    }
    assert {subscriber.anchor_day for subscriber in subscribers.values()} == {1, 15, 31}
    assert {subscriber.timing for subscriber in subscribers.values()} == set(Timing)
    assert {subscriber.opening_balance is None for subscriber in subscribers.values()} == {True, False}
    dearer = subscribers[DEARER_CUSTOMER]
    assert (dearer.anchor_day, dearer.timing, dearer.payment_token) == (15, Timing.IN_ADVANCE, "tok_approve")
    assert (subscribers[LEAVING_CUSTOMER].anchor_day, subscribers[LEAVING_CUSTOMER].timing) == (
        31,
        Timing.IN_ADVANCE,
    )


def test_checks_come_only_from_who_pays_by_check_and_some_never_come() -> None:
    customers = invent_customers(200, FEBRUARY)
    payers = [each for each in customers if each.subscriber.payment_kind is PaymentKind.EXTERNAL]

    assert all(each.check_day is None for each in customers if each not in payers)
    assert {each.check_day is None for each in payers} == {True, False}
    assert all(FEBRUARY.first <= each.check_day <= FEBRUARY.last for each in payers if each.check_day)


def test_a_usage_file_has_five_bad_lines_among_two_for_each_user() -> None:
    lines = invent_usage_file("usage.csv", date(2028, 2, 9), [PlanInstance(1001, 1), PlanInstance(1002, 2)])
    assert len(lines) == 1 + 4 + 5
    assert len({line.partition(",")[0] for line in lines}) == len(lines)


def test_the_sample_has_customers_whose_accounts_can_be_put_right() -> None:
    customers = {customer.subscriber.external_id: customer for customer in invent_customers(10, FEBRUARY)}
    refunded = customers[REFUNDED_CUSTOMER].subscriber
    disputing = customers[DISPUTING_CUSTOMER]
    owing = customers[OWING_CUSTOMER]
    paying = customers[PAYING_CUSTOMER].subscriber

    assert (refunded.anchor_day, refunded.payment_token) == (1, "tok_approve")
    assert refunded.price.minor_units > REFUND.minor_units
    assert disputing.subscriber.anchor_day == 1
    assert disputing.subscriber.price.minor_units > DISPUTED.minor_units
    assert disputing.check_day is not None
    assert disputing.check_day > FEBRUARY.day(DISPUTE_DAY)
    assert owing.subscriber.opening_balance is not None
    assert owing.subscriber.opening_balance.minor_units > 0
    assert owing.check_day is None
    assert paying.payment_token == "tok_approve"
