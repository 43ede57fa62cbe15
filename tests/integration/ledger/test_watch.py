"""WatchTransactions: nothing is lost and nothing comes twice, whoever posts and however often one returns."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
import grpc
import pytest

from ledger_service.group_posting import GroupPosting
from ledger_service.service import LEDGER
from ledger_service.settings import LedgerSettings
from service_kit.server import running_server
from tallybook.ledger.v1 import journal_pb2, journal_pb2_grpc, transaction_pb2
from tests.integration.ledger.caller import (
    Ledger,
    check,
    external_charge,
    key,
    payment,
    refusal_of_call,
)
from tests.integration.ledger.conftest import Serve
from tests.support.databases import FreshDatabase

BEGINNING: Final = journal_pb2.WATCH_START_BEGINNING
NOW: Final = journal_pb2.WATCH_START_NOW
# A watch that should hear of something, and does not, fails by this; nothing is measured with it.
_PATIENCE_SECONDS: Final = 30.0
# A watch that should hear of nothing is listened to for so long.
_QUIET_SECONDS: Final = 0.3
_QUICK: Final = {"watch_poll_seconds": 0.02, "watch_heartbeat_seconds": 0.1}


class Watch:
    """A watch of client 1, read answer by answer."""

    def __init__(self, channel: grpc.aio.Channel, client_no: int = 1, **request: Any) -> None:
        self.call: Any = journal_pb2_grpc.JournalServiceStub(channel).WatchTransactions(
            journal_pb2.WatchTransactionsRequest(client_no=client_no, **request)
        )
        self.cursor = ""
        self.transactions: list[transaction_pb2.Transaction] = []

    @property
    def event_nos(self) -> list[int]:
        """The numbers of all transactions so far."""
        return [transaction.event_no for transaction in self.transactions]

    async def read(self) -> list[int]:
        """The numbers of the next answer's transactions."""
        answer = await asyncio.wait_for(self.call.read(), _PATIENCE_SECONDS)
        assert answer is not grpc.aio.EOF
        self.cursor = answer.cursor or self.cursor
        self.transactions += answer.transactions
        return [transaction.event_no for transaction in answer.transactions]

    async def read_until(self, count: int) -> list[int]:
        """All numbers so far, once there are `count` of them."""
        while len(self.transactions) < count:
            await self.read()
        return self.event_nos

    def knows_its_place(self) -> bool:
        """Whether there was a cursor."""
        return bool(self.cursor)

    async def hears_nothing(self) -> None:
        """Only signs of life come for a while."""
        end = asyncio.get_running_loop().time() + _QUIET_SECONDS
        while asyncio.get_running_loop().time() < end:
            assert await self.read() == []

    def stop(self) -> str:
        """Leave, and return the cursor to come back with."""
        self.call.cancel()
        return self.cursor


