"""InvoiceService: creates, voids and reads invoices."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import grpc

from ledger_service.invoice_reader import InvoiceReader
from ledger_service.requests import FirstAnswer, Outcome, PostingRequest, fingerprint_of
from ledger_service.rules import refusals, sources
from ledger_service.rules.commit_groups import Accepted
from ledger_service.rules.documents import Document
from ledger_service.rules.drafts import Draft, check_invoice_lines, check_texts
from ledger_service.rules.invoice_line_types import INVOICE_LINE_TYPES
from ledger_service.rules.transaction_types import (
    ANY_VOID,
    TRANSACTION_TYPES,
    DocumentKind,
    TransactionType,
)
from ledger_service.servicers.draft_batch import status_of
from ledger_service.servicers.draft_contract import business_date_from_proto
from ledger_service.servicers.posting_calls import PostingCalls
from ledger_service.store_invoices import Invoice, InvoiceFilter, InvoiceLineItem
from service_kit.dates import date_from_proto, date_to_proto, instant_to_proto
from service_kit.errors import DomainError, invalid_field
from service_kit.paging import page_size, page_start, page_token
from service_kit.principal import current_principal
from tallybook.ledger.v1 import invoice_pb2, invoice_pb2_grpc, transaction_pb2
from tallybook.type.v1.money_pb2 import Money

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

_DEFAULT_PAGE_SIZE: Final = 100
_AFTER_ALL: Final = 2**63 - 1
_MOST_LINES: Final = 20_000
_TYPES_OF_LINES: Final[Mapping[int, TransactionType]] = MappingProxyType(
    {code: TRANSACTION_TYPES[line.transaction_type] for code, line in INVOICE_LINE_TYPES.items()}
)


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
        batch = _read_batch(request, principal.roles, self._calls.today())
        if not batch.documents:
            return invoice_pb2.CreateInvoicesResponse.FromString(batch.answer([]))
        answer = await self._calls.post(
            PostingRequest(
                client_no=request.client_no,
                request_id=request_id,
                fingerprint=fingerprint,
                actor=principal.subject,
                orders=batch.documents,
                all_or_nothing=False,
                answer=batch.answer,
            )
        )
        return invoice_pb2.CreateInvoicesResponse.FromString(answer)

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


@dataclass(slots=True)
class _InvoiceBatch:
    """The invoices of one call; as a DraftBatch is for drafts."""

    size: int
    documents: list[Document] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    refused: dict[int, DomainError] = field(default_factory=dict)

    def answer(self, outcomes: Sequence[Outcome]) -> bytes:
        """The answer to the call, from the outcomes of its documents."""
        response = invoice_pb2.CreateInvoicesResponse()
        results = [response.results.add() for _ in range(self.size)]
        for place, refusal in self.refused.items():
            results[place].error.CopyFrom(status_of(refusal))
        for place, outcome in zip(self.places, outcomes, strict=True):
            assert not isinstance(outcome, FirstAnswer), "invoices have no keys of their own"
            if isinstance(outcome, Accepted):
                _fill_result(results[place], outcome)
            else:
                results[place].error.CopyFrom(status_of(outcome))
        return response.SerializeToString(deterministic=True)


def _fill_result(result: invoice_pb2.InvoiceResult, accepted: Accepted) -> None:
    invoice = accepted.decision.invoice
    assert invoice is not None
    result.invoice_no = invoice.invoice_no
    add_line = result.lines.add
    for event_no, source_no in enumerate(accepted.source_nos, accepted.first_event_no):
        add_line(event_no=event_no, invoice_detail_no=source_no)


def _read_batch(
    request: invoice_pb2.CreateInvoicesRequest, roles: Container[str], today: date
) -> _InvoiceBatch:
    batch = _InvoiceBatch(len(request.invoices))
    for place, message in enumerate(request.invoices):
        try:
            drafts = _drafts(message, today)
            check_invoice_lines(drafts, roles)
        except DomainError as refusal:
            batch.refused[place] = refusal
        else:
            batch.documents.append(Document(request.client_no, DocumentKind.INVOICE, drafts, roles))
            batch.places.append(place)
    return batch


def _drafts(message: invoice_pb2.InvoiceDraft, today: date) -> list[Draft]:
    """One draft a line, as PostTransactions would have them."""
    start = date_from_proto(message.billing_period_start, "billing_period_start")
    end = date_from_proto(message.billing_period_end, "billing_period_end")
    invoice_date = business_date_from_proto(message.invoice_date, "invoice_date", today)
    acct_no, plan_instance_no = message.acct_no, message.plan_instance_no
    drafts = []
    for line in message.lines:
        line_type, amount = line.line_type, line.amount
        drafts.append(
            Draft(
                _TYPES_OF_LINES[line_type],
                acct_no,
                plan_instance_no,
                amount.minor_units,
                amount.currency_code,
                invoice_date,
                "",
                "",
                sources.NewInvoiceLine(line_type, line.description, start, end),
            )
        )
    return drafts


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
