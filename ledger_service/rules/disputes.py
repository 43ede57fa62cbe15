"""Disputes (rule 15): what a customer disputes is held back until the dispute is settled."""

from typing import Final

from ledger_service.rules import refusals
from ledger_service.rules.books import Books
from ledger_service.rules.documents import Document
from ledger_service.rules.drafts import DISPUTE_HOLD, Draft
from ledger_service.rules.invoices import due_date
from ledger_service.rules.postings import Decision, NewDueDate, Posting, void_posting
from ledger_service.rules.sources import DisputeSettlement, Resolution, WriteOff
from ledger_service.rules.transaction_types import TRANSACTION_TYPES
from ledger_service.rules.transactions import Transaction
from ledger_service.rules.voids import require_standing

WRITTEN_OFF: Final = 1


def disputed_invoice(transaction: Transaction) -> int:
    """The invoice that a dispute hold is against; NOT_A_DISPUTE when the transaction is none."""
    source = transaction.source
    if transaction.type.is_void or not isinstance(source, WriteOff) or source.kind != DISPUTE_HOLD:
        raise refusals.not_a_dispute(transaction.event_no, transaction.type)
    return source.invoice_no


def decide_settlement(document: Document, books: Books) -> Decision:
    """Void the hold, and do what the resolution says."""
    (draft,) = document.drafts
    settlement = draft.source
    assert isinstance(settlement, DisputeSettlement)
    hold = books.transaction(document.client_no, settlement.event_no)
    invoice_no = disputed_invoice(hold)
    require_standing(hold, books)
    void = void_posting(hold, draft, TRANSACTION_TYPES[-hold.type.code])
    match settlement.resolution:
        case Resolution.WRITE_OFF:
            return Decision([void, _write_off(hold, draft, invoice_no)])
        case Resolution.RE_AGE:
            terms = books.account(hold.client_no, hold.acct_no).payment_term_days
            again = NewDueDate(invoice_no, due_date(draft.effective_date, terms))
            return Decision([void], new_due_date=again)
        case Resolution.KEEP_DATES:
            return Decision([void])


def _write_off(hold: Transaction, draft: Draft, invoice_no: int) -> Posting:
    """Of what was held: as long as the hold stood, nothing else could take it from the invoice."""
    source = WriteOff(WRITTEN_OFF, invoice_no, None)
    return Posting(
        client_no=hold.client_no,
        acct_no=hold.acct_no,
        plan_instance_no=hold.plan_instance_no,
        type=hold.type,
        amount=hold.amount,
        currency=hold.currency,
        effective_date=draft.effective_date,
        reason_code=draft.reason_code,
        comment=draft.comment,
        related_event_no=0,
        source=source,
        row=source,
        source_no=0,
        draft=0,
    )
