"""What is posted on an account again is decided on what is remembered, if that still holds."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from prometheus_client import REGISTRY

from ledger_service import group_posting
from ledger_service.group_posting import GroupPosting
from ledger_service.posting import Poster
from ledger_service.posting_queue import PostingQueue
from ledger_service.requests import PostingRequest
from ledger_service.store_round_trips import ask_together, write_together
from service_kit.clock import SystemClock
from service_kit.money import LARGEST_MINOR_UNITS
from tests.integration.ledger.applications import Applications
from tests.integration.ledger.caller import (
    Ledger,
    RefusedError,
    check,
    credit,
    dunning_charge,
    external_charge,
    key,
    payment,
    usd,
)
from tests.support.databases import FreshDatabase

_LARGEST_AMOUNT = 10**15


class Asked:
    """How many groups asked for their books, of both servers, and how many did not need to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times = 0
        self.spared = 0
        post = GroupPosting._post_as_remembered

        async def post_and_count(*arguments: Any) -> Any:
            results = await post(*arguments)
            self.spared += results is not None
            return results

        async def ask_and_count(connection: Any, questions: Any) -> None:
            self.times += 1
            await ask_together(connection, questions)

        monkeypatch.setattr(group_posting, "ask_together", ask_and_count)
        monkeypatch.setattr(GroupPosting, "_post_as_remembered", post_and_count)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """How many groups asked for their books."""
    return Asked(monkeypatch)


def guesses(outcome: str) -> float:
    """How often a guess came out so, in this process."""
    return REGISTRY.get_sample_value("tallybook_ledger_guessed_groups_total", {"outcome": outcome}) or 0.0


async def remembered(ledger: Ledger, asked: Asked, *drafts: Any, **opening: Any) -> int:
    """An account that is remembered, with all that plain drafts need, after these drafts."""
    acct_no = await ledger.account(**opening)
    # What is posted on an account at once knows nothing of it yet.
    for each in (external_charge(acct_no, 1), *(draft(acct_no) for draft in drafts)):
        await ledger.posted(each)
    asked.times = asked.spared = 0
    return acct_no


async def test_what_is_posted_on_an_account_again_asks_nothing(ledger: Ledger, asked: Asked) -> None:
    acct_no = await remembered(ledger, asked)

    for amount in (10, 20, 30):
        await ledger.posted(external_charge(acct_no, amount))
    answer = await ledger.operate(
        "CreateExternalCharge",
        acct_no=acct_no,
        amount=usd(40),
        reason_code="TEST",
        comment="because",
        external_charge={"description": "more"},
    )

    assert (asked.times, asked.spared) == (0, 4)
    assert await ledger.balance(acct_no) == 101
    assert await ledger.transaction(answer.transaction.event_no) == answer.transaction
    assert await ledger.findings() == []


@pytest.mark.parametrize("draft", [check, payment, dunning_charge], ids=lambda each: each.__name__)
async def test_so_is_each_plain_type_once_its_numbers_are_known(
    ledger: Ledger, asked: Asked, draft: Any
) -> None:
    acct_no = await ledger.account()
    await ledger.posted(draft(acct_no, 5))
    asked.times = 0

    await ledger.posted(draft(acct_no, 7))

    assert asked.times == 0
    assert abs(await ledger.balance(acct_no)) == 12
    assert await ledger.findings() == []


async def test_groups_of_many_calls_need_not_ask_either(ledger: Ledger, asked: Asked) -> None:
    accounts = [await remembered(ledger, asked) for _ in range(5)]

    # Groups beside each other hold their accounts, and how many there are depends on the moment.
    for _ in range(5):
        charges = (external_charge(accounts[place % 5], 2) for place in range(40))
        await asyncio.gather(*map(ledger.posted, charges))

    assert asked.spared > 0
    assert [await ledger.balance(acct_no) for acct_no in accounts] == [81] * 5
    assert await ledger.findings() == []


async def test_who_was_overtaken_by_another_server_asks(ledger: Ledger, other: Ledger, asked: Asked) -> None:
    acct_no = await remembered(ledger, asked)
    (theirs,) = await other.posted(external_charge(acct_no, 10))
    asked.times = 0

    before = guesses("outdated")

    (ours,) = await ledger.posted(external_charge(acct_no, 100))

    assert asked.times > 0
    assert guesses("outdated") == before + 1
    assert ours > theirs
    assert await ledger.balance(acct_no) == 111
    assert await ledger.findings() == []


async def test_who_was_overtaken_on_other_accounts_does_not_give_their_numbers_again(
    ledger: Ledger, other: Ledger, asked: Asked
) -> None:
    acct_no, elsewhere = await remembered(ledger, asked), await other.account()
    theirs = await other.posted(external_charge(elsewhere, 10))

    ours = await ledger.posted(external_charge(acct_no, 100))

    assert theirs < ours
    assert await ledger.findings() == []


