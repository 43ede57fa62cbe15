"""Bulk posting: calls of 8,000, 1,000 and 100 drafts, each against COPY in commits of that size; and beside a
service that only writes the rows of such calls, which tells how much of the way to the limit is physical.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from benchmarks import echo
from benchmarks.figures import Outcome, ratio, ratio_mark
from benchmarks.meter import Meter
from benchmarks.postings import Round, bulk_round
from benchmarks.raw_copy import CHECK_TABLES, RawTables
from benchmarks.requests import check_calls, single_checks
from benchmarks.rounds import Subject, take_turns
from benchmarks.scale import Scale
from benchmarks.stand import Books, Ledger, Stand, open_channel


@dataclass(frozen=True, slots=True)
class _Load:
    """Calls of so many drafts, so many of them in flight. wanted: what part of the limit."""

    drafts: int
    in_flight: int
    wanted: float


_LOADS: Final = (_Load(8_000, 3, 0.8), _Load(1_000, 8, 0.75), _Load(100, 4, 0.9))


async def measure(stand: Stand, scale: Scale) -> Outcome:
    """Measure every size of calls in turns with the limit for it. Of each, the ledger comes first, then the
    limit, then the service that only writes.
    """
    books, sample = await stand.open_books(scale.accounts), await stand.open_books(1)
    await stand.ledger.transactions.RecordExternalPayment(single_checks(sample, 1)[0])
    measurements, marks, notes = [], [], []
    async with stand.connection() as connection, _bare_posting(stand, books, sample) as (bare, bare_meter):
        raw = await RawTables.copied(connection, books, sample, CHECK_TABLES)
        for load in _LOADS:
            calls = -(-scale.drafts // load.drafts)
            make_calls = partial(check_calls, books, calls, load.drafts)
            a_call = f"{load.drafts:,} a call, {load.in_flight} in flight"
            rounds: dict[str, Round] = {
                f"PostTransactions, {a_call}": bulk_round(
                    stand.meter, stand.ledger, make_calls, load.in_flight
                ),
                f"COPY, {load.drafts:,} a commit": partial(raw.copy_round, stand.meter, calls, load.drafts),
                f"rows of calls written and no more, {a_call}": bulk_round(
                    bare_meter, bare, make_calls, load.in_flight
                ),
            }
            product, limit, least = await take_turns(
                [Subject(name, "transactions", each, load.drafts) for name, each in rounds.items()],
                scale.rounds,
            )
            measurements += [product, limit, least]
            marks.append(ratio_mark(product, limit, load.wanted))
            notes.append(
                f"{a_call}: a service that only writes the rows reaches {ratio(least, limit):.2f} of the"
                f" limit, and PostTransactions {ratio(product, least):.2f} of that"
            )
    return Outcome(measurements, marks, notes)


@asynccontextmanager
async def _bare_posting(stand: Stand, books: Books, sample: Books) -> AsyncIterator[tuple[Ledger, Meter]]:
    """A service that only writes the rows of calls, and a meter for it."""
    clients = (str(books.client_no), str(sample.client_no))
    command = ("benchmarks.bare_posting", stand.postgres.url("tallybook_ledger"), *clients)
    with echo.running_service(*command) as (target, pid):
        async with open_channel(target) as channel:
            yield Ledger(channel), stand.meter_of(pid)
