"""Refunds (rule 14): of a payment, with the reversals of charges that go with it."""

from collections import Counter
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from ledger_service.rules import refusals
from ledger_service.rules.books import Account, Books
from ledger_service.rules.credit_memos import require_left_beside_write_offs
from ledger_service.rules.documents import Document
from ledger_service.rules.drafts import Draft
from ledger_service.rules.postings import Decision, Posting, Row
from ledger_service.rules.single_postings import require_free_gateway_reference
from ledger_service.rules.sources import CheckRefund, ElectronicRefund, InvoiceLine, RefundReversal
from ledger_service.rules.transaction_types import TRANSACTION_TYPES, DocumentKind, TransactionType
from ledger_service.rules.transactions import Transaction

# By the type of refund: how the money was returned, as a field of the contract and as the source.
_METHODS: Final[Mapping[int, tuple[str, Callable[[int, str], ElectronicRefund | CheckRefund]]]] = (
    MappingProxyType({12: ("gateway_reference", ElectronicRefund), 13: ("check_number", CheckRefund)})
)

# Where a draft names its payment.
_PAYMENT_FIELDS: Final[Mapping[type, str]] = MappingProxyType(
    {
        ElectronicRefund: "electronic_refund.payment_event_no",
        CheckRefund: "check_refund.payment_event_no",
    }
)


def refund_for(
    payment: Transaction, method: str, reference: str
) -> tuple[TransactionType, ElectronicRefund | CheckRefund]:
    """The type and the source of a refund of a payment; PAYMENT_NOT_REFUNDABLE, SOURCE_MISMATCH."""
    kind = payment.type
    if kind.refundable_by is None:
        raise refusals.payment_not_refundable(
            payment.event_no, f"it is of type {kind.code} ({kind.name}), which is no payment"
        )
    needed, source = _METHODS[kind.refundable_by]
    if method != needed:
        raise refusals.refund_method_mismatch(payment.event_no, kind, needed, method)
    return TRANSACTION_TYPES[kind.refundable_by], source(payment.event_no, reference)


def decide_refund(document: Document, books: Books) -> Decision:
    """Post the refund, and after it its reversals, which share one row of refunds."""
    places = sorted(
        range(len(document.drafts)),
        key=lambda place: document.drafts[place].type.document is not DocumentKind.REFUND,
    )
    refund_place, reversal_places = places[0], places[1:]
    refund = document.drafts[refund_place]
    account = books.account_of(document.client_no, refund)
    postings = [_refund(document.client_no, refund, refund_place, account, books)]
    reversed_before: Counter[int] = Counter()
    of_invoices: Counter[int] = Counter()
    for place in reversal_places:
        draft = document.drafts[place]
        books.account_of(document.client_no, draft)
        charge = _charge(document.client_no, draft, books)
        _require_left(draft, charge, reversed_before[charge.event_no], books)
        reversed_before[charge.event_no] += draft.amount
        if isinstance(charge.source, InvoiceLine):
            of_invoices[charge.source.invoice_no] += draft.amount
        row: Row | None = () if place == reversal_places[0] else None
        postings.append(_posting(document.client_no, draft, place, account, charge, row))
    total = sum(reversed_before.values())
    if total > refund.amount:
        raise refusals.reversals_exceed_refund(
            books.money(document.client_no, refund.acct_no, refund.amount),
            books.money(document.client_no, refund.acct_no, total),
        )
    for invoice_no, amount in of_invoices.items():
        require_left_beside_write_offs(
            document.client_no, invoice_no, amount, books, refusals.reversals_exceed_invoice
        )
    return Decision(postings)


def _refund(client_no: int, draft: Draft, place: int, account: Account, books: Books) -> Posting:
    assert isinstance(draft.source, ElectronicRefund | CheckRefund)
    field = _PAYMENT_FIELDS[type(draft.source)]
    payment = books.transaction_of(client_no, draft.source.payment_event_no, draft, field)
    if payment.type.refundable_by != draft.type.code:
        raise refusals.payment_not_refundable(
            payment.event_no,
            f"type {draft.type.code} ({draft.type.name}) is not for type {payment.type.code} "
            f"({payment.type.name})",
        )
    if books.is_voided(client_no, payment.event_no):
        raise refusals.payment_not_refundable(payment.event_no, "it is voided")
    left = books.left_of(payment)
    if draft.amount > left:
        raise refusals.refund_exceeds_payment(
            payment.event_no,
            books.money(client_no, draft.acct_no, left),
            books.money(client_no, draft.acct_no, draft.amount),
        )
    row: Row
    if isinstance(draft.source, ElectronicRefund):
        require_free_gateway_reference(client_no, draft.source.gateway_reference, books)
        row = (draft.source.gateway_reference, None)
    else:
        row = (draft.source.check_number,)
    return _posting(client_no, draft, place, account, payment, row)


def _charge(client_no: int, draft: Draft, books: Books) -> Transaction:
    assert isinstance(draft.source, RefundReversal)
    charge = books.transaction_of(
        client_no, draft.source.charge_event_no, draft, "refund_reversal.charge_event_no"
    )
    if not charge.type.reversible:
        raise refusals.not_reversible(charge.event_no, charge.type)
    return charge


def _require_left(draft: Draft, charge: Transaction, taken_before: int, books: Books) -> None:
    left = books.left_of(charge) - taken_before
    if draft.amount > left:
        raise refusals.reversal_exceeds_charge(
            charge.event_no,
            books.money(charge.client_no, charge.acct_no, left),
            books.money(charge.client_no, charge.acct_no, draft.amount),
        )


def _posting(
    client_no: int, draft: Draft, place: int, account: Account, related: Transaction, row: Row | None
) -> Posting:
    return Posting(
        client_no,
        draft.acct_no,
        related.plan_instance_no,
        draft.type,
        draft.amount,
        account.currency,
        draft.effective_date,
        draft.reason_code,
        draft.comment,
        related.event_no,
        draft.source,
        row,
        0,
        place,
    )
