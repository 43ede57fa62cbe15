"""What large calls pay in turn, by columns, is stored as it is item by item."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import asyncpg
import pytest

from ledger_service.rules import group_applications
from ledger_service.rules.paid_in_turn import PaidInTurn, pay_in_turn
from tallybook.ledger.v1 import ledger_pb2
from tests.integration.ledger.caller import Ledger, check, day, external_charge

ACCOUNTS = 20
DRAFTS = 4
"""Of a call, for each account: together more than a group without locks may have."""
CALLS = 8


class Wish(NamedTuple):
    """A draft: on which of the accounts, whether a charge, of how much, and how many days ago."""

    place: int
    is_charge: bool
    amount: int
    days_ago: int

    def draft(self, acct_no: int) -> ledger_pb2.TransactionDraft:
        effective_date = day(datetime.now(UTC).date() - timedelta(days=self.days_ago))
        make = external_charge if self.is_charge else check
        return make(acct_no, self.amount, effective_date=effective_date)


def history(seed: int) -> list[list[Wish]]:
    """Calls that charge, that pay a part of what waits, all of it or more, and that do both."""
    chance = random.Random(seed)  # nothing secret
    balances = [0] * ACCOUNTS
    calls = []
    for _ in range(CALLS):
        call = []
        for place in range(ACCOUNTS):
            most = chance.choice([abs(balances[place]), abs(balances[place]) * 2 // 3, 40])
            sides = chance.choice([(True,), (False,), (balances[place] < 0,), (False, True)])
            parts = split(chance, max(most, DRAFTS))
            call += [
                Wish(place, chance.choice(sides), amount, chance.choice([0, 0, 0, 1])) for amount in parts
            ]
            balances[place] += sum(
                each.amount if each.is_charge else -each.amount for each in call if each.place == place
            )
        chance.shuffle(call)
        calls.append(call)
    return calls


def split(chance: random.Random, amount: int) -> list[int]:
    """The amount in as many parts as an account has drafts in a call."""
    ends = sorted(chance.sample(range(1, amount), DRAFTS - 1)) if amount > DRAFTS else [1, 2, 3]
    return [end - start for start, end in zip([0, *ends], [*ends, amount], strict=True)]


async def post(ledger: Ledger, calls: list[list[Wish]]) -> None:
    acct_nos = [await ledger.account() for _ in range(ACCOUNTS)]
    for call in calls:
        await ledger.posted(*(wish.draft(acct_nos[wish.place]) for wish in call))


async def stored(sql: "asyncpg.Connection[asyncpg.Record]", client_no: int) -> dict[str, Any]:
    """What is stored of a client, with its accounts and transactions counted from 0."""
    accounts = await places(sql, "SELECT acct_no FROM account WHERE client_no = $1 ORDER BY 1", client_no)
    events = await places(
        sql, "SELECT event_no FROM acct_transaction WHERE client_no = $1 ORDER BY 1", client_no
    )
    applications = await sql.fetch(
        "SELECT acct_no, credit_event_no, charge_event_no, by_event_no, amount, effective_date"
        " FROM application WHERE client_no = $1 ORDER BY acct_no, application_no",
        client_no,
    )
    items = await sql.fetch(
        "SELECT acct_no, event_no, queue, effective_date, transaction_type, open_amount"
        " FROM item_balance WHERE client_no = $1 ORDER BY acct_no, event_no",
        client_no,
    )
    balances = await sql.fetch(
        "SELECT acct_no, waiting_after, last_event_no, balance, held, last_effective_date"
        " FROM account_balance WHERE client_no = $1 ORDER BY acct_no",
        client_no,
    )
    events[0] = -1
    return {
        "applications": [
            (accounts[acct], events[credit], events[charge], events[by], *others)
            for acct, credit, charge, by, *others in applications
        ],
        "items": [(accounts[acct], events[event], *others) for acct, event, *others in items],
        "balances": [
            (accounts[acct], events[after], events[last], *others) for acct, after, last, *others in balances
        ],
    }


async def places(sql: "asyncpg.Connection[asyncpg.Record]", query: str, client_no: int) -> dict[int, int]:
    return {number: place for place, (number,) in enumerate(await sql.fetch(query, client_no))}


class Counted:
    """Counts the applications that are made by columns."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.applications = 0
        monkeypatch.setattr(group_applications, "pay_in_turn", self._pay)

    def _pay(self, *arguments: Any) -> PaidInTurn:
        paid = pay_in_turn(*arguments)
        self.applications += len(paid.applications)
        return paid


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_it_is_stored_as_it_is_item_by_item(
    ledger: Ledger, sql: "asyncpg.Connection[asyncpg.Record]", monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    counted = Counted(monkeypatch)
    one, other = ledger, Ledger(ledger.channel, client_no=2)
    calls = history(seed)
    await post(one, calls)
    in_turn = counted.applications
    monkeypatch.setattr(group_applications._Demand, "is_in_turn", False)  # so that nothing is
    await post(other, calls)

    by_columns, item_by_item = await stored(sql, 1), await stored(sql, 2)

    assert by_columns == item_by_item
    assert in_turn == counted.applications
    assert in_turn > len(by_columns["applications"]) / 4
    assert await one.findings() == await other.findings() == []


async def test_applications_have_one_number_after_the_other(
    ledger: Ledger, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    in_turn, over = [await ledger.account() for _ in range(80)], await ledger.account()
    await ledger.posted(*(external_charge(acct_no, 10) for acct_no in [*in_turn, *[over] * 5]))
    for _ in range(2):
        await ledger.posted(*(check(acct_no, 5) for acct_no in [*in_turn, over]), check(over, 100))
    numbers = [number for (number,) in await sql.fetch("SELECT application_no FROM application ORDER BY 1")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 2 * 81
