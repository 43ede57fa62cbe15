"""Aging: credits pay the oldest charges, and what is left is counted by days past due."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_service.rules.aging import AgingEntry, age, apply_credits

AS_OF = date(2026, 6, 30)


def charge(event_no: int, amount: int, days_ago: int, **details: object) -> AgingEntry:
    return AgingEntry(event_no, AS_OF - timedelta(days=days_ago), amount, True, **details)  # type: ignore[arg-type]


def credit(event_no: int, amount: int, days_ago: int = 0, **details: object) -> AgingEntry:
    return AgingEntry(event_no, AS_OF - timedelta(days=days_ago), amount, False, **details)  # type: ignore[arg-type]


def open_amounts(*entries: AgingEntry) -> dict[int, int]:
    return {open_charge.event_no: open_charge.open_amount for open_charge in apply_credits(entries)[0]}


@pytest.mark.parametrize(
    ("days_past_due", "bucket"),
    [
        (-30, "not_due"),
        (0, "not_due"),
        (1, "days_1_to_30"),
        (30, "days_1_to_30"),
        (31, "days_31_to_60"),
        (60, "days_31_to_60"),
        (61, "days_61_to_90"),
        (90, "days_61_to_90"),
        (91, "days_over_90"),
        (3650, "days_over_90"),
    ],
)
def test_a_charge_is_in_the_bucket_of_its_days_past_due(days_past_due: int, bucket: str) -> None:
    due_date = AS_OF - timedelta(days=days_past_due)
    aging = age([charge(1, 500, 4000, invoice_no=7, due_date=due_date)], AS_OF)

    assert getattr(aging, bucket) == 500
    assert aging.balance == 500
    assert aging.overdue == (500 if days_past_due > 0 else 0)
    assert aging.oldest_due_date == due_date


def test_a_charge_without_an_invoice_is_due_on_the_day_it_takes_effect() -> None:
    aging = age([charge(1, 500, 40)], AS_OF)

    assert aging.days_31_to_60 == 500
    assert aging.oldest_due_date == AS_OF - timedelta(days=40)


def test_an_account_without_transactions_owes_nothing() -> None:
    aging = age([], AS_OF)

    assert (aging.balance, aging.overdue, aging.unapplied_credit, aging.oldest_due_date) == (0, 0, 0, None)


def test_credits_pay_the_oldest_charges_first_whenever_they_were_recorded() -> None:
    back_dated = charge(9, 100, 50)

    assert open_amounts(charge(1, 100, 20), back_dated, credit(2, 150, 60)) == {1: 50}


def test_of_two_charges_of_one_day_the_one_recorded_first_is_paid_first() -> None:
    assert open_amounts(charge(5, 100, 10), charge(4, 100, 10), credit(6, 100)) == {5: 100}


def test_credits_that_exceed_the_charges_stay_as_unapplied_credit() -> None:
    aging = age([charge(1, 100, 10), credit(2, 250)], AS_OF)

    assert (aging.unapplied_credit, aging.overdue, aging.balance) == (150, 0, -150)


def test_a_credit_memo_lowers_its_line_and_not_the_oldest_charge() -> None:
    assert open_amounts(charge(1, 100, 50), charge(2, 100, 20), credit(3, 40, related_event_no=2)) == {
        1: 100,
        2: 60,
    }


def test_what_a_named_charge_does_not_need_pays_the_oldest() -> None:
    entries = [charge(1, 100, 50), charge(2, 30, 20), credit(3, 40, related_event_no=2), credit(4, 10)]

    assert open_amounts(*entries) == {1: 80}


def test_a_credit_for_a_charge_that_is_not_there_pays_the_oldest() -> None:
    assert open_amounts(charge(1, 100, 50), credit(3, 40, related_event_no=2, invoice_no=8)) == {1: 60}


def test_a_write_off_and_the_credit_lines_of_an_invoice_lower_that_invoice_first() -> None:
    entries = [
        charge(1, 100, 90),
        charge(2, 100, 20, invoice_no=7),
        charge(3, 50, 20, invoice_no=7),
        credit(4, 30, 20, invoice_no=7),
        credit(5, 90, invoice_no=7),
    ]

    assert open_amounts(*entries) == {1: 100, 3: 30}


def test_a_write_off_never_takes_the_place_of_a_later_credit_memo() -> None:
    lines = [charge(1, 100, 90), charge(2, 50, 90, invoice_no=7), charge(3, 50, 90, invoice_no=7)]
    write_off, memo = credit(4, 50, 30, invoice_no=7), credit(5, 50, 10, related_event_no=2)

    assert open_amounts(*lines, write_off, memo) == {1: 100}


def test_a_refund_with_its_reversal_leaves_nothing_open() -> None:
    entries = [
        charge(1, 150, 60),
        credit(2, 150, 50),
        charge(3, 150, 10),
        credit(4, 150, 10, related_event_no=1),
    ]

    assert open_amounts(*entries) == {}


def test_a_voided_payment_leaves_what_it_paid_open_with_its_due_date() -> None:
    entries = [charge(1, 100, 50), charge(2, 100, 5), credit(3, 100, 40)]
    void = charge(4, 100, 0, is_void=True, related_event_no=3)

    assert open_amounts(*entries) == {2: 100}
    assert open_amounts(*entries, void) == {1: 100, 2: 100}
    assert age([*entries, void], AS_OF).oldest_due_date == AS_OF - timedelta(days=50)


def test_a_void_that_takes_effect_before_what_it_voids_counts_by_itself() -> None:
    void = credit(2, 100, 10, is_void=True, related_event_no=1)

    assert age([void], AS_OF).balance == -100
    assert age([void, charge(1, 100, 0)], AS_OF).balance == 0


def test_dunning_charges_are_left_out_of_the_base_of_charges_in_percent() -> None:
    entries = [
        charge(1, 1000, 45),
        charge(2, 250, 10, is_dunning_charge=True),
        charge(3, 70, 0, is_dunning_charge=True),
    ]
    aging = age(entries, AS_OF)

    assert aging.overdue == 1250
    assert aging.overdue_without_dunning_charges == 1000
    assert aging.not_due == 70


def test_an_account_is_overdue_for_as_long_as_its_oldest_open_charge() -> None:
    aging = age([charge(1, 100, 90), credit(2, 100), charge(3, 100, 31)], AS_OF)

    assert aging.is_overdue_for(31, AS_OF)
    assert not aging.is_overdue_for(32, AS_OF)
    assert age([], AS_OF).is_overdue_for(0, AS_OF)
    assert not age([], AS_OF).is_overdue_for(1, AS_OF)


@st.composite
def accounts(draw: st.DrawFn) -> list[AgingEntry]:
    """Any account: few invoices and few days, so that ties and named credits are common."""
    due_dates = {invoice_no: AS_OF + timedelta(days=draw(st.integers(-120, 60))) for invoice_no in (1, 2, 3)}
    entries = []
    for event_no in range(1, draw(st.integers(0, 14)) + 1):
        is_charge = draw(st.booleans())
        invoice_no = draw(st.none() | st.sampled_from(sorted(due_dates)))
        entries.append(
            AgingEntry(
                event_no,
                AS_OF - timedelta(days=draw(st.integers(0, 4)) * 30),
                draw(st.integers(1, 2**62)),
                is_charge,
                is_dunning_charge=is_charge and invoice_no is None and draw(st.booleans()),
                invoice_no=invoice_no,
                due_date=due_dates[invoice_no] if is_charge and invoice_no else None,
                related_event_no=None if is_charge else draw(st.none() | st.integers(1, 16)),
            )
        )
    return entries


@given(accounts())
def test_what_is_open_less_what_is_unapplied_is_the_balance(entries: list[AgingEntry]) -> None:
    aging = age(entries, AS_OF)

    assert aging.balance == sum(entry.amount if entry.is_charge else -entry.amount for entry in entries)


@given(accounts())
def test_nothing_is_below_zero_and_credit_is_left_only_when_nothing_is_open(
    entries: list[AgingEntry],
) -> None:
    aging = age(entries, AS_OF)
    buckets = (
        aging.not_due,
        aging.days_1_to_30,
        aging.days_31_to_60,
        aging.days_61_to_90,
        aging.days_over_90,
    )

    assert min(*buckets, aging.unapplied_credit, aging.overdue_without_dunning_charges) >= 0
    assert not aging.unapplied_credit or aging.oldest_due_date is None
    assert (aging.oldest_due_date is None) == (sum(buckets) == 0)


@given(accounts())
def test_no_charge_is_open_for_more_than_its_amount(entries: list[AgingEntry]) -> None:
    amounts = {entry.event_no: entry.amount for entry in entries if entry.is_charge}

    assert all(0 < amount <= amounts[event_no] for event_no, amount in open_amounts(*entries).items())


@given(accounts(), st.integers(0, 13))
def test_voiding_a_transaction_is_as_if_it_had_never_been(entries: list[AgingEntry], which: int) -> None:
    for voided in entries[which : which + 1]:
        void = voided._replace(
            event_no=99, is_charge=not voided.is_charge, is_void=True, related_event_no=voided.event_no
        )
        others = [entry for entry in entries if entry is not voided]

        assert age([*entries, void], AS_OF) == age(others, AS_OF)


@given(st.data())
def test_the_order_in_which_transactions_are_read_makes_no_difference(data: st.DataObject) -> None:
    entries = data.draw(accounts())

    assert age(data.draw(st.permutations(entries)), AS_OF) == age(entries, AS_OF)
