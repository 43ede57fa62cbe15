"""What a client's transactions are booked to: the newest change that concerns them, or else the default."""

from datetime import UTC, date, datetime, timedelta

import pytest

from ledger_service.authorisation import AUTHORISATION
from ledger_service.rules.gl_mappings import (
    DEFAULT_MAPPINGS,
    GlMapping,
    MappingKey,
    Override,
    changed_together,
    check_counter_account,
    mappings_at,
)
from service_kit.errors import DomainError

CHARGE = MappingKey(14)
DAY = date(2026, 6, 15)
EVE = DAY - timedelta(days=1)


def change(gl_account: str | None, effective_from: date | None = None) -> Override:
    """A change of what external charges are booked to."""
    return Override(CHARGE, gl_account, 1, effective_from, datetime(2026, 1, 1, tzinfo=UTC), "ada")


def mapping_of_charges(*overrides: Override, on: date = DAY) -> GlMapping:
    """What an external charge of a day is booked to."""
    (found,) = [each for each in mappings_at(overrides, on) if each.default.key == CHARGE]
    return found


@pytest.mark.parametrize(
    ("overrides", "day", "account"),
    [
        ([], DAY, "4100"),
        ([change("4001")], DAY, "4001"),
        ([change("4001"), change("4002")], DAY, "4002"),
        ([change("4001"), change(None)], DAY, "4100"),
        ([change("4001", DAY)], EVE, "4100"),
        ([change("4001", DAY)], DAY, "4001"),
        ([change("4001"), change("4002", DAY)], EVE, "4001"),
        ([change("4002", DAY), change("4001")], DAY, "4001"),
        ([change("4001"), change(None, DAY)], EVE, "4001"),
    ],
)
def test_the_newest_change_that_concerns_a_day_decides(
    overrides: list[Override], day: date, account: str
) -> None:
    mapping = mapping_of_charges(*overrides, on=day)
    assert (mapping.debit_account, mapping.credit_account) == ("1200", account)


def test_what_lowers_the_balance_debits_its_counter_account() -> None:
    mappings = {each.default.key: each for each in mappings_at([], DAY)}
    assert (mappings[MappingKey(2)].debit_account, mappings[MappingKey(2)].credit_account) == ("1000", "1200")
    assert mappings[MappingKey(22, 3)].debit_account == "4900"


def test_only_the_legs_of_a_transfer_are_changed_together() -> None:
    pair = [MappingKey(4), MappingKey(5)]
    assert changed_together(pair[0]) == changed_together(pair[1]) == pair
    for key in DEFAULT_MAPPINGS.keys() - set(pair):
        assert changed_together(key) == [key]


@pytest.mark.parametrize(
    ("code", "reason"), [("1200", "GL_ACCOUNT_NOT_ALLOWED"), ("4999", "GL_ACCOUNT_NOT_FOUND")]
)
def test_a_counter_account_is_in_the_chart_and_not_receivables(code: str, reason: str) -> None:
    with pytest.raises(DomainError) as refused:
        check_counter_account(code, {"1200", "4000"})
    assert refused.value.reason == reason
    check_counter_account("4000", {"1200", "4000"})


@pytest.mark.parametrize("method", ["CreateGlAccount", "SetGlMapping", "ResetGlMapping"])
def test_only_an_operator_changes_the_chart(method: str) -> None:
    assert dict(AUTHORISATION)[f"/tallybook.ledger.v1.GlAccountService/{method}"].roles == {"operator"}
