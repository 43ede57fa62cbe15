"""Credit memos (rule 21): lines against the charge lines of one earlier invoice."""

from collections import Counter
from collections.abc import Callable

from ledger_service.rules import refusals
from ledger_service.rules.books import Books
from ledger_service.rules.documents import Document
from ledger_service.rules.drafts import Draft
from ledger_service.rules.postings import Decision, Posting
from ledger_service.rules.sources import CreditMemoLine, InvoiceLine
from ledger_service.rules.transactions import Transaction
from service_kit.errors import DomainError
from service_kit.money import Money

INVOICE_CHARGE_LINE = 21


def decide_credit_memo(document: Document, books: Books) -> Decision:
    """Post the lines of a memo, which share one row of credit_memo."""
    client_no = document.client_no
    credited_before: Counter[int] = Counter()
    invoice_nos: set[int] = set()
    postings: list[Posting] = []
    for place, draft in enumerate(document.drafts):
        account = books.account_of(client_no, draft)
        charge, invoice_no = _charge_line(client_no, draft, books)
        invoice_nos.add(invoice_no)
        _require_left(draft, charge, credited_before[charge.event_no], books)
        credited_before[charge.event_no] += draft.amount
        postings.append(
            Posting(
                client_no,
                draft.acct_no,
                charge.plan_instance_no,
                draft.type,
                draft.amount,
                account.currency,
                draft.effective_date,
                draft.reason_code,
                draft.comment,
                charge.event_no,
                draft.source,
                (invoice_no,) if place == 0 else None,
                0,
                place,
            )
        )
    if len(invoice_nos) != 1:
        raise refusals.document_invalid(
            f"all lines of a credit memo are against one invoice, not {sorted(invoice_nos)}"
        )
    (invoice_no,) = invoice_nos
    total = sum(credited_before.values())
    require_left_beside_write_offs(client_no, invoice_no, total, books, refusals.memo_exceeds_invoice)
    return Decision(postings)


def require_left_beside_write_offs(
    client_no: int,
    invoice_no: int,
    amount: int,
    books: Books,
    refusal: Callable[[int, Money, Money], DomainError],
) -> None:
    """Refuse to take more of an invoice than is open, where a part of it is written off or held.

    A write-off is at most the net charge less memos (rule 15). The same has to hold when the memo, or a
    reversal, comes after the write-off. Without one, only what is left of its line bounds a memo (rule 21).
    """
    if not books.live_write_offs(client_no, invoice_no):
        return
    left = books.open_of_invoice(client_no, invoice_no)
    if amount > left:
        acct_no = books.invoice(client_no, invoice_no).acct_no
        raise refusal(
            invoice_no, books.money(client_no, acct_no, left), books.money(client_no, acct_no, amount)
        )


def _charge_line(client_no: int, draft: Draft, books: Books) -> tuple[Transaction, int]:
    assert isinstance(draft.source, CreditMemoLine)
    charge = books.transaction_of(
        client_no, draft.source.charge_event_no, draft, "credit_memo_line.charge_event_no"
    )
    if charge.type.code != INVOICE_CHARGE_LINE:
        raise refusals.memo_of_no_invoice(charge.event_no, charge.type)
    assert isinstance(charge.source, InvoiceLine)
    return charge, charge.source.invoice_no


def _require_left(draft: Draft, charge: Transaction, taken_before: int, books: Books) -> None:
    left = books.left_of(charge) - taken_before
    if draft.amount > left:
        raise refusals.memo_exceeds_charge(
            charge.event_no,
            books.money(charge.client_no, charge.acct_no, left),
            books.money(charge.client_no, charge.acct_no, draft.amount),
        )
