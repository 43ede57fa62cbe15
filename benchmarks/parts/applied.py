"""Application: electronic payments that pay open invoices, the oldest first, against the same payments on
accounts that owe nothing; and, for comparison, payments of invoices of several lines. Beside it COPY of the
rows of the former against those of the latter, which tells how much of the difference is physical: a payment
that pays has a row more, and who writes it has to know what it pays.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Final

import asyncpg

from benchmarks.figures import Measurement, Outcome, Sample, ratio, ratio_mark
from benchmarks.postings import bulk_round
from benchmarks.raw_copy import RawTables
from benchmarks.requests import AMOUNT, electronic_payment_calls, invoice_calls
from benchmarks.rounds import Subject, take_turns
from benchmarks.scale import Scale
from benchmarks.stand import Books, Stand, send
from ledger_service.rules.applications import Queue
from ledger_service.rules.books import Books as StoredBooks
from ledger_service.rules.needs import Needs
from ledger_service.store_applications import first_in_turn
from ledger_service.store_books import POSTING_SETTINGS, accounts_as_they_are
from ledger_service.store_round_trips import ask
from tallybook.ledger.v1.ledger_pb2 import PostTransactionsRequest

_PAYMENTS: Final = 1_000
_IN_FLIGHT: Final = 8
_SEVERAL_LINES: Final = 3
_WANTED: Final = 0.5
_INVOICES_IN_FLIGHT: Final = 2
# About what a group has, with so many calls in flight.
_ROWS_AT_ONCE: Final = _PAYMENTS * _IN_FLIGHT // 2
_PAYMENT: Final = "transaction_type = 3"


@dataclass(frozen=True, slots=True)
class _Payments:
    """As many payments as there are open invoices, each of the amount of one. lines: those of an invoice."""

    stand: Stand
    books: Books
    calls: int
    lines: int = 1

    def requests(self) -> Sequence[PostTransactionsRequest]:
        return electronic_payment_calls(self.books, self.calls, _PAYMENTS, AMOUNT * self.lines)

    async def on_open_invoices(self) -> Sample:
        """Each pays one invoice."""
        invoices = invoice_calls(self.books, self.calls, _PAYMENTS, self.lines)
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
    of_lines = _Payments(stand, await stand.open_books(scale.accounts), calls, _SEVERAL_LINES)
    name = f"electronic payments, {_PAYMENTS:,} a call, {_IN_FLIGHT} in flight"
    applied, unapplied, of_several = await take_turns(
        [
            Subject(f"{name}, each pays an invoice", "payments", indebted.on_open_invoices),
            Subject(f"{name}, nothing to pay", "payments", free.on_nothing),
            Subject(
                f"{name}, each pays an invoice of {_SEVERAL_LINES} lines",
                "payments",
                of_lines.on_open_invoices,
            ),
        ],
        scale.rounds,
    )
    read_and_copied, copied, copied_alone = await _measure_copy(stand, scale)
    return Outcome(
        [applied, unapplied, of_several, read_and_copied, copied, copied_alone],
        [ratio_mark(applied, unapplied, _WANTED)],
        [
            f"COPY of the rows of payments with applications reaches {ratio(copied, copied_alone):.2f} of"
            f" that without, and {ratio(read_and_copied, copied_alone):.2f} when what they pay is read before"
        ],
    )


async def _measure_copy(stand: Stand, scale: Scale) -> list[Measurement]:
    """COPY of the rows of payments, in commits as large as those of groups: with applications, once what they
    could pay was read by another connection; with applications; and without.
    """
    books, sample = await stand.open_books(scale.accounts), await stand.open_books(1)
    await stand.ledger.invoices.CreateInvoices(invoice_calls(sample, 1, 1, 1)[0])
    await stand.ledger.transactions.PostTransactions(electronic_payment_calls(sample, 1, 1, AMOUNT)[0])
    commits = -(-scale.drafts // _ROWS_AT_ONCE)
    async with AsyncExitStack() as stack:
        reading = await stack.enter_async_context(stand.connection())
        read = await _reading_what_waits(stand, books, reading)
        kinds = [
            ("with applications, what waits read before", ["application"], read),
            ("with applications", ["application"], None),
            ("alone", [], None),
        ]
        subjects = []
        for place, (what, more, first) in enumerate(kinds):
            connection = await stack.enter_async_context(stand.connection())
            raw = await RawTables.copied(
                connection, books, sample, ["acct_transaction", "payments", *more], f"raw_{place}", _PAYMENT
            )
            copy = partial(raw.copy_round, stand.meter, commits, _ROWS_AT_ONCE, first)
            subjects.append(Subject(f"COPY of payments {what}, {_ROWS_AT_ONCE:,} a commit", "payments", copy))
            stack.push_async_callback(raw.drop)
        return await take_turns(subjects, scale.rounds)


async def _reading_what_waits(
    stand: Stand, books: Books, connection: asyncpg.Connection
) -> Callable[[], Awaitable[None]]:
    """Reads, by the statement of the ledger, as many invoices as a commit has payments, of all accounts. They
    are never paid, so it finds the same each time; and it makes nothing of them.
    """
    calls = invoice_calls(books, _ROWS_AT_ONCE // _PAYMENTS, _PAYMENTS, 1)
    await send(stand.ledger.invoices.CreateInvoices, calls, _INVOICES_IN_FLIGHT)
    await connection.execute(POSTING_SETTINGS)
    accounts = {(books.client_no, acct_no) for acct_no in books.acct_nos}
    stored = StoredBooks()
    await ask(connection, accounts_as_they_are(Needs(accounts=accounts), stored, {}))
    wanted = [(*account, Queue.CHARGE) for account in accounts]
    places = -(-_ROWS_AT_ONCE // len(accounts))
    statement, values = first_in_turn(wanted, stored.waiting, places)

    async def read() -> None:
        found = await connection.fetch(statement, *values)
        assert sum(len(amounts) for *_, amounts, _ in found) == _ROWS_AT_ONCE

    return read
