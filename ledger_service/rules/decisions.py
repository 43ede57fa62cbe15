"""Decides documents: the one way from a draft to what is posted."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from ledger_service.rules.books import Books
from ledger_service.rules.credit_applications import decide_credit_application
from ledger_service.rules.credit_memos import decide_credit_memo
from ledger_service.rules.disputes import decide_settlement
from ledger_service.rules.documents import Document
from ledger_service.rules.invoices import decide_invoice
from ledger_service.rules.openings import decide_account_opening, decide_plan_instance_opening
from ledger_service.rules.postings import AccountOpening, CreditApplication, Decision, PlanInstanceOpening
from ledger_service.rules.refunds import decide_refund
from ledger_service.rules.single_postings import decide_single
from ledger_service.rules.transaction_types import DocumentKind
from ledger_service.rules.transfers import decide_transfer
from ledger_service.rules.voids import decide_credit_memo_void, decide_invoice_void, decide_void

_DECIDE: Final[Mapping[DocumentKind, Callable[[Document, Books], Decision]]] = MappingProxyType(
    {
        DocumentKind.SINGLE: decide_single,
        DocumentKind.TRANSFER: decide_transfer,
        DocumentKind.REFUND: decide_refund,
        DocumentKind.INVOICE: decide_invoice,
        DocumentKind.CREDIT_MEMO: decide_credit_memo,
        DocumentKind.VOID: decide_void,
        DocumentKind.CREDIT_MEMO_VOID: decide_credit_memo_void,
        DocumentKind.INVOICE_VOID: decide_invoice_void,
        DocumentKind.DISPUTE_SETTLEMENT: decide_settlement,
    }
)


Order = Document | AccountOpening | PlanInstanceOpening | CreditApplication
"""What can be asked of the ledger, and is decided as one."""


def decide(order: Order, books: Books) -> Decision:
    """Accept an order and enter it in the books, or raise the DomainError that refuses it and leave no
    trace.
    """
    if isinstance(order, AccountOpening):
        return decide_account_opening(order, books)
    if isinstance(order, PlanInstanceOpening):
        return decide_plan_instance_opening(order, books)
    if isinstance(order, CreditApplication):
        return decide_credit_application(order, books)
    decision = _DECIDE[order.kind](order, books)
    books.enter(decision)
    return decision
