"""Lost connections, too much work, callers who give up: nothing is lost and nothing is done twice."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import grpc
import pytest

from ledger_service import store_groups
from ledger_service.posting import Poster
from ledger_service.requests import PostingRequest
from tallybook.ledger.v1 import ledger_pb2
from tests.integration.ledger.caller import Ledger, RefusedError, check, external_charge, key
from tests.integration.ledger.conftest import Serve
from tests.support.databases import FreshDatabase


@asynccontextmanager
async def locked(database: FreshDatabase, acct_no: int) -> AsyncIterator[None]:
    """Somebody else holds the account."""
    connection = await asyncpg.connect(database.owner_url)
    try:
        async with connection.transaction():
            await connection.execute("SELECT FROM account_balance WHERE acct_no = $1 FOR UPDATE", acct_no)
            yield
    finally:
        await connection.close()


@pytest.mark.chaos
async def test_every_call_is_posted_once_though_connections_are_cut_all_the_time(
    serve: Serve, database: FreshDatabase, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    ledger = Ledger(await serve(), 1)
    acct = await ledger.account()
    admin = await asyncpg.connect(database.admin_url)
    done = asyncio.Event()

    async def cut() -> None:
        while not done.is_set():
            await admin.execute(
                """
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE application_name = 'ledger poster' AND datname = current_database()
                """
            )
            await asyncio.sleep(0.1)

    async def post(request_id: str) -> None:
        draft = external_charge(acct, 1)
        while True:
            try:
                await ledger.post(draft, request_id=request_id)
                return
            except RefusedError as refused:
                if refused.refusal.code is not grpc.StatusCode.UNAVAILABLE:
                    raise

    cutting = asyncio.create_task(cut())
    try:
        for _ in range(8):
            await asyncio.gather(*(post(key()) for _ in range(10)))
    finally:
        done.set()
        await cutting
        await admin.close()
    assert await ledger.balance(acct) == 80
    assert await sql.fetchval("SELECT count(*) FROM acct_transaction") == 80


async def test_a_commit_whose_acknowledgement_is_lost_is_answered_and_not_repeated(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    acct = await ledger.account()
    post_once = Poster._post_once
    lost: list[bool] = []

    async def post_and_lose(
        self: Poster, connection: Any, requests: Sequence[PostingRequest], **how: Any
    ) -> Any:
        results = await post_once(self, connection, requests, **how)
        if not lost:
            lost.append(True)
            raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
        return results

    monkeypatch.setattr(Poster, "_post_once", post_and_lose)
    response = await ledger.post(check(acct, 10))
    assert lost
    assert len(response.results[0].transactions) == 1
    assert await ledger.balance(acct) == -10


async def test_a_request_that_can_not_be_written_does_not_fail_its_neighbours(
    ledger: Ledger, database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    acct = await ledger.account()
    answered = store_groups.answered

    def answered_or_fail(keys: Sequence[tuple[Any, ...]]) -> Any:
        if any(row[2] == "poison" for row in keys):
            raise ValueError("nobody foresaw this")
        return answered(keys)

    monkeypatch.setattr(store_groups, "answered", answered_or_fail)
    async with locked(database, acct):
        # Both lanes wait for the account, and behind them a group gathers.
        first = [asyncio.create_task(ledger.post(check(acct, 1))) for _ in range(2)]
        await asyncio.sleep(0.2)
        calls = [
            asyncio.create_task(ledger.post(check(acct, 1), request_id="poison" if place == 5 else key()))
            for place in range(10)
        ]
        await asyncio.sleep(0.2)
    outcomes = await asyncio.gather(*first, *calls, return_exceptions=True)
    failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert [failure.refusal.reason for failure in failures if isinstance(failure, RefusedError)] == [
        "INTERNAL"
    ]
    assert await ledger.balance(acct) == -11


async def test_too_much_work_is_refused_with_the_time_to_wait(serve: Serve, database: FreshDatabase) -> None:
    ledger = Ledger(await serve(posting_queue_size=10, posting_lanes=1), 1)
    acct = await ledger.account()
    async with locked(database, acct):
        at_work = asyncio.create_task(ledger.post(check(acct, 1)))
        await asyncio.sleep(0.2)
        waiting = asyncio.create_task(ledger.post(*(check(acct, 1) for _ in range(8))))  # noqa: RUF006
        await asyncio.sleep(0.2)
        with pytest.raises(RefusedError) as refused:
            await ledger.post(*(check(acct, 1) for _ in range(3)))
        assert refused.value.refusal.reason == "OVERLOADED"
        assert refused.value.refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert refused.value.refusal.retry_seconds == 0.5
        fits = asyncio.create_task(ledger.post(check(acct, 1)))
        await asyncio.sleep(0.1)
    await asyncio.gather(at_work, waiting, fits)
    assert await ledger.balance(acct) == -10


async def test_a_call_that_was_given_up_before_its_turn_posts_nothing(
    serve: Serve, database: FreshDatabase
) -> None:
    ledger = Ledger(await serve(posting_lanes=1), 1)
    acct = await ledger.account()
    async with locked(database, acct):
        at_work = asyncio.create_task(ledger.post(check(acct, 1)))
        await asyncio.sleep(0.2)
        given_up = ledger.ledger.PostTransactions(
            ledger_pb2.PostTransactionsRequest(client_no=1, request_id=key(), drafts=[check(acct, 50)]),
            timeout=0.2,
        )
        with contextlib.suppress(grpc.aio.AioRpcError):
            await given_up
        assert await given_up.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await at_work
    await ledger.posted(check(acct, 1))
    assert await ledger.balance(acct) == -2
