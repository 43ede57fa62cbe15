"""A big book: posting on it against posting on an empty one, and reading from it.

Both books have the same accounts, each on a PostgreSQL and a ledger of its own. One of them has a history of
three years; its first account has a hundredth of all of it.

What is physical is measured as well: COPY of the same rows into the tables of both books, without commits;
an empty call; and each kind of read without a call.
"""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, Final

import asyncpg
from google.protobuf.empty_pb2 import Empty

from benchmarks import echo
from benchmarks.explaining import EXPLAINABLE, explained
from benchmarks.figures import Mark, Measurement, Outcome, percentile, ratio, ratio_mark
from benchmarks.filling import BUSIEST, HISTORY, fill
from benchmarks.meter import no_old_garbage
from benchmarks.postings import bulk_round, single_round
from benchmarks.raw_copy import CHECK_TABLES, RawTables
from benchmarks.requests import check_calls, single_checks, spread_over
from benchmarks.rounds import Subject, take_turns
from benchmarks.scale import MOST_VERIFIED, Scale
from benchmarks.stand import Books, Stand, open_channel, running_stand
from ledger_service import store_reads
from ledger_service.store_transactions import LOOKUP_SETTINGS, TransactionFilter, list_transactions
from service_kit.dates import date_to_proto
from tallybook.ledger.v1.account_pb2 import GetBalanceRequest
from tallybook.ledger.v1.ledger_pb2 import ListTransactionsRequest

_DRAFTS: Final = 1_000
_CALLS_IN_FLIGHT: Final = 8
_SINGLES_IN_FLIGHT: Final = 64
_WANTED: Final = 0.9
_WANTED_MILLISECONDS: Final = 5.0
_WARM_UP: Final = 50
_IN_A_TURN: Final = 200
_LONG_HISTORY: Final = 10_000
"""So many transactions are summed up by day when they are first asked for."""

_SECONDS_TO_SUM_UP: Final = 120
_SUMMED_UP: Final = """
    SELECT EXISTS (SELECT
                     FROM day_sum_mark
                     JOIN account_balance USING (client_no, acct_no)
                    WHERE client_no = $1 AND acct_no = $2 AND through_event_no = last_event_no)
"""

_PAGE: Final = 100
_AFTER_ALL: Final = 2**63 - 1

Read = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class _Reads:
    """Calls of one kind; and as many reads of this kind without a call, from the database by the code of the
    ledger, on a connection like its own.
    """

    calls: Sequence[Read]
    alone: Sequence[Read]

    @classmethod
    def made(cls, call: Callable[[], Read], alone: Callable[[], Read], count: int) -> "_Reads":
        """So many of each."""
        return cls([call() for _ in range(count)], [alone() for _ in range(count)])


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
        notes.append(await _measure_empty_calls(scale.reads))
        async with big[0].connection() as connection:
            await connection.execute(LOOKUP_SETTINGS)
            for name, reads in _reads(*big, connection, today, scale.reads).items():
                mark, lines = await _measure_reads(big[0], name, reads)
                marks.append(mark)
                notes += lines
        copied = await _measure_copy(places, calls, scale.rounds)
        notes.append(
            f"COPY of the same rows into the tables of the big book, without commits, reaches"
            f" {ratio(*copied):.2f} of that into those of the empty one"
        )
        await empty[0].verify()
        if scale.book_transactions <= MOST_VERIFIED:
            await big[0].verify()
    return Outcome([*bulk, *single, *copied], marks, notes)


async def _measure_copy(
    places: Mapping[str, tuple[Stand, Books]], commits: int, rounds: int
) -> list[Measurement]:
    """COPY into the tables of both books, undone each time. Comes last: what is undone is still in the way
    of who reads.
    """
    async with AsyncExitStack() as stack:
        subjects = []
        for place, (stand, books) in places.items():
            sample = await stand.open_books(1)
            await stand.ledger.transactions.RecordExternalPayment(single_checks(sample, 1)[0])
            connection = await stack.enter_async_context(stand.connection())
            raw = await RawTables.of_the_ledger(connection, books, sample, CHECK_TABLES)
            copy = partial(raw.undone_round, stand.meter, commits, _DRAFTS)
            subjects.append(Subject(f"{place}, COPY of {_DRAFTS:,} at once, undone", "transactions", copy))
        return await take_turns(subjects, rounds)


