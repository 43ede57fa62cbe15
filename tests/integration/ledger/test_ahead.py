"""Large groups of plain drafts, whose rows are written before their accounts are held: they overlap, and it
is as if they had been posted one after the other.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from ledger_service.account_turns import Turn
from ledger_service.group_posting import GroupPosting
from ledger_service.rules.plain_drafts import WELL_IN_RANGE
from service_kit.money import LARGEST_MINOR_UNITS
from tallybook.ledger.v1 import invoice_pb2, ledger_pb2
from tests.integration.ledger.caller import (
    Ledger,
    check,
    credit,
    day,
    external_charge,
    invoice_draft,
    key,
    payment,
    refusal_of,
)
from tests.support.databases import FreshDatabase

MANY = 80
"""More drafts than a group without locks may have."""
RECURRING, COUPON = 1, 4


class Writer:
    """Keeps in which ways groups were posted, and lets something happen once, when a group has written its
    rows and is about to hold its accounts.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ways: list[str] = []
        self.waits = asyncio.Event()
        """That another group waits for its turn, beside the one that was interrupted."""
        self._events: list[Callable[[], Awaitable[Any]]] = []
        to_hold = Turn.to_hold

        async def be_interrupted(turn: Turn) -> None:
            if self._events:
                await self._events.pop()()
            else:
                self.waits.set()
            await to_hold(turn)

        monkeypatch.setattr(Turn, "to_hold", be_interrupted)
        for way in ("post_holding", "post_without_locks", "post_ahead"):
            monkeypatch.setattr(GroupPosting, way, self._keeping(way))

    def _keeping(self, way: str) -> Callable[..., Awaitable[Any]]:
        post = getattr(GroupPosting, way)

        async def keep_and_post(posting: GroupPosting, *arguments: Any) -> Any:
            self.ways.append(way)
            return await post(posting, *arguments)

        return keep_and_post

    def interrupt_by(self, event: Callable[[], Awaitable[Any]]) -> None:
        """What happens the next time."""
        self.ways.clear()
        self._events.append(event)


@pytest.fixture
def writer(monkeypatch: pytest.MonkeyPatch) -> Writer:
    """What happens to groups that are written ahead."""
    return Writer(monkeypatch)


def charges(accounts: list[int], amount: int) -> list[ledger_pb2.TransactionDraft]:
    return [external_charge(accounts[place % len(accounts)], amount) for place in range(MANY)]


def checks(accounts: list[int], amount: int) -> list[ledger_pb2.TransactionDraft]:
    return [check(accounts[place % len(accounts)], amount) for place in range(MANY)]


async def in_the_order_of_commits(sql: "asyncpg.Connection[asyncpg.Record]", acct: int) -> bool:
    """Whether numbers and times of an account grow with each other, and the last was committed last. Of one
    server: the times of two may be in another order (ADR 0030).
    """
    rows = await sql.fetch(
        "SELECT created_at FROM acct_transaction WHERE acct_no = $1 ORDER BY event_no", acct
    )
    times = [created_at for (created_at,) in rows]
    return times == sorted(times) and await last_is_the_largest(sql, acct)


async def last_is_the_largest(sql: "asyncpg.Connection[asyncpg.Record]", acct: int) -> bool:
    """Whether the account's row has the largest of its numbers: nobody committed a smaller one later."""
    largest = await sql.fetchval("SELECT max(event_no) FROM acct_transaction WHERE acct_no = $1", acct)
    last = await sql.fetchval("SELECT last_event_no FROM account_balance WHERE acct_no = $1", acct)
    return bool(last == largest)


