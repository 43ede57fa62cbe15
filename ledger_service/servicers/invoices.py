"""InvoiceService: creates, voids and reads invoices."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final, TypeAlias

import grpc

from ledger_service.invoice_reader import InvoiceReader
from ledger_service.requests import PostingRequest, fingerprint_of
from ledger_service.rules import refusals, sources
from ledger_service.rules.documents import Document
from ledger_service.rules.drafts import Draft, check_texts
from ledger_service.rules.transaction_types import ANY_VOID, DocumentKind
from ledger_service.servicers.invoice_batch import invoices_answer, read_invoices
from ledger_service.servicers.posting_calls import PostingCalls
from ledger_service.store_invoices import Invoice, InvoiceFilter, InvoiceLineItem
from service_kit.dates import date_from_proto, date_to_proto, instant_to_proto
from service_kit.errors import invalid_field
from service_kit.paging import page_size, page_start, page_token
from service_kit.principal import current_principal
from service_kit.ready_answers import ready_answer
from tallybook.ledger.v1 import invoice_pb2, invoice_pb2_grpc, transaction_pb2
from tallybook.type.v1.money_pb2 import Money

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

_DEFAULT_PAGE_SIZE: Final = 100
_AFTER_ALL: Final = 2**63 - 1
_MOST_LINES: Final = 20_000


class InvoiceServicer(invoice_pb2_grpc.InvoiceServiceServicer):
    """Translates; an invoice is a document of drafts like any other."""

    def __init__(self, calls: PostingCalls, reader: InvoiceReader) -> None:
        self._calls = calls
        self._reader = reader

    async def CreateInvoices(
        self, request: invoice_pb2.CreateInvoicesRequest, context: Context
    ) -> invoice_pb2.CreateInvoicesResponse:
        """Each invoice is decided on its own."""
        lines = sum(len(invoice.lines) for invoice in request.invoices)
        if lines > _MOST_LINES:
            raise invalid_field(
                "invoices", f"all together may have {_MOST_LINES} lines, not {lines}: send them in two calls"
            )
        principal = current_principal()
        request_id, fingerprint = request.request_id, fingerprint_of(request)
        batch = await read_invoices(request, principal.roles, self._calls.today())
        if not batch.documents and batch.plain is None:
            return ready_answer(batch.answer([]), invoice_pb2.CreateInvoicesResponse)
        answer = await self._calls.post(
            PostingRequest(
                client_no=request.client_no,
                request_id=request_id,
                fingerprint=fingerprint,
                actor=principal.subject,
                orders=batch.documents,
                all_or_nothing=False,
                answer=batch.answer,
                plain=batch.plain,
                drafts_answer=invoices_answer,
            )
        )
        return ready_answer(answer, invoice_pb2.CreateInvoicesResponse)

    async def VoidInvoice(
        self, request: invoice_pb2.VoidInvoiceRequest, context: Context
    ) -> invoice_pb2.VoidInvoiceResponse:
        """One void a line, in the order of the lines."""
        draft = Draft(
            ANY_VOID,
            0,
            0,
            0,
            "",
            self._calls.effective_date(request),
            request.reason_code,
            request.comment,
            sources.InvoiceVoid(request.invoice_no),
        )
        check_texts(draft)
        roles = current_principal().roles
        document = Document(request.client_no, DocumentKind.INVOICE_VOID, (draft,), roles)
        return await self._calls.post_document(request, document, invoice_pb2.VoidInvoiceResponse)

    async def GetInvoice(
        self, request: invoice_pb2.GetInvoiceRequest, context: Context
    ) -> invoice_pb2.GetInvoiceResponse:
        """With its lines."""
        invoice, lines = await self._reader.invoice(request.client_no, request.invoice_no)
        return invoice_pb2.GetInvoiceResponse(invoice=_invoice_to_proto(invoice, lines))

    async def ListInvoices(
        self, request: invoice_pb2.ListInvoicesRequest, context: Context
    ) -> invoice_pb2.ListInvoicesResponse:
        """Without their lines, newest first; the token is the last number shown."""
        size = page_size(request.page_size, default=_DEFAULT_PAGE_SIZE)
        (before,) = page_start(request, int) or (_AFTER_ALL,)
        wanted = _filter_from_proto(request)
        found = await self._reader.invoices(wanted, before_invoice_no=before, limit=size + 1)
        shown = found[:size]
        return invoice_pb2.ListInvoicesResponse(
            invoices=[_invoice_to_proto(invoice, ()) for invoice in shown],
            next_page_token=page_token(request, [shown[-1].invoice_no]) if len(found) > size else "",
        )


def _invoice_to_proto(invoice: Invoice, lines: Sequence[InvoiceLineItem]) -> invoice_pb2.Invoice:
    def money(minor_units: int) -> Money:
        return Money(currency_code=invoice.currency_code, minor_units=minor_units)

    return invoice_pb2.Invoice(
        client_no=invoice.client_no,
        invoice_no=invoice.invoice_no,
        acct_no=invoice.acct_no,
        plan_instance_no=invoice.plan_instance_no,
        billing_period_start=date_to_proto(invoice.billing_period_start),
        billing_period_end=date_to_proto(invoice.billing_period_end),
        invoice_date=date_to_proto(invoice.invoice_date),
        due_date=date_to_proto(invoice.due_date),
        total=money(invoice.total),
        voided=invoice.voided,
        created_at=instant_to_proto(invoice.created_at),
        lines=[
            invoice_pb2.InvoiceLineItem(
                invoice_detail_no=line.invoice_detail_no,
                event_no=line.event_no,
                line_type=transaction_pb2.InvoiceLineType.ValueType(line.line_type),
                description=line.description,
                amount=money(line.amount),
            )
            for line in lines
        ],
    )


def _filter_from_proto(request: invoice_pb2.ListInvoicesRequest) -> InvoiceFilter:
    first = (
        date_from_proto(request.invoice_from, "invoice_from") if request.HasField("invoice_from") else None
    )
    last: date | None = (
        date_from_proto(request.invoice_to, "invoice_to") if request.HasField("invoice_to") else None
    )
    if first is not None and last is not None and last < first:
        raise refusals.date_invalid("invoice_to", f"{last} is before {first}")
    return InvoiceFilter(request.client_no, request.acct_no, first, last)
