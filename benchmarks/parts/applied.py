"""Application: electronic payments that pay open invoices, the oldest first, against the same payments on
accounts that owe nothing. Beside it COPY of the rows of the former against those of the latter, which tells
how much of the difference is physical: a payment that pays has a row more.
"""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Final

from benchmarks.figures import Measurement, Outcome, Sample, ratio, ratio_mark
from benchmarks.postings import bulk_round
from benchmarks.raw_copy import RawTables
from benchmarks.requests import AMOUNT, electronic_payment_calls, invoice_calls
from benchmarks.rounds import Subject, take_turns
from benchmarks.scale import Scale
from benchmarks.stand import Books, Stand, send
from tallybook.ledger.v1.ledger_pb2 import PostTransactionsRequest

_PAYMENTS: Final = 1_000
_IN_FLIGHT: Final = 8
_LINES: Final = 1
_WANTED: Final = 0.5
_INVOICES_IN_FLIGHT: Final = 2
# About what a group has, with so many calls in flight.
_ROWS_AT_ONCE: Final = _PAYMENTS * _IN_FLIGHT // 2
_PAYMENT: Final = "transaction_type = 3"


@dataclass(frozen=True, slots=True)
class _Payments:
    """As many payments as there are open invoices, each of the amount of one."""

    stand: Stand
    books: Books
    calls: int

    def requests(self) -> Sequence[PostTransactionsRequest]:
        return electronic_payment_calls(self.books, self.calls, _PAYMENTS, AMOUNT * _LINES)

    async def on_open_invoices(self) -> Sample:
        """Each pays one invoice."""
        invoices = invoice_calls(self.books, self.calls, _PAYMENTS, _LINES)
        answers = await send(self.stand.ledger.invoices.CreateInvoices, invoices, _INVOICES_IN_FLIGHT)
        assert all(result.invoice_no for answer in answers for result in answer.results)
        return await self.on_nothing()

    async def on_nothing(self) -> Sample:
        """What they pay is left on the account."""
        return await bulk_round(self.stand.meter, self.stand.ledger, self.requests, _IN_FLIGHT)()


async def measure(stand: Stand, scale: Scale) -> Outcome:
    """Measure payments with and without something to pay."""
    calls = -(-scale.drafts // _PAYMENTS)
    indebted = _Payments(stand, await stand.open_books(scale.accounts), calls)
    free = _Payments(stand, await stand.open_books(scale.accounts), calls)
    name = f"electronic payments, {_PAYMENTS:,} a call, {_IN_FLIGHT} in flight"
    applied, unapplied = await take_turns(
        [
            Subject(f"{name}, each pays an invoice", "payments", indebted.on_open_invoices),
            Subject(f"{name}, nothing to pay", "payments", free.on_nothing),
        ],
        scale.rounds,
    )
    copied = await _measure_copy(stand, scale)
    return Outcome(
        [applied, unapplied, *copied],
        [ratio_mark(applied, unapplied, _WANTED)],
        [f"COPY of the rows of payments with applications reaches {ratio(*copied):.2f} of that without"],
    )


async def _measure_copy(stand: Stand, scale: Scale) -> list[Measurement]:
    """COPY of the rows of payments, with applications and without, in commits as large as those of groups."""
    books, sample = await stand.open_books(scale.accounts), await stand.open_books(1)
    await stand.ledger.invoices.CreateInvoices(invoice_calls(sample, 1, 1, _LINES)[0])
    await stand.ledger.transactions.PostTransactions(
        electronic_payment_calls(sample, 1, 1, AMOUNT * _LINES)[0]
    )
    tables = {"with applications": ("application",), "alone": ()}
    commits = -(-scale.drafts // _ROWS_AT_ONCE)
    async with AsyncExitStack() as stack:
        subjects = []
        for place, (what, more) in enumerate(tables.items()):
            connection = await stack.enter_async_context(stand.connection())
            raw = await RawTables.copied(
                connection, books, sample, ("acct_transaction", "payments", *more), f"raw_{place}", _PAYMENT
            )
            copy = partial(raw.copy_round, stand.meter, commits, _ROWS_AT_ONCE)
            subjects.append(Subject(f"COPY of payments {what}, {_ROWS_AT_ONCE:,} a commit", "payments", copy))
            stack.push_async_callback(raw.drop)
        return await take_turns(subjects, scale.rounds)
