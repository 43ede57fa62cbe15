"""Bulk posting: calls of 8,000, 1,000 and 100 drafts, each against COPY in commits of that size."""

from dataclasses import dataclass
from functools import partial
from typing import Final

from benchmarks.figures import Outcome, ratio_mark
from benchmarks.postings import bulk_round
from benchmarks.raw_copy import RawTables
from benchmarks.requests import check_calls, single_checks
from benchmarks.rounds import Subject, take_turns
from benchmarks.scale import Scale
from benchmarks.stand import Stand

_TABLES: Final = ("acct_transaction", "external_payments")


@dataclass(frozen=True, slots=True)
class _Load:
    """Calls of so many drafts, so many of them in flight. wanted: what part of the limit."""

    drafts: int
    in_flight: int
    wanted: float


_LOADS: Final = (_Load(8_000, 3, 0.8), _Load(1_000, 8, 0.75), _Load(100, 4, 0.9))


async def measure(stand: Stand, scale: Scale) -> Outcome:
    """Measure every size of calls in turns with the limit for it."""
    books, sample = await stand.open_books(scale.accounts), await stand.open_books(1)
    await stand.ledger.transactions.RecordExternalPayment(single_checks(sample, 1)[0])
    measurements, marks = [], []
    async with stand.connection() as connection:
        raw = await RawTables.copied(connection, books, sample, _TABLES)
        for load in _LOADS:
            calls = -(-scale.drafts // load.drafts)
            product, limit = await take_turns(
                [
                    Subject(
                        f"PostTransactions, {load.drafts:,} a call, {load.in_flight} in flight",
                        "transactions",
                        bulk_round(
                            stand.meter,
                            stand.ledger,
                            partial(check_calls, books, calls, load.drafts),
                            load.in_flight,
                        ),
                        load.drafts,
                    ),
                    Subject(
                        f"COPY, {load.drafts:,} a commit",
                        "transactions",
                        partial(raw.copy_round, stand.meter, calls, load.drafts),
                        load.drafts,
                    ),
                ],
                scale.rounds,
            )
            measurements += [product, limit]
            marks.append(ratio_mark(product, limit, load.wanted))
    return Outcome(measurements, marks)
