"""Voids (rule 13): of one transaction and of what can't stand without it, of a whole memo, of a whole
invoice.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from ledger_service.rules import refusals
from ledger_service.rules.books import Books
from ledger_service.rules.documents import Document
from ledger_service.rules.drafts import Draft
from ledger_service.rules.postings import Decision, void_posting
from ledger_service.rules.sources import InvoiceLine, InvoiceVoid, RefundReversal, VoidOf
from ledger_service.rules.transaction_types import ANY_VOID, TRANSACTION_TYPES, VoidRule
from ledger_service.rules.transactions import Transaction

REVERSAL: Final = 8
REFUNDS: Final = frozenset({12, 13})
MEMO_LINE: Final = 24


def decide_void(document: Document, books: Books) -> Decision:
    """Void the transaction named, and after it what can't stand without it."""
    (draft,) = document.drafts
    target = _target(document, draft, books)
    _void_with = _WITH[target.type.void_rule]
    targets = [target, *_void_with(target, books)]
    for each in targets:
        require_standing(each, books)
    _require_nothing_taken(target, books)
    return Decision([void_posting(each, draft, TRANSACTION_TYPES[-each.type.code]) for each in targets])


def decide_credit_memo_void(document: Document, books: Books) -> Decision:
    """Void a credit memo: the drafts are the voids of all of its lines (rule 21)."""
    targets = [_memo_line(document, draft, books) for draft in document.drafts]
    first = targets[0]
    lines = books.companions[first.client_no, first.event_no]
    if {line.event_no for line in targets} != {line.event_no for line in lines} or len(targets) != len(lines):
        if len(targets) == 1:
            raise refusals.void_the_credit_memo(first.event_no, first.source_no)
        raise refusals.document_invalid(
            f"the voids must be those of all {len(lines)} lines of one credit memo, each once"
        )
    for target in targets:
        require_standing(target, books)
    return Decision(
        [
            void_posting(target, draft, draft.type, place)
            for place, (target, draft) in enumerate(zip(targets, document.drafts, strict=True))
        ]
    )


def decide_invoice_void(document: Document, books: Books) -> Decision:
    """Void every line of an invoice (rule 20)."""
    client_no, (draft,) = document.client_no, document.drafts
    assert isinstance(draft.source, InvoiceVoid)
    invoice_no = draft.source.invoice_no
    invoice = books.invoice(client_no, invoice_no)
    if books.voided_invoices.get((client_no, invoice_no)):
        raise refusals.invoice_already_voided(invoice_no)
    for line in invoice.lines:
        for taking in books.live_takings(client_no, line.event_no):
            if taking.code == MEMO_LINE:
                raise refusals.invoice_has_credit_memo(invoice_no, taking.event_no)
    for write_off in books.live_write_offs(client_no, invoice_no):
        raise refusals.invoice_has_write_off(invoice_no, write_off.event_no)
    for line in invoice.lines:
        _require_nothing_taken(line, books)
    return Decision(
        [void_posting(line, draft, TRANSACTION_TYPES[-line.type.code]) for line in invoice.lines],
        voided_invoice_no=invoice_no,
    )


def _target(document: Document, draft: Draft, books: Books) -> Transaction:
    """What a draft voids, once it is found to be of a type that this draft may void."""
    assert isinstance(draft.source, VoidOf)
    target = books.transaction(document.client_no, draft.source.event_no)
    _require_voidable(target)
    if draft.type is not ANY_VOID:
        _require_match(draft, target)
    void_type = TRANSACTION_TYPES[-target.type.code]
    if void_type.required_role is not None and void_type.required_role not in document.roles:
        raise refusals.type_not_allowed(void_type)
    return target


def _require_voidable(target: Transaction) -> None:
    if target.type.is_void:
        raise refusals.void_of_void(target.event_no)
    refuse = _REFUSED.get(target.type.void_rule)
    if refuse is not None:
        raise refuse(target)


def _require_match(draft: Draft, target: Transaction) -> None:
    if draft.type.code != -target.type.code:
        raise refusals.void_type_mismatch(target.event_no, target.type.code, draft.type.code)
    if draft.acct_no != target.acct_no:
        raise refusals.belongs_elsewhere(
            "acct_no", f"transaction {target.event_no}", f"account {target.acct_no}"
        )
    if draft.plan_instance_no not in {0, target.plan_instance_no}:
        raise refusals.belongs_elsewhere(
            "plan_instance_no",
            f"transaction {target.event_no}",
            f"plan instance {target.plan_instance_no}" if target.plan_instance_no else "the account itself",
        )


def _memo_line(document: Document, draft: Draft, books: Books) -> Transaction:
    assert isinstance(draft.source, VoidOf)
    target = books.transaction(document.client_no, draft.source.event_no)
    if target.type.void_rule is not VoidRule.THROUGH_CREDIT_MEMO:
        _require_voidable(target)
    _require_match(draft, target)
    return target


def require_standing(target: Transaction, books: Books) -> None:
    """ALREADY_VOIDED when it is not."""
    voided_by = books.voided.get((target.client_no, target.event_no))
    if voided_by is not None:
        raise refusals.already_voided(target.event_no, voided_by)


def _require_nothing_taken(target: Transaction, books: Books) -> None:
    """A payment with a refund stays (rule 13); and a charge with a reversal, which would reverse nothing
    then.
    """
    for taking in books.live_takings(target.client_no, target.event_no):
        if taking.code in REFUNDS:
            raise refusals.payment_refunded(target.event_no, taking.event_no)
        if taking.code == REVERSAL:
            raise refusals.charge_reversed(target.event_no, taking.event_no)


def _nothing(_target: Transaction, _books: Books) -> tuple[Transaction, ...]:
    return ()


def _companions(target: Transaction, books: Books) -> tuple[Transaction, ...]:
    companions = books.companions[target.client_no, target.event_no]
    return tuple(each for each in companions if each.event_no != target.event_no)


def _refuse_invoice_line(target: Transaction) -> Exception:
    assert isinstance(target.source, InvoiceLine)
    return refusals.void_the_invoice(target.event_no, target.source.invoice_no)


def _refuse_reversal(target: Transaction) -> Exception:
    assert isinstance(target.source, RefundReversal)
    return refusals.void_the_refund(target.event_no, target.source.refund_event_no)


def _refuse_memo_line(target: Transaction) -> Exception:
    return refusals.void_the_credit_memo(target.event_no, target.source_no)


_WITH: Final[Mapping[VoidRule, Callable[[Transaction, Books], tuple[Transaction, ...]]]] = MappingProxyType(
    {
        VoidRule.ALONE: _nothing,
        VoidRule.WITH_OTHER_LEG: _companions,
        VoidRule.WITH_REVERSALS: _companions,
    }
)

_REFUSED: Final[Mapping[VoidRule, Callable[[Transaction], Exception]]] = MappingProxyType(
    {
        VoidRule.THROUGH_INVOICE: _refuse_invoice_line,
        VoidRule.THROUGH_REFUND: _refuse_reversal,
        VoidRule.THROUGH_CREDIT_MEMO: _refuse_memo_line,
    }
)