async def test_two_calls_on_the_same_accounts_are_written_beside_each_other(
    ledger: Ledger, writer: Writer, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    accounts = [await ledger.account() for _ in range(3)]
    second: list[asyncio.Task[Any]] = []

    async def send_the_second() -> None:
        second.append(asyncio.create_task(ledger.post(*checks(accounts, 3))))
        await writer.waits.wait()

    writer.interrupt_by(send_the_second)
    first = await ledger.post(*charges(accounts, 10))
    answer = await second[0]
    assert writer.ways == ["post_ahead", "post_ahead"]
    numbers = [each.transactions[0].event_no for each in (*first.results, *answer.results)]
    assert numbers == sorted(numbers)
    assert sum([await ledger.balance(acct) for acct in accounts]) == MANY * 7
    assert all([await in_the_order_of_commits(sql, acct) for acct in accounts])
    assert await sql.fetchval("SELECT sum(amount) FROM application") == MANY * 3
    assert await ledger.findings() == []


async def test_a_small_call_comes_after_the_large_one_that_is_being_written(
    ledger: Ledger, writer: Writer, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    acct = await ledger.account()
    small: list[asyncio.Task[Any]] = []

    async def send_the_small() -> None:
        small.append(asyncio.create_task(ledger.posted(credit(acct, MANY * 10))))
        await asyncio.sleep(0.3)
        assert not small[0].done()

    writer.interrupt_by(send_the_small)
    response = await ledger.post(*charges([acct], 10))
    (event_no,) = await small[0]
    assert writer.ways[0] == "post_ahead"
    assert event_no > response.results[-1].transactions[0].event_no
    assert await ledger.balance(acct) == 0
    assert await in_the_order_of_commits(sql, acct)


async def test_a_small_call_on_another_account_does_not_wait_for_the_large_one(
    ledger: Ledger, writer: Writer
) -> None:
    acct, elsewhere = await ledger.account(), await ledger.account()
    writer.interrupt_by(lambda: ledger.post(check(elsewhere, 1)))
    await ledger.post(*charges([acct], 10))
    assert writer.ways[0] == "post_ahead"
    assert [await ledger.balance(acct), await ledger.balance(elsewhere)] == [MANY * 10, -1]


async def test_who_was_overtaken_by_another_server_is_written_again(
    ledger: Ledger, other: Ledger, writer: Writer, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    acct = await ledger.account()
    writer.interrupt_by(lambda: other.post(external_charge(acct, 5)))
    await ledger.post(*checks([acct], 1))
    assert writer.ways == ["post_ahead", "post_without_locks", "post_holding"]
    assert await sql.fetchval("SELECT count(*) FROM external_payments") == MANY
    assert await sql.fetchval("SELECT sum(amount) FROM application") == 5
    assert await ledger.balance(acct) == 5 - MANY
    assert await in_the_order_of_commits(sql, acct)
    assert await ledger.findings() == []


async def test_a_reference_code_is_given_once_though_another_server_wants_it_meanwhile(
    ledger: Ledger, other: Ledger, writer: Writer
) -> None:
    acct = await ledger.account()
    others: list[asyncio.Task[list[str]]] = []

    async def send_the_same_code() -> None:
        others.append(asyncio.create_task(other.refusals(check(acct, 5, "cheque 1"))))
        await asyncio.sleep(0.1)

    writer.interrupt_by(send_the_same_code)
    *refusals, of_code = await ledger.refusals(*checks([acct], 1), check(acct, 5, "cheque 1"))
    assert refusals == [""] * MANY
    # They wait for each other in the database, which gives one of them up: as a rule the small call, which
    # waited first. But that may lock the account again before the large one has noticed.
    assert sorted([of_code, *await others[0]]) == ["", "REFERENCE_CODE_TAKEN"]


async def test_a_reference_code_that_is_taken_is_refused_and_that_of_a_void_is_not(
    ledger: Ledger, writer: Writer
) -> None:
    acct = await ledger.account()
    taken, free = await ledger.posted(check(acct, 5, "cheque 1"), check(acct, 5, "cheque 2"))
    await ledger.void(free)
    writer.ways.clear()
    refusals = await ledger.refusals(
        check(acct, 5, "cheque 1"), check(acct, 5, "cheque 2"), *checks([acct], 1)
    )
    assert refusals == ["REFERENCE_CODE_TAKEN", *[""] * (MANY + 1)]
    assert writer.ways == ["post_ahead", "post_holding"]
    assert (await ledger.transaction(taken)).external_payment.reference_code == "cheque 1"


async def test_a_gateway_reference_is_given_once_in_two_calls_at_the_same_time(
    ledger: Ledger, writer: Writer
) -> None:
    one, two = await ledger.account(), await ledger.account()
    answers = await asyncio.gather(
        ledger.refusals(*checks([one], 1), payment(one, 1, "gateway 1")),
        ledger.refusals(*checks([two], 1), payment(two, 1, "gateway 1")),
    )
    assert sorted(answer[-1] for answer in answers) == ["", "GATEWAY_REFERENCE_TAKEN"]
    assert {refusal for answer in answers for refusal in answer[:-1]} == {""}


async def test_the_same_call_twice_at_the_same_time_is_posted_once(ledger: Ledger, writer: Writer) -> None:
    acct, request_id = await ledger.account(), key()
    drafts = checks([acct], 1)
    calls = [asyncio.create_task(ledger.post(*drafts, request_id=request_id)) for _ in range(3)]
    answers = [await call for call in calls]
    assert answers[0] == answers[1] == answers[2]
    assert await ledger.balance(acct) == -MANY


async def test_what_is_refused_is_refused_as_ever_and_all_else_is_posted(
    ledger: Ledger, writer: Writer
) -> None:
    acct = await ledger.account()
    writer.ways.clear()
    refusals = await ledger.refusals(*charges([acct], 10), check(acct + 1_000, 1))
    assert refusals == [""] * MANY + ["ACCOUNT_NOT_FOUND"]
    assert writer.ways == ["post_ahead", "post_holding"]
    assert await ledger.balance(acct) == MANY * 10


async def test_what_waits_in_its_turn_and_what_pays_are_told_apart_account_by_account(
    ledger: Ledger, writer: Writer, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """Of one call: on each account something else waits already, or something else is posted."""
    fresh, owing, paid_ahead, both_sides, back_dated = [await ledger.account() for _ in range(5)]
    await ledger.post(external_charge(owing, 30), check(paid_ahead, 30), external_charge(back_dated, 30))
    writer.ways.clear()
    yesterday = day(datetime.now(UTC).date() - timedelta(days=1))
    await ledger.post(
        *checks([fresh, owing, paid_ahead], 1),
        external_charge(both_sides, 7),
        check(both_sides, 5),
        external_charge(back_dated, 10, effective_date=yesterday),
    )
    await ledger.post(*checks([back_dated], 1))
    assert writer.ways == ["post_ahead", "post_ahead"]
    paid = await sql.fetch("SELECT acct_no, sum(amount) FROM application GROUP BY acct_no ORDER BY acct_no")
    assert [tuple(each) for each in paid] == [(owing, 27), (both_sides, 5), (back_dated, 40)]
    assert [await ledger.balance(acct) for acct in (fresh, owing, paid_ahead, both_sides, back_dated)] == [
        -27,
        3,
        -56,
        2,
        40 - MANY,
    ]
    assert await ledger.findings() == []


async def test_many_that_are_back_dated_and_a_few_that_pay_are_applied_once(
    ledger: Ledger, writer: Writer, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """In a group that holds its accounts, what waits is read for those that pay, and for all that is not
    in turn: the larger question is asked first.
    """
    accounts = [await ledger.account() for _ in range(MANY)]
    await ledger.post(*charges(accounts, 100))
    yesterday = day(datetime.now(UTC).date() - timedelta(days=1))
    writer.ways.clear()
    await ledger.post(
        *(external_charge(account, 50, effective_date=yesterday) for account in accounts),
        *(check(account, 150) for account in accounts[:3]),
        *(check(account, 10) for account in accounts[:3]),
        check(accounts[0] + 1_000_000, 1),
    )
    assert writer.ways == ["post_ahead", "post_holding"]
    paid = await sql.fetch("SELECT acct_no, amount FROM application ORDER BY acct_no, application_no")
    assert [tuple(each) for each in paid] == [(acct, amount) for acct in accounts[:3] for amount in (50, 100)]
    assert await ledger.findings() == []


async def test_a_balance_near_the_end_of_its_range_stays_in_it(
    ledger: Ledger, writer: Writer, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    acct = await ledger.account()
    await ledger.post(external_charge(acct, 1))
    await sql.execute("UPDATE account_balance SET balance = $1", LARGEST_MINOR_UNITS - MANY)
    writer.ways.clear()
    assert await ledger.refusals(*charges([acct], 1)) == [""] * MANY
    await sql.execute("UPDATE account_balance SET balance = $1", LARGEST_MINOR_UNITS - MANY)
    beyond = [external_charge(acct, MANY), external_charge(acct, 1), *checks([acct], 1)]
    assert await ledger.refusals(*beyond) == ["", "AMOUNT_OUT_OF_RANGE", *[""] * MANY]
    assert writer.ways == ["post_ahead", "post_ahead", "post_holding"]
    assert await ledger.balance(acct) == LARGEST_MINOR_UNITS - MANY


async def test_amounts_that_come_to_half_of_the_range_of_a_balance_are_looked_at_one_by_one(
    ledger: Ledger, writer: Writer
) -> None:
    acct, most = await ledger.account(), 10**15
    writer.ways.clear()
    many = WELL_IN_RANGE // most + 1
    assert await ledger.refusals(*[external_charge(acct, most)] * many) == [""] * many
    assert writer.ways == ["post_ahead", "post_holding"]
    assert await ledger.balance(acct) == many * most


async def test_whose_connection_is_cut_after_its_rows_were_written_is_posted_once(
    ledger: Ledger,
    writer: Writer,
    database: FreshDatabase,
    sql: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    acct = await ledger.account()

    async def cut() -> None:
        admin = await asyncpg.connect(database.admin_url)
        await admin.execute(
            """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = $1 AND application_name = 'ledger poster' AND state = 'idle in transaction'
            """,
            database.name,
        )
        await admin.close()

    writer.interrupt_by(cut)
    await ledger.post(*charges([acct], 10))
    assert writer.ways == ["post_ahead", "post_holding"]
    assert await sql.fetchval("SELECT count(*) FROM external_charge") == MANY
    assert await ledger.balance(acct) == MANY * 10
    assert await ledger.findings() == []


async def test_two_servers_post_on_the_same_accounts_and_lose_nothing(
    ledger: Ledger, other: Ledger, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    accounts = [await ledger.account() for _ in range(4)]
    calls = [
        (ledger, other)[place % 2].post(*(charges if place % 3 else checks)(accounts, 10))
        for place in range(12)
    ]
    small = [(ledger, other)[place % 2].post(check(accounts[place % 4], 1)) for place in range(20)]
    await asyncio.gather(*calls, *small)
    assert sum([await ledger.balance(acct) for acct in accounts]) == (8 - 4) * MANY * 10 - 20
    assert all([await last_is_the_largest(sql, acct) for acct in accounts])
    assert await ledger.findings() == []


def invoices(accounts: list[int], lines: list[tuple[int, int]]) -> list[invoice_pb2.InvoiceDraft]:
    """Each for another billing period."""
    days = [date(2020, 1, 1) + timedelta(days) for days in range(MANY)]
    return [
        invoice_draft(accounts[place % len(accounts)], *lines, period=(start, start))
        for place, start in enumerate(days)
    ]


async def test_two_calls_of_invoices_are_written_beside_each_other(
    ledger: Ledger, writer: Writer, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    accounts, others = [await ledger.account() for _ in range(3)], [await ledger.account()]
    await ledger.post(*checks(accounts, 5))
    second: list[asyncio.Task[Any]] = []

    async def send_the_second() -> None:
        drafts = [*invoices(others, [(RECURRING, 7)]), *invoices([accounts[0]], [(RECURRING, 7)])[1::3]]
        second.append(asyncio.create_task(ledger.create_invoices(*drafts)))
        await writer.waits.wait()

    writer.interrupt_by(send_the_second)
    first = await ledger.create_invoices(*invoices(accounts, [(RECURRING, 10), (COUPON, 3)]))
    answer = await second[0]
    assert writer.ways == ["post_ahead", "post_ahead"]
    numbers = [each.invoice_no for each in (*first.results, *answer.results)]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert sum([await ledger.balance(acct) for acct in accounts]) == MANY * (10 - 3 - 5) + 27 * 7
    assert all([await in_the_order_of_commits(sql, acct) for acct in accounts])
    # Each coupon pays its own invoice, and the checks are used up by the first charges.
    assert await sql.fetchval("SELECT sum(amount) FROM application") == MANY * (3 + 5)
    assert await ledger.findings() == []


async def test_a_period_is_billed_once_in_two_calls_at_the_same_time(ledger: Ledger, writer: Writer) -> None:
    accounts = [await ledger.account() for _ in range(3)]
    drafts = invoices(accounts, [(RECURRING, 10)])
    one, two = await asyncio.gather(ledger.create_invoices(*drafts), ledger.create_invoices(*drafts))
    made, refused = (one, two) if one.results[0].invoice_no else (two, one)
    assert [refusal_of(each.error).metadata["invoice_no"] for each in refused.results] == [
        str(each.invoice_no) for each in made.results
    ]
    assert sum([await ledger.balance(acct) for acct in accounts]) == MANY * 10


async def test_a_period_that_another_server_bills_at_the_same_time_is_billed_once(
    ledger: Ledger, other: Ledger, writer: Writer
) -> None:
    acct = await ledger.account()
    drafts = invoices([acct], [(RECURRING, 10)])
    others: list[asyncio.Task[Any]] = []

    async def bill_one_of_them() -> None:
        # It waits in the database, for this group to end.
        others.append(asyncio.create_task(other.create_invoices(drafts[7])))
        await asyncio.sleep(0.3)

    writer.interrupt_by(bill_one_of_them)
    response = await ledger.create_invoices(*drafts)
    answer = await others[0]
    assert writer.ways[0] == "post_ahead"
    refused = [each for each in (*response.results, *answer.results) if each.HasField("error")]
    assert [refusal_of(each.error).reason for each in refused] == ["INVOICE_EXISTS"]
    assert await ledger.balance(acct) == MANY * 10
    assert await ledger.findings() == []


async def test_a_period_that_was_billed_before_is_refused_and_all_others_are_billed(
    ledger: Ledger, writer: Writer
) -> None:
    acct = await ledger.account()
    drafts = invoices([acct], [(RECURRING, 10)])
    before = await ledger.create_invoices(drafts[3], drafts[7])
    await ledger.void_invoice(before.results[0].invoice_no)
    writer.ways.clear()
    response = await ledger.create_invoices(*drafts)
    assert writer.ways == ["post_ahead", "post_holding"]
    (refused,) = [each for each in response.results if each.HasField("error")]
    assert refused == response.results[7]
    assert refusal_of(refused.error).metadata["invoice_no"] == str(before.results[1].invoice_no)
    assert await ledger.balance(acct) == MANY * 10
    assert await ledger.findings() == []
