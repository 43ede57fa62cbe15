"""Application: electronic payments that pay open invoices, the oldest first, against the same payments on
accounts that owe nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.figures import Outcome, Sample, ratio_mark
from benchmarks.postings import bulk_round
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
    return Outcome([applied, unapplied], [ratio_mark(applied, unapplied, _WANTED)])
