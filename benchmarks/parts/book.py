"""A big book: posting on it against posting on an empty one, and reading from it.

Both books have the same accounts, each on a PostgreSQL and a ledger of its own. One of them has a history of
three years; its first account has a hundredth of all of it.
"""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, Final

from benchmarks.explaining import EXPLAINABLE, explained
from benchmarks.figures import Mark, Outcome, percentile, ratio_mark
from benchmarks.filling import BUSIEST, HISTORY, fill
from benchmarks.postings import bulk_round, single_round
from benchmarks.requests import check_calls, spread_over
from benchmarks.rounds import Subject, take_turns
from benchmarks.scale import MOST_VERIFIED, Scale
from benchmarks.stand import Books, Stand, running_stand
from service_kit.dates import date_to_proto
from tallybook.ledger.v1.account_pb2 import GetBalanceRequest
from tallybook.ledger.v1.ledger_pb2 import ListTransactionsRequest

_DRAFTS: Final = 1_000
_CALLS_IN_FLIGHT: Final = 8
_SINGLES_IN_FLIGHT: Final = 64
_WANTED: Final = 0.9
_WANTED_MILLISECONDS: Final = 5.0
_WARM_UP: Final = 50
_LONG_HISTORY: Final = 10_000
"""So many transactions are summed up by day when they are first asked for."""

_SECONDS_TO_SUM_UP: Final = 120
_SUMMED_UP: Final = """
    SELECT EXISTS (SELECT
                     FROM day_sum_mark
                     JOIN account_balance USING (client_no, acct_no)
                    WHERE client_no = $1 AND acct_no = $2 AND through_event_no = last_event_no)
"""

Read = Callable[[], Awaitable[object]]


async def measure(scale: Scale) -> Outcome:
    """Measure posting in turns on both books, then reads of the big one."""
    today = datetime.now(UTC).date()
    async with AsyncExitStack() as stack:
        # A load of its own for the module that explains would not be fair to one of them.
        stands = [
            await stack.enter_async_context(running_stand(postgres_options=EXPLAINABLE)) for _ in range(2)
        ]
        big, empty = [(stand, await stand.open_books(scale.book_accounts)) for stand in stands]
        began = time.perf_counter()
        await fill(*big, scale.book_transactions, today)
        notes = [
            f"{scale.book_transactions:,} transactions on {scale.book_accounts:,} accounts:"
            f" filled in {time.perf_counter() - began:.0f} s"
        ]
        places = {f"book of {scale.book_transactions:,}": big, "empty book": empty}
        calls = -(-scale.drafts // _DRAFTS)
        bulk = await take_turns(
            [
                Subject(
                    f"{place}, {_DRAFTS:,} a call, {_CALLS_IN_FLIGHT} in flight",
                    "transactions",
                    bulk_round(
                        stand.meter,
                        stand.ledger,
                        partial(check_calls, books, calls, _DRAFTS),
                        _CALLS_IN_FLIGHT,
                    ),
                )
                for place, (stand, books) in places.items()
            ],
            scale.rounds,
        )
        single = await take_turns(
            [
                Subject(
                    f"{place}, single, {_SINGLES_IN_FLIGHT} in flight",
                    "calls",
                    single_round(stand.meter, stand.ledger, books, scale.calls, _SINGLES_IN_FLIGHT),
                )
                for place, (stand, books) in places.items()
            ],
            scale.rounds,
        )
        marks = [ratio_mark(of_big, of_empty, _WANTED) for of_big, of_empty in (bulk, single)]
        if scale.book_transactions // BUSIEST > _LONG_HISTORY:
            notes.append(await _sum_up_busiest(*big, today))
        for name, reads in _reads(*big, today, scale.reads).items():
            mark, line = await _measure_reads(big[0], name, reads)
            marks.append(mark)
            notes.append(line)
        await empty[0].verify()
        if scale.book_transactions <= MOST_VERIFIED:
            await big[0].verify()
    return Outcome([*bulk, *single], marks, notes)


def _reads(stand: Stand, books: Books, today: date, count: int) -> dict[str, Sequence[Read]]:
    """What is read, so many times: of accounts without any order, and as of days without any."""
    accounts, client_no = stand.ledger.accounts, books.client_no
    acct_nos = spread_over(books.acct_nos)
    busiest = books.acct_nos[0]
    days = itertools.cycle(today - timedelta(days=day) for day in spread_over(range(HISTORY.days)))

    def balance(acct_no: int, as_of: date | None = None) -> Read:
        request = GetBalanceRequest(
            client_no=client_no, acct_no=acct_no, effective_date=date_to_proto(as_of) if as_of else None
        )
        return partial(accounts.GetBalance, request)

    def page(acct_no: int) -> Read:
        request = ListTransactionsRequest(client_no=client_no, acct_no=acct_no)
        return partial(stand.ledger.transactions.ListTransactions, request)

    return {
        "GetBalance": [balance(next(acct_nos)) for _ in range(count)],
        "a page of ListTransactions": [page(next(acct_nos)) for _ in range(count)],
        "a page of ListTransactions, busiest account": [page(busiest) for _ in range(count)],
        "GetBalance as of a date": [balance(next(acct_nos), next(days)) for _ in range(count)],
        "GetBalance as of a date, busiest account": [balance(busiest, next(days)) for _ in range(count)],
    }


async def _sum_up_busiest(stand: Stand, books: Books, today: date) -> str:
    """Ask for the busiest account as of the middle of its history, and wait until it is summed up by day, as
    it is behind that call.
    """
    began = time.perf_counter()
    await stand.ledger.accounts.GetBalance(
        GetBalanceRequest(
            client_no=books.client_no,
            acct_no=books.acct_nos[0],
            effective_date=date_to_proto(today - HISTORY / 2),
        )
    )
    asked = time.perf_counter()
    async with stand.connection() as connection, asyncio.timeout(_SECONDS_TO_SUM_UP):
        while not await connection.fetchval(_SUMMED_UP, books.client_no, books.acct_nos[0]):  # noqa: ASYNC110  # another process does it
            await asyncio.sleep(0.1)
    return (
        f"the first GetBalance as of a date of the busiest account: {(asked - began) * 1e3:.0f} ms;"
        f" summed up by day {time.perf_counter() - asked:.1f} s later"
    )


async def _measure_reads(stand: Stand, name: str, reads: Sequence[Read]) -> tuple[Mark, str]:
    """How long each takes, one after the other, and what the statements of a few of them read."""
    for read in reads[:_WARM_UP]:
        await read()
    milliseconds = []
    for read in reads:
        began = time.perf_counter()
        await read()
        milliseconds.append((time.perf_counter() - began) * 1e3)
    async with explained(stand) as statements:
        for read in reads[:_WARM_UP]:
            await read()
    rows = max(_in_all(statements, "rows", len(reads[:_WARM_UP])))
    pages = max(_in_all(statements, "buffers", len(reads[:_WARM_UP])))
    p50, p99 = percentile(milliseconds, 50), percentile(milliseconds, 99)
    mark = Mark(f"p99 of {name}", p99, _WANTED_MILLISECONDS, at_most=True, unit=" ms")
    return mark, f"{name}: p50 {p50:.2f} ms, p99 {p99:.2f} ms; reads at most {rows:,} rows, {pages:,} pages"


def _in_all(statements: Sequence[Any], what: str, reads: int) -> list[int]:
    """Of each read: what its statements read together."""
    assert statements, "nothing was explained"
    each = len(statements) // reads
    values = [getattr(statement, what) for statement in statements]
    return [sum(values[place : place + each]) for place in range(0, len(values), each)]
