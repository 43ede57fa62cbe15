"""Several posters on one database: what is read without locks is written only while it still holds."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from ledger_service import group_posting
from ledger_service.group_posting import GroupPosting
from ledger_service.remembered_books import RememberedBooks
from ledger_service.store_round_trips import ask_together, write_together
from service_kit.clock import SystemClock
from tests.integration.ledger.caller import (
    Ledger,
    RefusedError,
    check,
    credit,
    external_charge,
    key,
    payment,
    transfer,
)


class Interruption:
    """Lets something happen once, after a poster has read and before it decides and writes, which it always
    does: nothing is remembered. Keeps in which ways groups were posted.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._event: Callable[[], Awaitable[Any]] | None = None
        self.ways: list[str] = []
        self.happened = asyncio.Event()

        async def ask_and_be_interrupted(connection: Any, questions: Any) -> None:
            await ask_together(connection, questions)
            event, self._event = self._event, None
            if event is not None:
                await event()
                self.happened.set()

        monkeypatch.setattr(RememberedBooks, "recall", lambda *_: False)
        monkeypatch.setattr(group_posting, "ask_together", ask_and_be_interrupted)
        for way in ("post_holding", "post_without_locks"):
            monkeypatch.setattr(GroupPosting, way, self._keeping(way))

    def _keeping(self, way: str) -> Callable[..., Awaitable[Any]]:
        post = getattr(GroupPosting, way)

        async def keep_and_post(posting: GroupPosting, *arguments: Any) -> Any:
            self.ways.append(way)
            return await post(posting, *arguments)

        return keep_and_post

    def by(self, event: Callable[[], Awaitable[Any]]) -> None:
        """What happens the next time."""
        self.ways.clear()
        self._event = event


@pytest.fixture
def interruption(monkeypatch: pytest.MonkeyPatch) -> Interruption:
    """What happens between reading and writing."""
    return Interruption(monkeypatch)


