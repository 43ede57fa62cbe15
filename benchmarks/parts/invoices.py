"""Invoices: CreateInvoices with three lines each, against COPY of their rows."""

from functools import partial
from typing import Final

from benchmarks.figures import Outcome, Sample, ratio_mark
from benchmarks.raw_copy import RawTables
from benchmarks.requests import invoice_calls
from benchmarks.rounds import Subject, take_turns
from benchmarks.scale import Scale
from benchmarks.stand import Books, Stand, send

_LINES: Final = 3
_INVOICES: Final = 1_000
_IN_FLIGHT: Final = 4
_WANTED: Final = 0.5
_TABLES: Final = ("invoice", "acct_transaction", "gl_detail")


async def measure(stand: Stand, scale: Scale) -> Outcome:
    """Measure invoices in turns with their rows."""
    books, sample = await stand.open_books(scale.accounts), await stand.open_books(1)
    await stand.ledger.invoices.CreateInvoices(invoice_calls(sample, 1, 1, _LINES)[0])
    calls = -(-scale.drafts // (_INVOICES * _LINES))
    async with stand.connection() as connection:
        raw = await RawTables.copied(connection, books, sample, _TABLES)
        product, limit = await take_turns(
            [
                Subject(
                    f"CreateInvoices, {_LINES} lines each, {_INVOICES:,} a call, {_IN_FLIGHT} in flight",
                    "invoices",
                    partial(_create, stand, books, calls),
                ),
                Subject(
                    f"COPY of their rows, {_INVOICES:,} a commit",
                    "invoices",
                    partial(raw.copy_round, stand.meter, calls, _INVOICES),
                ),
            ],
            scale.rounds,
        )
    return Outcome([product, limit], [ratio_mark(product, limit, _WANTED)])


async def _create(stand: Stand, books: Books, calls: int) -> Sample:
    requests = invoice_calls(books, calls, _INVOICES, _LINES)
    creating = send(stand.ledger.invoices.CreateInvoices, requests, _IN_FLIGHT)
    sample, answers = await stand.meter.measure(calls * _INVOICES, creating)
    results = [result for answer in answers for result in answer.results]
    assert len(results) == calls * _INVOICES
    assert all(len(result.lines) == _LINES for result in results)
    return sample
