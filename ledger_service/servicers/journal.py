"""JournalService: the books as streams."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import date
from typing import Any, Final, TypeAlias

import grpc

from ledger_service.journal_export import JournalExporter, Part, Totals
from ledger_service.rules import refusals
from ledger_service.servicers.transaction_contract import transaction_to_proto
from ledger_service.servicers.trial_balance_contract import trial_balance_to_proto
from ledger_service.servicers.watch_cursors import cursor_of, place_of
from ledger_service.store_journal import JournalLine, JournalRange
from ledger_service.store_watch import WatchFilter
from ledger_service.watching import BEGINNING, TransactionWatcher, WatchedPage
from service_kit.answer_sizes import as_many_as_fit
from service_kit.dates import date_from_proto, date_to_proto, instant_to_proto
from service_kit.paging import page_size
from service_kit.principal import current_principal
from tallybook.ledger.v1 import journal_pb2, journal_pb2_grpc, transaction_pb2, transaction_type_pb2
from tallybook.type.v1.money_pb2 import Money

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

_DEFAULT_PAGE_SIZE: Final = 100


class JournalServicer(journal_pb2_grpc.JournalServiceServicer):
    """Streams what was committed."""

    def __init__(self, watcher: TransactionWatcher, exporter: JournalExporter) -> None:
        self._watcher = watcher
        self._exporter = exporter

    async def WatchTransactions(
        self, request: journal_pb2.WatchTransactionsRequest, context: Context
    ) -> AsyncIterator[journal_pb2.WatchTransactionsResponse]:
        """Until the caller, or the server, ends it."""
        size = page_size(request.page_size, default=_DEFAULT_PAGE_SIZE)
        wanted = WatchFilter(
            client_no=request.client_no,
            acct_no=request.acct_no,
            plan_instance_no=request.plan_instance_no,
            transaction_types=frozenset(request.transaction_types),
        )
        watch = self._watcher.watch(wanted, _start_of(request), size, current_principal().subject)
        async with aclosing(watch) as pages:
            async for page in pages:
                for response in _responses(request.client_no, page):
                    yield response

    async def ExportJournal(
        self, request: journal_pb2.ExportJournalRequest, context: Context
    ) -> AsyncIterator[journal_pb2.ExportJournalResponse]:
        """Every page as soon as it is read."""
        wanted = JournalRange(
            request.client_no,
            *_days(request, "effective_from", "effective_to"),
            *_days(request, "recorded_from", "recorded_to"),
        )
        # Closed at once when the caller goes away: the export holds a connection and a snapshot.
        async with aclosing(self._exporter.export(wanted)) as parts:
            async for part in parts:
                yield _part_to_proto(part)


def _start_of(request: journal_pb2.WatchTransactionsRequest) -> int | None:
    if request.HasField("cursor"):
        return place_of(request.client_no, request.cursor)
    return BEGINNING if request.start_at == journal_pb2.WATCH_START_BEGINNING else None


def _responses(client_no: int, page: WatchedPage) -> list[journal_pb2.WatchTransactionsResponse]:
    """A page in as many answers as its size needs; the last one has the place after all of it."""
    rows = [transaction_to_proto(transaction) for transaction in page.transactions]
    responses = []
    while len(shown := as_many_as_fit(rows)) < len(rows):
        rows = rows[len(shown) :]
        cursor = cursor_of(client_no, shown[-1].event_no)
        responses.append(journal_pb2.WatchTransactionsResponse(transactions=shown, cursor=cursor))
    cursor = cursor_of(client_no, page.place)
    return [*responses, journal_pb2.WatchTransactionsResponse(transactions=rows, cursor=cursor)]


def _days(request: Any, first_field: str, last_field: str) -> tuple[date | None, date | None]:
    """The first and the last day of a range; DATE_INVALID."""
    first, last = (
        date_from_proto(getattr(request, field), field) if request.HasField(field) else None
        for field in (first_field, last_field)
    )
    if first is not None and last is not None and last < first:
        raise refusals.date_invalid(last_field, f"{last} is before {first}")
    return first, last


def _part_to_proto(part: Part) -> journal_pb2.ExportJournalResponse:
    if isinstance(part, Totals):
        totals = journal_pb2.JournalTotals(
            transactions=part.transactions,
            lines=2 * part.transactions,
            trial_balances=map(trial_balance_to_proto, part.trial_balances),
        )
        return journal_pb2.ExportJournalResponse(totals=totals)
    page = journal_pb2.JournalPage(lines=map(_line_to_proto, part))
    return journal_pb2.ExportJournalResponse(page=page)


def _line_to_proto(line: JournalLine) -> journal_pb2.JournalLine:
    return journal_pb2.JournalLine(
        event_no=line.event_no,
        side=journal_pb2.JournalSide.ValueType(line.line_no),
        gl_account=line.gl_account,
        amount=Money(currency_code=line.currency_code, minor_units=line.amount),
        transaction_type=transaction_type_pb2.TransactionType.ValueType(line.transaction_type),
        effective_date=date_to_proto(line.effective_date),
        recorded_at=instant_to_proto(line.recorded_at),
        acct_no=line.acct_no,
        plan_instance_no=line.plan_instance_no,
        source_no=line.source_no,
        invoice_no=line.invoice_no,
        invoice_line_type=transaction_pb2.InvoiceLineType.ValueType(line.line_type),
        voids_event_no=line.voids_event_no,
    )