async def test_what_another_server_lets_wait_is_paid(ledger: Ledger, other: Ledger, asked: Asked) -> None:
    acct_no = await remembered(ledger, asked)
    await other.posted(check(acct_no, 1))  # nothing waits any more, where a charge is remembered
    await other.posted(check(acct_no, 50))

    (charge,) = await ledger.posted(external_charge(acct_no, 30))

    assert sum((await Applications(ledger).paid(charge_event_no=charge)).values()) == 30
    assert await ledger.balance(acct_no) == -20
    assert await ledger.findings() == []


async def test_a_payment_pays_what_is_remembered_to_wait(ledger: Ledger, asked: Asked) -> None:
    acct_no = await remembered(ledger, asked, lambda acct: external_charge(acct, 99))

    await ledger.posted(check(acct_no, 60))

    assert asked.times > 0
    assert await ledger.balance(acct_no) == 40
    assert await ledger.findings() == []


async def test_a_name_that_is_taken_is_refused_all_the_same(ledger: Ledger, asked: Asked) -> None:
    acct_no = await ledger.account()
    (first,) = await ledger.posted(check(acct_no, 5, "4711"))
    await ledger.posted(check(acct_no, 5))
    asked.times = 0

    assert await ledger.refusals(check(acct_no, 5, "4711")) == ["REFERENCE_CODE_TAKEN"]
    assert await ledger.balance(acct_no) == -10

    await ledger.void(first)
    await ledger.posted(check(acct_no, 6, "4711"))
    assert await ledger.refusals(check(acct_no, 5, "4711")) == ["REFERENCE_CODE_TAKEN"]
    assert await ledger.balance(acct_no) == -11
    assert await ledger.findings() == []


async def test_a_key_that_was_used_has_its_first_answer(ledger: Ledger, asked: Asked) -> None:
    acct_no = await remembered(ledger, asked)
    request_id = key()

    first = await ledger.post(external_charge(acct_no, 10), request_id=request_id)
    again = await ledger.post(external_charge(acct_no, 10), request_id=request_id)
    with pytest.raises(RefusedError) as refused:
        await ledger.post(external_charge(acct_no, 11), request_id=request_id)

    assert again == first
    assert refused.value.refusal.reason == "REQUEST_ID_REUSED"
    assert await ledger.balance(acct_no) == 11
    assert await ledger.findings() == []


async def test_who_repeats_a_call_does_not_make_others_ask_for_long(ledger: Ledger, asked: Asked) -> None:
    acct_no = await remembered(ledger, asked)
    request_id = key()
    for _ in range(2):
        await ledger.post(external_charge(acct_no, 10), request_id=request_id)
    await ledger.posted(external_charge(acct_no, 1))
    asked.times = 0

    await ledger.posted(external_charge(acct_no, 1))

    assert asked.times == 0


async def test_nothing_is_remembered_over_a_new_connection(
    ledger: Ledger, asked: Asked, database: FreshDatabase
) -> None:
    """Which may lead to another database, where the same versions are of something else."""
    acct_no = await remembered(ledger, asked)
    admin = await asyncpg.connect(database.admin_url)
    await admin.execute(
        """
        SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
         WHERE application_name = 'ledger poster' AND datname = $1
        """,
        database.name,
    )
    await admin.close()

    await ledger.posted(external_charge(acct_no, 1))

    assert asked.spared == 0
    assert await ledger.balance(acct_no) == 2
    assert await ledger.findings() == []


async def test_what_does_not_fit_is_refused_as_ever(ledger: Ledger, asked: Asked) -> None:
    acct_no = await remembered(ledger, asked)
    stranger = (await ledger.open_account(plans=["a"])).account
    foreign = stranger.plan_instances[0].plan_instance_no
    await ledger.posted(external_charge(stranger.acct_no, 1, plan_instance_no=foreign))

    assert await ledger.refusals(external_charge(acct_no, 1, currency="EUR")) == ["CURRENCY_MISMATCH"]
    assert await ledger.refusals(external_charge(acct_no, 1, plan_instance_no=foreign)) == [
        "PLAN_INSTANCE_NOT_FOUND"
    ]
    assert await ledger.balance(acct_no) == 1