def _reads(
    stand: Stand, books: Books, connection: asyncpg.Connection, today: date, count: int
) -> dict[str, _Reads]:
    """What is read, so many times: of accounts without any order, and as of days without any."""
    accounts, client_no = stand.ledger.accounts, books.client_no
    acct_nos = spread_over(books.acct_nos)
    busiest = books.acct_nos[0]
    days = itertools.cycle(today - timedelta(days=day) for day in spread_over(range(HISTORY.days)))

    def balances(acct_nos: Iterator[int]) -> _Reads:
        def call() -> Read:
            return partial(
                accounts.GetBalance, GetBalanceRequest(client_no=client_no, acct_no=next(acct_nos))
            )

        def alone() -> Read:
            return partial(store_reads.balances_now, connection, client_no, next(acct_nos))

        return _Reads.made(call, alone, count)

    def balances_at_dates(acct_nos: Iterator[int]) -> _Reads:
        def call() -> Read:
            request = GetBalanceRequest(
                client_no=client_no, acct_no=next(acct_nos), effective_date=date_to_proto(next(days))
            )
            return partial(accounts.GetBalance, request)

        def alone() -> Read:
            return partial(store_reads.balances_at_date, connection, client_no, next(acct_nos), next(days))

        return _Reads.made(call, alone, count)

    def pages(acct_nos: Iterator[int]) -> _Reads:
        def call() -> Read:
            request = ListTransactionsRequest(client_no=client_no, acct_no=next(acct_nos), page_size=_PAGE)
            return partial(stand.ledger.transactions.ListTransactions, request)

        def alone() -> Read:
            wanted = TransactionFilter(client_no, acct_no=next(acct_nos))
            return partial(list_transactions, connection, wanted, _AFTER_ALL, _PAGE + 1)

        return _Reads.made(call, alone, count)

    return {
        "GetBalance": balances(acct_nos),
        "a page of ListTransactions": pages(acct_nos),
        "a page of ListTransactions, busiest account": pages(itertools.repeat(busiest)),
        "GetBalance as of a date": balances_at_dates(acct_nos),
        "GetBalance as of a date, busiest account": balances_at_dates(itertools.repeat(busiest)),
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


async def _measure_empty_calls(count: int) -> str:
    """How long a call takes that does nothing."""
    with echo.running_service() as (target, _):
        async with open_channel(target) as channel:
            call = echo.call_of(channel, echo.ECHO)
            (milliseconds,) = await _timed([partial(call, Empty())] * count)
    return f"an empty call: {_percentiles(milliseconds)}"


async def _measure_reads(stand: Stand, name: str, reads: _Reads) -> tuple[Mark, list[str]]:
    """How long each takes, in turns with one without a call; and what a few of them read."""
    milliseconds, alone = await _timed(reads.calls, reads.alone)
    few = reads.calls[:_WARM_UP]
    async with explained(stand) as statements:
        for read in few:
            await read()
    rows = max(_in_all(statements, "rows", len(few)))
    pages = max(_in_all(statements, "buffers", len(few)))
    mark = Mark(
        f"p99 of {name}", percentile(milliseconds, 99), _WANTED_MILLISECONDS, at_most=True, unit=" ms"
    )
    return mark, [
        f"{name}: {_percentiles(milliseconds)}; reads at most {rows:,} rows, {pages:,} pages",
        f"  without a call: {_percentiles(alone)}",
    ]


async def _timed(*kinds: Sequence[Read]) -> list[list[float]]:
    """Milliseconds of each, once a few were made that don't count. One after the other, and so many of each
    kind in turns: who is asked now and then by somebody who does something else in between is slower.
    """
    for reads in kinds:
        for read in reads[:_WARM_UP]:
            await read()
    milliseconds: list[list[float]] = [[] for _ in kinds]
    with no_old_garbage():
        for first in range(0, len(kinds[0]), _IN_A_TURN):
            for reads, taken in zip(kinds, milliseconds, strict=True):
                for read in reads[first : first + _IN_A_TURN]:
                    began = time.perf_counter()
                    await read()
                    taken.append((time.perf_counter() - began) * 1e3)
    return milliseconds


def _percentiles(milliseconds: Sequence[float]) -> str:
    return f"p50 {percentile(milliseconds, 50):.2f} ms, p99 {percentile(milliseconds, 99):.2f} ms"


def _in_all(statements: Sequence[Any], what: str, reads: int) -> list[int]:
    """Of each read: what its statements read together."""
    assert statements, "nothing was explained"
    each = len(statements) // reads
    values = [getattr(statement, what) for statement in statements]
    return [sum(values[place : place + each]) for place in range(0, len(values), each)]
