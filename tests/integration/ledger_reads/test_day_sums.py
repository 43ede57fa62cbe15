"""Sums by day: what a balance at a date reads of accounts with a long history, and that it is the same."""

import asyncio
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from ledger_service import day_sums
from ledger_service.rules.verification import Check, Finding
from ledger_service.store_day_sums import sum_up
from ledger_service.store_reads import balance_before, balances_at_date
from ledger_service.verification import LedgerVerifier
from service_kit.database import driver_connection
from service_kit.dates import date_to_proto
from tallybook.ledger.v1 import account_pb2 as pb
from tests.integration.ledger_reads.books import CLIENT, Books, Entry, balance_at

if TYPE_CHECKING:
    from tallybook.ledger.v1.account_pb2_grpc import AccountServiceAsyncStub

MAY = date(2026, 5, 1)
DAYS = [MAY + timedelta(days=day) for day in (0, 0, 30, 3, 9, 1, 30, 12, 27)]


async def post_history(books: Books, acct_no: int, fibre: int | None, entries: range) -> list[Entry]:
    """Charges and credits on an account and its plan instance, most of them back-dated."""
    posted = [
        Entry(
            acct_no,
            (14, 10)[place % 2],
            3**place,
            DAYS[place],
            plan_instance_no=fibre if place % 3 else None,
        )
        for place in entries
    ]
    for entry in posted:
        await books.post(entry)
    return posted


async def sum_up_all(engine: AsyncEngine, acct_no: int, at_once: int) -> None:
    """Until there is nothing left, so many transactions at once."""
    async with driver_connection(engine) as connection:
        while await sum_up(connection, CLIENT, acct_no, at_once):
            pass


async def faults(engine: AsyncEngine) -> list[tuple[Check, str, str]]:
    """What VerifyLedger finds."""
    return [
        (part.check, part.table, part.message)
        async for part in LedgerVerifier(engine).verify(CLIENT)
        if isinstance(part, Finding)
    ]


async def summed_up(books: Books) -> list[int]:
    """The accounts that are summed up, as soon as there are any."""
    for _ in range(1_000):
        if marks := await books.connection.fetch("SELECT acct_no FROM day_sum_mark"):
            return [acct_no for (acct_no,) in marks]
        await asyncio.sleep(0.01)
    raise AssertionError("nothing was summed up")


@pytest.mark.parametrize("summed", [0, 1, 5, 9])
async def test_a_balance_at_a_date_is_the_same_whatever_is_summed_up_by_day(
    books: Books, engine: AsyncEngine, summed: int
) -> None:
    acct_no, fibre = await books.account(plans=("Fibre",))
    (other,) = await books.account()
    await books.post(Entry(other, 14, 7, MAY))
    entries = await post_history(books, acct_no, fibre, range(summed))
    await sum_up_all(engine, acct_no, at_once=2)
    entries += await post_history(books, acct_no, fibre, range(summed, len(DAYS)))

    for as_of in (date.min, *(MAY + timedelta(days=day) for day in range(-1, 32)), date.max):
        async with driver_connection(engine) as connection:
            balances, _ = await balances_at_date(connection, CLIENT, acct_no, as_of)
        assert balances is not None
        assert balances.balance == balance_at(entries, as_of, None, fibre)
        assert balances.account_only == balance_at(entries, as_of, None)
    assert await faults(engine) == []


async def test_what_is_summed_up_is_not_read_again(books: Books, engine: AsyncEngine) -> None:
    acct_no, fibre = await books.account(plans=("Fibre",))
    await post_history(books, acct_no, fibre, range(7))
    late = MAY + timedelta(days=20)

    async def counted() -> tuple[int, int]:
        async with driver_connection(engine) as connection, engine.connect() as other:
            _, for_balance = await balances_at_date(connection, CLIENT, acct_no, late)
            _, for_opening = await balance_before(other, CLIENT, acct_no, late)
            return for_balance, for_opening

    assert await counted() == (2, 2)
    await sum_up_all(engine, acct_no, at_once=100)
    assert await counted() == (0, 0)
    await post_history(books, acct_no, fibre, range(7, 9))
    assert await counted() == (2, 2)


async def test_an_account_that_is_summed_up_twice_at_once_is_counted_once(
    books: Books, engine: AsyncEngine
) -> None:
    acct_no, fibre = await books.account(plans=("Fibre",))
    await post_history(books, acct_no, fibre, range(9))
    await asyncio.gather(*(sum_up_all(engine, acct_no, at_once=2) for _ in range(4)))
    assert await faults(engine) == []


async def test_an_account_with_a_long_history_is_summed_up_when_it_was_asked_for(
    books: Books,
    accounts: "AccountServiceAsyncStub",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(day_sums, "MANY", 1)
    long, fibre = await books.account(plans=("Fibre",))
    await post_history(books, long, fibre, range(9))
    (short,) = await books.account()
    await books.post(Entry(short, 14, 7, MAY), Entry(short, 14, 7, DAYS[2]))

    async def ask() -> list[int]:
        as_of = date_to_proto(MAY + timedelta(days=5))
        requests = [
            pb.GetBalanceRequest(client_no=CLIENT, acct_no=acct_no, effective_date=as_of)
            for acct_no in (short, long)
        ]
        return [(await accounts.GetBalance(request)).balance.minor_units for request in requests]

    before = await ask()
    assert await summed_up(books) == [long]
    assert await ask() == before


async def test_a_sum_that_is_not_that_of_its_transactions_is_found(books: Books, engine: AsyncEngine) -> None:
    (acct_no,) = await books.account()
    await books.post(Entry(acct_no, 14, 500, MAY), Entry(acct_no, 10, 20, MAY))
    await sum_up_all(engine, acct_no, at_once=10)
    await books.connection.execute("UPDATE day_sum SET amount = 7")
    await books.insert(
        "day_sum", client_no=CLIENT, acct_no=acct_no, effective_date=DAYS[3], plan_instance_no=0, amount=1
    )
    assert sorted(await faults(engine)) == [
        (
            Check.ACCOUNT_BALANCE,
            "day_sum_mark",
            f"the stored sum of {day} is {stored}, but that of its transactions is {right}",
        )
        for day, stored, right in ((MAY, 7, 480), (DAYS[3], 1, 0))
    ]