async def test_a_balance_that_is_remembered_does_not_leave_its_range(ledger: Ledger, asked: Asked) -> None:
    acct_no = await ledger.account()
    posted = 0
    while posted + 50 * _LARGEST_AMOUNT <= LARGEST_MINOR_UNITS:
        await ledger.posted(*[external_charge(acct_no, _LARGEST_AMOUNT)] * 50)
        posted += 50 * _LARGEST_AMOUNT
    asked.times = 0

    refusals = await ledger.refusals(*[external_charge(acct_no, _LARGEST_AMOUNT)] * 50)

    assert "AMOUNT_OUT_OF_RANGE" in refusals
    assert asked.times > 0
    assert await ledger.balance(acct_no) <= LARGEST_MINOR_UNITS


async def test_plan_instances_are_remembered_with_their_account(
    ledger: Ledger, other: Ledger, asked: Asked
) -> None:
    account = (await ledger.open_account(plans=["a", "b"])).account
    acct_no = account.acct_no
    a, b = (each.plan_instance_no for each in account.plan_instances)
    for plan_instance_no in (a, b, a):
        await ledger.posted(external_charge(acct_no, 1, plan_instance_no=plan_instance_no))
    asked.times = 0

    for plan_instance_no in (b, 0, a, b):
        await ledger.posted(external_charge(acct_no, 1, plan_instance_no=plan_instance_no))
    assert asked.times == 0

    await other.posted(external_charge(acct_no, 10, plan_instance_no=a))
    for plan_instance_no in (0, a, b):
        await ledger.posted(external_charge(acct_no, 1, plan_instance_no=plan_instance_no))

    assert await ledger.balance(acct_no, a) == 2 + 1 + 10 + 1
    assert await ledger.balance(acct_no, b) == 1 + 2 + 1
    assert await ledger.balance(acct_no) == 20
    assert await ledger.findings() == []


async def test_what_was_posted_in_another_way_is_asked_for(ledger: Ledger, asked: Asked) -> None:
    """A void needs what plain drafts do not, and a hundred at once are written ahead."""
    acct_no = await remembered(ledger, asked)
    (voided,) = await ledger.posted(external_charge(acct_no, 7))
    await ledger.void(voided)
    await ledger.posted(external_charge(acct_no, 10))
    await ledger.posted(*[external_charge(acct_no, 1)] * 100)
    asked.times = 0

    await ledger.posted(external_charge(acct_no, 10))
    assert asked.times == 1, "it was wrong about an account or a number that this very process had changed"
    await ledger.posted(external_charge(acct_no, 10))

    assert asked.times == 1
    assert await ledger.balance(acct_no) == 131
    assert await ledger.findings() == []


async def test_who_holds_the_accounts_beside_is_asked_for(
    ledger: Ledger, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    acct_no = await remembered(ledger, asked)
    with monkeypatch.context() as patch:
        patch.setattr(PostingQueue, "is_single", property(lambda _: False))
        await ledger.posted(external_charge(acct_no, 5))
    assert asked.spared == 0
    before = guesses("outdated")

    await ledger.posted(external_charge(acct_no, 1))

    assert guesses("outdated") == before, "it was not forgotten"
    assert await ledger.balance(acct_no) == 7


async def test_nothing_is_kept_of_a_group_during_which_all_was_forgotten(
    ledger: Ledger, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    acct_no = await remembered(ledger, asked)
    posters: list[Poster] = []
    post = Poster.post

    async def tell_and_post(poster: Poster, request: PostingRequest) -> bytes:
        posters.append(poster)
        return await post(poster, request)

    async def forget_and_write(*written: Any) -> None:
        await write_together(*written)
        posters[-1]._forget_all()  # as another lane does that opens a connection

    with monkeypatch.context() as patch:
        patch.setattr(Poster, "post", tell_and_post)
        patch.setattr(group_posting, "write_together", forget_and_write)
        await ledger.posted(external_charge(acct_no, 5))
    assert asked.spared == 1

    await ledger.posted(external_charge(acct_no, 1))

    assert asked.spared == 1
    assert await ledger.balance(acct_no) == 7


async def test_as_the_day_ends_nothing_is_guessed(
    ledger: Ledger, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SystemClock, "now", lambda _: datetime(2031, 5, 31, 12, tzinfo=UTC))
    acct_no = await remembered(ledger, asked)
    monkeypatch.setattr(SystemClock, "now", lambda _: datetime(2031, 5, 31, 23, 59, 59, tzinfo=UTC))

    await ledger.posted(external_charge(acct_no, 5))

    assert (asked.times, asked.spared) == (0, 0), "it held its accounts at once"
    assert await ledger.balance(acct_no) == 6


async def test_what_is_not_plain_asks(ledger: Ledger, asked: Asked) -> None:
    acct_no = await remembered(ledger, asked, lambda acct: external_charge(acct, 99))

    await ledger.posted(credit(acct_no, 60))

    assert asked.times > 0
    assert await ledger.refusals(credit(acct_no, 60)) == ["CREDIT_EXCEEDS_BALANCE"]
