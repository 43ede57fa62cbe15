"""Invoices (rule 20): one for each billing period of a plan instance or account, one transaction a line."""

from datetime import date, timedelta

from ledger_service.rules import refusals
from ledger_service.rules.books import Books, Period, PeriodKey
from ledger_service.rules.documents import Document
from ledger_service.rules.postings import Decision, NewInvoice, Posting, UnnumberedInvoiceExistsError
from ledger_service.rules.sources import NewInvoiceLine


def decide_invoice(document: Document, books: Books) -> Decision:
    """Make the invoice, unless one stands for its billing period."""
    client_no, first = document.client_no, document.drafts[0]
    assert isinstance(first.source, NewInvoiceLine)
    account = books.account_of(client_no, first)
    for draft in document.drafts[1:]:
        # They have the account and the plan instance of the first.
        if draft.currency != first.currency:
            books.account_of(client_no, draft)
    start, end = first.source.billing_period_start, first.source.billing_period_end
    period_key = (client_no, first.acct_no, first.plan_instance_no, start, end)
    period = books.periods.get(period_key)
    _require_free(period_key, period, books)
    invoice = NewInvoice(
        client_no=client_no,
        acct_no=first.acct_no,
        plan_instance_no=first.plan_instance_no,
        billing_period_start=start,
        billing_period_end=end,
        issue=1 if period is None else period.issues + 1,
        invoice_date=first.effective_date,
        due_date=due_date(first.effective_date, account.payment_term_days),
        total=sum(draft.type.effect * draft.amount for draft in document.drafts),
        currency=account.currency,
    )
    return Decision(_lines(document, invoice), invoice=invoice)


def _require_free(key: PeriodKey, period: Period | None, books: Books) -> None:
    if period is None:
        return
    client_no, acct_no = key[:2]
    if isinstance(period.last, NewInvoice):
        raise UnnumberedInvoiceExistsError(period.last)
    if not books.voided_invoices.get((client_no, period.last)):
        raise refusals.invoice_exists(acct_no, period.last)


def due_date(invoice_date: date, payment_term_days: int) -> date:
    """The day by which what is billed on a day is to be paid."""
    return invoice_date + timedelta(days=payment_term_days)


def _lines(document: Document, invoice: NewInvoice) -> list[Posting]:
    postings = []
    for place, draft in enumerate(document.drafts):
        line = draft.source
        assert isinstance(line, NewInvoiceLine)
        postings.append(
            Posting(
                document.client_no,
                draft.acct_no,
                draft.plan_instance_no,
                draft.type,
                draft.amount,
                invoice.currency,
                draft.effective_date,
                draft.reason_code,
                draft.comment,
                0,
                line,
                # The number of the invoice, the last column, is added when it is known.
                (line.line_type, line.description, place + 1),
                0,
                place,
            )
        )
    return postings
