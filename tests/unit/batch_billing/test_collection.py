"""Collection: what is due, and what becomes of an attempt."""

from datetime import date

import pytest

from batch_service.rules.collection import (
    STATUS_AFTER,
    UNRESOLVED,
    AttemptStatus,
    GatewayAnswer,
    amount_to_collect,
    attempt_id,
    billing_fact,
    dunning_fact,
    failure_of,
)
from service_kit.money import Money

DAY = date(2026, 3, 1)


@pytest.mark.parametrize(("balance", "due"), [(100, 100), (1, 1), (0, None), (-5, None)])
def test_all_that_is_due_is_collected_and_never_more(balance: int, due: int | None) -> None:
    expected = None if due is None else Money(due, "USD")
    assert amount_to_collect(Money(balance, "USD")) == expected


def test_the_attempts_of_different_business_facts_have_different_names() -> None:
    names = {
        attempt_id(billing_fact(1, 2, DAY), 1),
        attempt_id(billing_fact(1, 2, DAY), 2),
        attempt_id(billing_fact(1, 3, DAY), 1),
        attempt_id(billing_fact(1, 2, date(2026, 3, 2)), 1),
        attempt_id(dunning_fact(1, 2, DAY, 1), 1),
        attempt_id(dunning_fact(1, 2, DAY, 2), 1),
    }
    assert len(names) == 6


def test_the_longest_name_fits_the_contract() -> None:
    largest = 2**63 - 1
    assert len(attempt_id(dunning_fact(largest, largest, DAY, 2**31 - 1), largest)) <= 128


def test_every_answer_leads_to_a_status() -> None:
    assert STATUS_AFTER.keys() == set(GatewayAnswer)


def test_a_record_fails_unless_its_money_is_in_the_ledger_or_nothing_was_due() -> None:
    succeeded = {status for status in AttemptStatus if failure_of(status, "") is None}
    assert succeeded == {AttemptStatus.POSTED, AttemptStatus.LAPSED}
    assert not succeeded & UNRESOLVED
