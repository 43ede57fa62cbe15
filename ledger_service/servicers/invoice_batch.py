"""CreateInvoices: the invoices of one call as documents, and the results of the documents as those of the
invoices.
"""

import asyncio
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import islice

from ledger_service.requests import FirstAnswer, Outcome
from ledger_service.rules import sources
from ledger_service.rules.commit_groups import Accepted, AcceptedDrafts
from ledger_service.rules.documents import Document
from ledger_service.rules.drafts import Draft, check_invoice_lines
from ledger_service.rules.plain_drafts import InvoiceColumns, PlainDrafts
from ledger_service.rules.plain_invoices import TYPES_OF_LINES, LineColumns, plain_invoices
from ledger_service.rules.transaction_types import DocumentKind
from ledger_service.servicers.columns import days, in_parts, joined
from ledger_service.servicers.draft_batch import status_of
from ledger_service.servicers.draft_contract import business_date_from_proto
from ledger_service.servicers.repeated_results import NotUniformError, message_field, number_field
from service_kit.dates import date_from_proto
from service_kit.errors import DomainError
from service_kit.message_columns import ListedMessages, Messages, NotJoinedError, joined_members
from service_kit.records import written
from tallybook.ledger.v1 import invoice_pb2


@dataclass(slots=True)
class InvoiceBatch:
    """The invoices of one call; as a DraftBatch is for drafts."""

    size: int
    documents: list[Document] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    refused: dict[int, DomainError] = field(default_factory=dict)
    plain: PlainDrafts | None = None

    def answer(self, outcomes: Sequence[Outcome]) -> bytes:
        """The answer to the call, from the outcomes of its documents."""
        response = invoice_pb2.CreateInvoicesResponse()
        results = [response.results.add() for _ in range(self.size)]
        for place, refusal in self.refused.items():
            results[place].error.CopyFrom(status_of(refusal))
        places = self.places if self.plain is None else range(self.size)
        for place, outcome in zip(places, outcomes, strict=True):
            assert not isinstance(outcome, FirstAnswer), "invoices have no keys of their own"
            if isinstance(outcome, Accepted):
                invoice = outcome.decision.invoice
                assert invoice is not None
                numbers = zip(_event_nos(outcome), outcome.source_nos, strict=True)
                _fill_result(results[place], invoice.invoice_no, numbers)
            else:
                results[place].error.CopyFrom(status_of(outcome))
        return response.SerializeToString(deterministic=True)


def invoices_answer(accepted: AcceptedDrafts) -> bytes:
    """The answer to a call whose invoices are accepted at once."""
    try:
        return _repeated_results(accepted)
    except NotUniformError:
        return _results_one_by_one(accepted)


def _repeated_results(accepted: AcceptedDrafts) -> bytes:
    lines, *others = set(_line_counts(accepted))
    if others:
        raise NotUniformError
    # results: invoice_no, lines (event_no, invoice_detail_no)
    result = number_field(1, [invoice.invoice_no for invoice in accepted.invoices])
    for line in range(lines):
        event_nos, invoice_detail_nos = accepted.event_nos[line::lines], accepted.source_nos[line::lines]
        result += message_field(2, [*number_field(1, event_nos), *number_field(2, invoice_detail_nos)])
    return written(message_field(1, result), len(accepted.invoices))


def _results_one_by_one(accepted: AcceptedDrafts) -> bytes:
    response = invoice_pb2.CreateInvoicesResponse()
    numbers = zip(accepted.event_nos, accepted.source_nos, strict=True)
    for invoice, lines in zip(accepted.invoices, _line_counts(accepted), strict=True):
        _fill_result(response.results.add(), invoice.invoice_no, islice(numbers, lines))
    return response.SerializeToString(deterministic=True)


def _line_counts(accepted: AcceptedDrafts) -> Sequence[int]:
    assert accepted.drafts.invoices is not None
    return accepted.drafts.invoices.line_counts


def _event_nos(accepted: Accepted) -> Iterable[int]:
    first = accepted.first_event_no
    return range(first, first + len(accepted.source_nos))


def _fill_result(
    result: invoice_pb2.InvoiceResult, invoice_no: int, numbers: Iterable[tuple[int, int]]
) -> None:
    """numbers: event_no and invoice_detail_no of each line."""
    result.invoice_no = invoice_no
    add_line = result.lines.add
    for event_no, invoice_detail_no in numbers:
        add_line(event_no=event_no, invoice_detail_no=invoice_detail_no)


async def read_invoices(
    request: invoice_pb2.CreateInvoicesRequest, roles: Container[str], today: date
) -> InvoiceBatch:
    """The invoices of a call."""
    batch = InvoiceBatch(len(request.invoices), plain=await _plain_invoices(request, roles, today))
    if batch.plain is not None:
        return batch
    for first, part in in_parts(request.invoices):
        if first:
            await asyncio.sleep(0)
        for place, message in enumerate(part, first):
            try:
                drafts = _drafts(message, today)
                check_invoice_lines(drafts, roles)
            except DomainError as refusal:
                batch.refused[place] = refusal
            else:
                batch.documents.append(Document(request.client_no, DocumentKind.INVOICE, drafts, roles))
                batch.places.append(place)
    return batch


async def _plain_invoices(
    request: invoice_pb2.CreateInvoicesRequest, roles: Container[str], today: date
) -> PlainDrafts | None:
    """The invoices of the call, if surely nothing is wrong with any."""
    try:
        try:
            invoices, lines = _read(joined_members(request, "invoices"))
        except NotJoinedError:
            invoices, lines = await _read_in_parts(request)
    except ValueError:  # one of the days is none
        return None
    return plain_invoices(request.client_no, invoices, lines, roles, today)


async def _read_in_parts(request: invoice_pb2.CreateInvoicesRequest) -> tuple[InvoiceColumns, LineColumns]:
    invoices, lines = [], []
    for first, part in in_parts(request.invoices):
        if first:
            await asyncio.sleep(0)
        invoices_of_part, lines_of_part = _read(ListedMessages(part))
        invoices.append(invoices_of_part)
        lines.append(lines_of_part)
    return InvoiceColumns._make(joined(invoices)), LineColumns._make(joined(lines))


def _read(invoices: Messages) -> tuple[InvoiceColumns, LineColumns]:
    """Of a part of the call, or of all of it."""
    lines = invoices.members("lines")
    amounts = lines.within("amount")
    return InvoiceColumns(
        invoices.column("acct_no"),
        invoices.column("plan_instance_no"),
        days("billing_period_start", invoices),
        days("billing_period_end", invoices),
        days("invoice_date", invoices),
        list(map(len, invoices.lists("lines"))),
    ), LineColumns(
        lines.column("line_type"),
        lines.column("description"),
        amounts.column("minor_units"),
        amounts.column("currency_code"),
    )


def _drafts(message: invoice_pb2.InvoiceDraft, today: date) -> list[Draft]:
    """One draft a line, as PostTransactions would have them."""
    start = date_from_proto(message.billing_period_start, "billing_period_start")
    end = date_from_proto(message.billing_period_end, "billing_period_end")
    invoice_date = business_date_from_proto(message.invoice_date, "invoice_date", today)
    return [
        Draft(
            TYPES_OF_LINES[line.line_type],
            message.acct_no,
            message.plan_instance_no,
            line.amount.minor_units,
            line.amount.currency_code,
            invoice_date,
            "",
            "",
            sources.NewInvoiceLine(line.line_type, line.description, start, end),
        )
        for line in message.lines
    ]
