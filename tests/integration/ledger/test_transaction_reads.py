"""Reading transactions: several at once, and lists that are filtered."""

from datetime import date
from typing import Any

import pytest

from tallybook.ledger.v1 import verification_pb2
from tests.integration.ledger.caller import Ledger, check, credit, day, external_charge, payment, usd
from tests.integration.ledger.test_operations import UNKNOWN, refused


async def listed(ledger: Ledger, **filters: Any) -> list[int]:
    """The numbers of the transactions that a list has."""
    response = await ledger.operate("ListTransactions", **filters)
    return [each.event_no for each in response.transactions]


async def test_several_transactions_are_read_in_the_order_asked_for_and_unknown_ones_left_out(
    ledger: Ledger,
) -> None:
    acct = await ledger.account()
    posted = await ledger.posted(external_charge(acct, 100), check(acct, 10), payment(acct, 20))
    stranger = Ledger(ledger.channel, client_no=2)

    wanted = [posted[2], UNKNOWN, posted[0]]
    response = await ledger.operate("BatchGetTransactions", event_nos=wanted)

    assert [each.event_no for each in response.transactions] == [posted[2], posted[0]]
    assert response.transactions[0] == await ledger.transaction(posted[2])
    assert not (await stranger.operate("BatchGetTransactions", event_nos=wanted)).transactions


@pytest.mark.parametrize("event_nos", [[], [1, 1], [0], list(range(1, 1002))])
async def test_what_is_no_list_of_a_thousand_transactions_is_refused(
    ledger: Ledger, event_nos: list[int]
) -> None:
    assert await refused(ledger.operate("BatchGetTransactions", event_nos=event_nos)) == "INVALID_REQUEST"


async def test_a_list_has_what_passes_every_filter(ledger: Ledger) -> None:
    acct, euros = await ledger.account(), await ledger.account(currency="EUR")
    charged, paid, small, credited = await ledger.posted(
        external_charge(acct, 100), check(acct, 50), check(acct, 10), credit(acct, 20)
    )
    (foreign,) = await ledger.posted(external_charge(euros, 50, currency="EUR"))
    (void,) = (await ledger.void(small)).transactions

    source_no = (await ledger.transaction(paid)).source_no
    assert await listed(ledger, source_no=source_no, transaction_types=[2]) == [paid]
    assert await listed(ledger, source_no=void.source_no, transaction_types=[2, -2]) == [void.event_no, small]
    assert await listed(ledger, amount_from=usd(50)) == [paid, charged]
    assert await listed(ledger, amount_to=usd(20)) == [void.event_no, credited, small]
    assert await listed(ledger, amount_from=usd(20), amount_to=usd(50)) == [credited, paid]
    assert await listed(ledger, amount_from=usd(50, "EUR")) == [foreign]
    assert await listed(ledger, voided=True) == [small]
    assert await listed(ledger, voided=False, acct_no=acct) == [void.event_no, credited, paid, charged]
    assert await listed(ledger, voided=False, amount_to=usd(10), transaction_types=[2]) == []


async def test_amounts_that_nothing_can_have_are_refused(ledger: Ledger) -> None:
    for fields, reason in [
        ({"amount_from": usd(2), "amount_to": usd(1)}, "AMOUNT_INVALID"),
        ({"amount_from": usd(1), "amount_to": usd(2, "EUR")}, "AMOUNT_INVALID"),
        ({"amount_from": usd(1, "ABC")}, "CURRENCY_UNKNOWN"),
        ({"amount_from": usd(-1)}, "INVALID_REQUEST"),
    ]:
        assert await refused(ledger.operate("ListTransactions", **fields)) == reason


async def test_a_trial_balance_as_of_a_day_counts_what_takes_effect_by_then(ledger: Ledger) -> None:
    acct = await ledger.account()
    first, second = date(2026, 3, 1), date(2026, 3, 2)
    await ledger.posted(
        external_charge(acct, 100, effective_date=day(first)), check(acct, 40, effective_date=day(second))
    )

    async def totals(**fields: Any) -> list[int]:
        request = verification_pb2.GetTrialBalanceRequest(client_no=ledger.client_no, **fields)
        balances = (await ledger.verification.GetTrialBalance(request)).trial_balances
        return [each.total_debits.minor_units for each in balances]

    assert await totals(as_of_date=day(date(2026, 2, 28))) == []
    assert await totals(as_of_date=day(first)) == [100]
    assert await totals(as_of_date=day(second)) == await totals() == [140]