@asynccontextmanager
async def held_commits(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator["HeldCommits"]:
    """Groups with a transaction whose comment is "wait" stop before their commit until they are let go."""
    held = HeldCommits()
    write = GroupPosting._write

    async def write_and_wait(posting: GroupPosting, decisions: Any, group: Any, rows: Any) -> None:
        await write(posting, decisions, group, rows)
        if any(row[-1] == "wait" for row in group.transactions):
            held.reached.set()
            await held.let_go.wait()

    monkeypatch.setattr(GroupPosting, "_write", write_and_wait)
    # Without locks, nothing can happen between writing and committing.
    monkeypatch.setattr(GroupPosting, "post_without_locks", lambda posting, _: posting.post_holding())
    try:
        yield held
    finally:
        held.let_go.set()


class HeldCommits:
    """Says when a group has come to its commit, and lets it go."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.let_go = asyncio.Event()


async def _event_nos(ledger: Ledger, acct: int) -> list[int]:
    return await ledger.posted(*(check(acct, 1) for _ in range(3)))


async def test_a_watch_from_the_beginning_tells_what_there_is_and_then_what_comes(ledger: Ledger) -> None:
    acct = await ledger.account()
    old = await _event_nos(ledger, acct)
    watch = Watch(ledger.channel, start_at=BEGINNING, page_size=2)
    assert await watch.read() == [], "the first answer comes at once"
    assert await watch.read_until(3) == old
    new = await _event_nos(ledger, acct)
    assert await watch.read_until(6) == old + new
    watch.stop()


async def test_a_watch_tells_transactions_as_they_are_read_otherwise(ledger: Ledger) -> None:
    acct = await ledger.account(50_00)
    (charged,) = await ledger.posted(external_charge(acct, 5_00))
    await ledger.void(charged)
    watch = Watch(ledger.channel, start_at=BEGINNING)
    event_nos = await watch.read_until(3)
    assert [each.transaction_type for each in watch.transactions] == [9, 14, -14]
    assert watch.transactions == [await ledger.transaction(event_no) for event_no in event_nos]
    watch.stop()


async def test_a_watch_from_now_tells_what_comes_after_its_first_cursor(ledger: Ledger) -> None:
    acct = await ledger.account()
    await _event_nos(ledger, acct)
    watch = Watch(ledger.channel, start_at=NOW)
    while not watch.cursor:
        await watch.read()
    new = await _event_nos(ledger, acct)
    assert await watch.read_until(3) == new
    watch.stop()


async def test_filters_leave_out_what_is_not_asked_for_and_the_cursor_passes_over_it(serve: Serve) -> None:
    ledger = Ledger(await serve(**_QUICK), 1)
    opened = await ledger.open_account(plans=["line"])
    acct, plan = opened.account.acct_no, opened.account.plan_instances[0].plan_instance_no
    other = await ledger.account()
    by_plan, by_type, elsewhere, *_ = await ledger.posted(
        check(acct, 1, plan_instance_no=plan), payment(acct, 2), check(other, 3), check(acct, 4)
    )
    for limits, expected in (
        ({"plan_instance_no": plan}, by_plan),
        ({"transaction_types": [3]}, by_type),
        ({"acct_no": other}, elsewhere),
        ({"acct_no": acct, "transaction_types": [3]}, by_type),
    ):
        watch = Watch(ledger.channel, start_at=BEGINNING, **limits)
        assert await watch.read_until(1) == [expected]
        await watch.hears_nothing()
        again = Watch(ledger.channel, cursor=watch.stop(), **limits)
        await again.hears_nothing()
        again.stop()


async def test_another_client_is_never_told_of(ledger: Ledger) -> None:
    stranger = Ledger(ledger.channel, client_no=2)
    theirs = await _event_nos(stranger, await stranger.account())
    mine = await _event_nos(ledger, await ledger.account())
    watch, other_watch = (Watch(ledger.channel, client_no, start_at=BEGINNING) for client_no in (1, 2))
    assert await watch.read_until(3) == mine
    assert await other_watch.read_until(3) == theirs
    watch.stop()
    other_watch.stop()


@pytest.mark.chaos
async def test_two_posters_with_slow_commits_and_a_watch_that_comes_back_all_the_time(
    serve: Serve, sql: "asyncpg.Connection[asyncpg.Record]", monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(20261122)
    write = GroupPosting._write

    async def write_slowly(posting: GroupPosting, decisions: Any, group: Any, rows: Any) -> None:
        await write(posting, decisions, group, rows)
        await asyncio.sleep(chance.choice([0, 0, 0.02, 0.1]))

    monkeypatch.setattr(GroupPosting, "_write", write_slowly)
    ledgers = [Ledger(await serve(posting_lanes=3, **_QUICK), 1) for _ in range(2)]
    accounts = [await ledgers[place % 2].account() for place in range(12)]
    done = asyncio.Event()

    async def post(ledger: Ledger) -> None:
        for _ in range(30):
            chosen = chance.sample(accounts, 2)
            await ledger.posted(*(check(acct, 1) for acct in chosen))

    async def watch_and_come_back() -> tuple[list[int], list[tuple[str, int]]]:
        told: list[int] = []
        places: list[tuple[str, int]] = []
        start: dict[str, Any] = {"start_at": BEGINNING}
        while not (done.is_set() and len(told) >= 360):
            watch = Watch(chance.choice(ledgers).channel, page_size=chance.randint(1, 40), **start)
            for _ in range(chance.randint(1, 6)):
                told += await watch.read()
                places.append((watch.cursor, len(told)))
            start = {"cursor": watch.stop()}
        return told, places

    watching = asyncio.create_task(watch_and_come_back())
    await asyncio.gather(*(post(ledger) for ledger in ledgers for _ in range(3)))
    done.set()
    told, places = await asyncio.wait_for(watching, _PATIENCE_SECONDS)

    committed = [row[0] for row in await sql.fetch("SELECT event_no FROM acct_transaction ORDER BY event_no")]
    assert told == committed
    for cursor, count in chance.sample(places, 5):
        watch = Watch(ledgers[0].channel, cursor=cursor)
        assert await watch.read_until(len(committed) - count) == committed[count:]
        watch.stop()


async def test_a_commit_that_is_late_holds_up_what_has_higher_numbers_and_is_told_first(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = [Ledger(await serve(**_QUICK), 1) for _ in range(2)]
    accounts = [await first.account(), await second.account()]
    watch = Watch(second.channel, start_at=BEGINNING)
    async with held_commits(monkeypatch) as held:
        late = asyncio.create_task(first.posted(check(accounts[0], 1, comment="wait")))
        await held.reached.wait()
        (early,) = await second.posted(check(accounts[1], 1))
        await watch.hears_nothing()
        held.let_go.set()
        (number,) = await late
    assert number < early
    assert await watch.read_until(2) == [number, early]
    watch.stop()


async def test_a_long_transaction_of_anybody_holds_a_watch_up_and_nothing_is_skipped(
    serve: Serve, database: FreshDatabase
) -> None:
    ledger = Ledger(await serve(**_QUICK), 1)
    acct = await ledger.account()
    before = await _event_nos(ledger, acct)
    somebody = await asyncpg.connect(database.owner_url)
    try:
        long = somebody.transaction()
        await long.start()
        await somebody.execute("SELECT pg_current_xact_id()")
        during = await _event_nos(ledger, acct)
        watch, from_now = (Watch(ledger.channel, start_at=start) for start in (BEGINNING, NOW))
        await watch.hears_nothing()
        await from_now.hears_nothing()
        assert not from_now.knows_its_place(), "which transactions come before it is not known yet"
        await long.commit()
    finally:
        await somebody.close()
    assert await watch.read_until(6) == before + during
    while not from_now.knows_its_place():
        await from_now.read()
    after = await _event_nos(ledger, acct)
    assert (await watch.read_until(9))[6:] == after
    while after[-1] not in from_now.event_nos:
        await from_now.read()
    assert from_now.event_nos[-3:] == after
    watch.stop()
    from_now.stop()


async def test_whoever_reserved_numbers_is_seen_to_be_under_way(
    sql: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    """What commit_order.py builds on: a reservation gives its transaction a number of the database's."""
    async with sql.transaction():
        await sql.fetchval("SELECT reserve_numbers('{event_no}', '{1}')")
        assert await sql.fetchval("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")


@pytest.mark.chaos
async def test_a_watch_whose_connections_are_cut_says_so_and_can_be_resumed(
    serve: Serve, database: FreshDatabase
) -> None:
    ledger = Ledger(await serve(**_QUICK), 1)
    acct = await ledger.account()
    told: list[int] = []
    expected: list[int] = []
    start: dict[str, Any] = {"start_at": BEGINNING}
    admin = await asyncpg.connect(database.admin_url)
    try:
        for _ in range(3):
            expected += await _event_nos(ledger, acct)
            watch = Watch(ledger.channel, **start)
            told += await watch.read_until(3)
            await admin.execute(
                """
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE application_name = 'ledger watch' AND datname = current_database()
                """
            )
            start = {"cursor": watch.cursor}
            watch.stop()
    finally:
        await admin.close()
    assert told == expected


async def _end_of(watch: Watch) -> grpc.aio.AioRpcError:
    try:
        while True:
            await watch.read()
    except grpc.aio.AioRpcError as error:
        return error


async def test_a_server_that_stops_ends_its_watches_and_another_goes_on(
    serve: Serve, database: FreshDatabase
) -> None:
    other = Ledger(await serve(**_QUICK), 1)
    acct = await other.account()
    old = await _event_nos(other, acct)
    settings = LedgerSettings(database_url=database.url, port=0, development_principal=True)
    async with running_server(LEDGER, settings) as server:
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{server.port}")
        watch = Watch(channel, start_at=BEGINNING)
        assert await watch.read_until(3) == old

        ending = asyncio.create_task(_end_of(watch))
        await asyncio.sleep(0)
    error = await ending
    await channel.close()
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert refusal_of_call(error).reason == "SERVICE_STOPPING"
    new = await _event_nos(other, acct)
    again = Watch(other.channel, cursor=watch.cursor)
    assert await again.read_until(3) == new
    again.stop()


async def _reason(watch: Watch) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await watch.read()
    refusal = refusal_of_call(caught.value)
    return refusal.code, refusal.reason


async def test_a_cursor_of_other_books_is_refused(ledger: Ledger, serve: Serve) -> None:
    await _event_nos(ledger, await ledger.account())
    watch = Watch(ledger.channel, start_at=BEGINNING)
    await watch.read_until(3)
    cursor = watch.stop()
    invalid = (grpc.StatusCode.INVALID_ARGUMENT, "CURSOR_INVALID")
    assert await _reason(Watch(ledger.channel, client_no=2, cursor=cursor)) == invalid
    for wrong in ("nonsense", "WzEsMSwtMV0", "WzIsMSwxXQ", "W1tbW1tb", "WzEsMSw5OTk5OTk5XQ"):
        assert await _reason(Watch(ledger.channel, cursor=wrong)) == invalid
    again = Watch(ledger.channel, cursor=cursor, transaction_types=[14])
    assert await again.read() == []
    again.stop()


async def test_a_caller_has_a_limited_number_of_watches_and_gets_a_place_back_when_one_ends(
    serve: Serve,
) -> None:
    channel = await serve(watches_per_caller=2, **_QUICK)
    watches = [Watch(channel, start_at=BEGINNING) for _ in range(2)]
    for watch in watches:
        await watch.read()
    exhausted = (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_WATCHES")
    assert await _reason(Watch(channel, start_at=BEGINNING)) == exhausted
    watches.pop().stop()
    for _ in range(100):
        watch = Watch(channel, start_at=BEGINNING)
        try:
            await watch.read()
            break
        except grpc.aio.AioRpcError:
            await asyncio.sleep(0.05)
    else:
        raise AssertionError("the place of a watch that ended is taken for ever")
    crowded = await serve(watches=1, **_QUICK)
    only = Watch(crowded, start_at=BEGINNING)
    await only.read()
    assert await _reason(Watch(crowded, start_at=BEGINNING)) == exhausted
    for each in (*watches, watch, only):
        each.stop()


async def test_a_page_above_the_size_of_an_answer_comes_in_several(ledger: Ledger) -> None:
    acct = await ledger.account()
    comment = "\N{EURO SIGN}" * 500
    posted = []
    for _ in range(3):
        posted += await ledger.posted(*(check(acct, 1, key(), comment=comment) for _ in range(1000)))
    watch = Watch(ledger.channel, start_at=BEGINNING, page_size=1000)
    assert await watch.read_until(3000) == posted
    watch.stop()