async def test_calls_that_come_one_after_the_other_share_a_connection(
    ledger: Ledger, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    acct = await ledger.account()
    for _ in range(4):
        await ledger.post(check(acct, 5))

    posters = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ledger poster'"
    assert await sql.fetchval(f"{posters} AND datname = current_database()") == 1


async def test_a_group_whose_account_nobody_changes_takes_no_locks(
    ledger: Ledger, interruption: Interruption, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    acct = await ledger.account(100)
    interruption.ways.clear()
    await ledger.post(check(acct, 10))
    assert interruption.ways == ["post_without_locks"]
    assert await sql.fetchval("SELECT xmax::text FROM account_balance WHERE acct_no = $1", acct) == "0"


async def test_who_was_overtaken_decides_again_on_the_new_balance(
    ledger: Ledger, other: Ledger, interruption: Interruption
) -> None:
    acct = await ledger.account(100)
    interruption.by(lambda: other.post(credit(acct, 60)))
    response = await ledger.post(credit(acct, 60))
    assert response.results[0].HasField("error")
    assert interruption.ways == ["post_without_locks", "post_without_locks", "post_holding"]
    assert await ledger.balance(acct) == 40


async def test_who_was_overtaken_finds_the_reference_code_taken(
    ledger: Ledger, other: Ledger, interruption: Interruption
) -> None:
    acct = await ledger.account(100)
    interruption.by(lambda: other.post(check(acct, 10, "cheque 1")))
    assert await ledger.refusals(check(acct, 10, "cheque 1")) == ["REFERENCE_CODE_TAKEN"]
    assert await ledger.balance(acct) == 90


async def test_who_was_overtaken_by_the_same_call_gives_its_answer(
    ledger: Ledger, other: Ledger, interruption: Interruption
) -> None:
    acct, request_id = await ledger.account(100), key()
    answers: list[Any] = []

    async def post_it_first() -> None:
        answers.append(await other.post(payment(acct, 10, "gateway 1"), request_id=request_id))

    interruption.by(post_it_first)
    answers.append(await ledger.post(payment(acct, 10, "gateway 1"), request_id=request_id))
    assert answers[0] == answers[1]
    assert await ledger.balance(acct) == 90


async def test_a_charge_is_paid_once_though_two_read_that_it_is_open(
    ledger: Ledger, other: Ledger, interruption: Interruption, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    acct = await ledger.account()
    await ledger.post(external_charge(acct, 100))
    interruption.by(lambda: other.post(check(acct, 70)))
    await ledger.post(check(acct, 70))
    paid = await sql.fetch("SELECT amount FROM application ORDER BY application_no")
    assert [amount for (amount,) in paid] == [70, 30]
    assert await ledger.findings() == []


async def test_one_that_is_changing_the_account_is_waited_for(
    ledger: Ledger, interruption: Interruption, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    acct = await ledger.account(100)
    changing = sql.transaction()

    async def begin_to_change() -> None:
        await changing.start()
        await sql.execute("UPDATE account_balance SET balance = balance WHERE acct_no = $1", acct)

    interruption.by(begin_to_change)
    posting = asyncio.create_task(ledger.post(check(acct, 10)))
    await interruption.happened.wait()
    await asyncio.sleep(0.1)
    assert not posting.done()
    await changing.commit()
    await posting
    assert interruption.ways == ["post_without_locks", "post_holding"]
    assert await ledger.balance(acct) == 90


async def test_a_group_that_can_not_be_written_leaves_no_part_of_itself(
    ledger: Ledger, other: Ledger, interruption: Interruption, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    one, two = await ledger.account(100), await ledger.account(100)
    interruption.by(lambda: other.post(check(two, 5)))
    await ledger.post(check(one, 10), check(two, 10))
    assert await sql.fetchval("SELECT count(*) FROM external_payments") == 3
    assert await sql.fetchval("SELECT sum(transactions) FROM commit_group") == 5
    assert [await ledger.balance(one), await ledger.balance(two)] == [90, 85]
    assert await ledger.findings() == []


async def test_also_many_accounts_are_read_of_one_state(
    ledger: Ledger, other: Ledger, interruption: Interruption
) -> None:
    sources = [await ledger.account(100) for _ in range(40)]
    targets = [await ledger.account() for _ in range(40)]
    interruption.by(lambda: other.post(check(sources[0], 60)))
    transfers = [transfer(*pair) for pair in zip(sources, targets, strict=True)]
    assert set(await ledger.refusals(*transfers)) == {""}
    assert interruption.ways == ["post_without_locks", "post_without_locks", "post_holding"]
    assert [await ledger.balance(each) for each in targets] == [40, *[100] * 39]
    assert await ledger.balance(sources[0]) == 0


async def test_many_posters_on_few_accounts_lose_nothing_and_number_in_the_order_of_commits(
    ledger: Ledger, other: Ledger, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    accounts = [await ledger.account(1_000) for _ in range(2)]

    async def post(through: Ledger, place: int) -> str:
        draft = (credit if place % 2 else external_charge)(accounts[place % 3 % 2], 150)
        return (await through.refusals(draft))[0]

    refusals = await asyncio.gather(*(post((ledger, other)[place % 2], place) for place in range(120)))
    assert set(refusals) <= {"", "CREDIT_EXCEEDS_BALANCE"}
    for acct in accounts:
        rows = await sql.fetch(
            "SELECT created_at FROM acct_transaction WHERE acct_no = $1 ORDER BY event_no", acct
        )
        times = [created_at for (created_at,) in rows]
        assert times == sorted(times)
        assert await ledger.balance(acct) >= 0
    assert await ledger.findings() == []


async def test_what_is_refused_takes_no_numbers(ledger: Ledger) -> None:
    acct = await ledger.account(100)
    (before,) = await ledger.posted(check(acct, 1))
    await ledger.refusals(credit(acct, 1_000))
    assert await ledger.posted(check(acct, 1)) == [before + 1]


async def test_a_call_that_is_refused_without_locks_is_refused_for_good_reason(
    ledger: Ledger, interruption: Interruption
) -> None:
    acct = await ledger.account(100)
    interruption.ways.clear()
    with pytest.raises(RefusedError) as refused:
        await ledger.post(credit(acct, 101), all_or_nothing=True)
    assert refused.value.refusal.reason == "CREDIT_EXCEEDS_BALANCE"
    assert interruption.ways == ["post_without_locks"]


async def test_what_is_recorded_as_the_day_ends_is_under_way_in_the_database_by_then(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """An export of the day waits for whatever runs in the database, and then nothing is added to the day."""
    acct = await ledger.account(100)
    of_the_day = "SELECT count(*) FROM acct_transaction WHERE created_at::date = '2031-05-31'"
    counts = []

    async def look_and_write(*written: Any) -> None:
        counts.append(await sql.fetchval(of_the_day))
        await write_together(*written)
        counts.append(await sql.fetchval(of_the_day))

    monkeypatch.setattr(group_posting, "write_together", look_and_write)
    monkeypatch.setattr(SystemClock, "now", lambda _: datetime(2031, 5, 31, 23, 59, 59, tzinfo=UTC))
    await ledger.post(check(acct, 10))
    assert counts == [], "it was written without a transaction that would have told of it"
    assert await sql.fetchval(of_the_day) == 1
    monkeypatch.setattr(SystemClock, "now", lambda _: datetime(2031, 6, 1, tzinfo=UTC))
    interrupted = Interruption(monkeypatch)
    for _ in range(25):
        await ledger.post(check(acct, 1))
    assert interrupted.ways[-1] == "post_without_locks"
