"""Documents of one draft: payments, credits, charges, write-offs, opening balances."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from ledger_service.rules import refusals
from ledger_service.rules.applications import BY_CHARGE_DATE
from ledger_service.rules.books import Books
from ledger_service.rules.credit_applications import require_targets
from ledger_service.rules.documents import Document
from ledger_service.rules.drafts import Draft
from ledger_service.rules.postings import Decision, Posting
from ledger_service.rules.sources import ElectronicPayment, ExternalPayment, Source, WriteOff


class _Settled(NamedTuple):
    """What a rule may settle beyond its yes, because the draft left it open."""

    amount: int
    plan_instance_no: int
    source: Source | None


def decide_single(document: Document, books: Books) -> Decision:
    """Post the draft, if the rule of its type has nothing against it."""
    client_no, (draft,) = document.client_no, document.drafts
    account = books.account_of(client_no, draft)
    rule = _RULES.get(draft.type.code)
    if draft.application is not BY_CHARGE_DATE:
        require_targets(client_no, draft.acct_no, draft.application, books)
    settled = None if rule is None else rule(client_no, draft, books)
    if settled is None:
        settled = _Settled(draft.amount, draft.plan_instance_no, draft.source)
    return Decision(
        [
            Posting(
                client_no,
                draft.acct_no,
                settled.plan_instance_no,
                draft.type,
                settled.amount,
                account.currency,
                draft.effective_date,
                draft.reason_code,
                draft.comment,
                0,
                settled.source,
                settled.source or (),
                0,
                0,
                draft.application,
            )
        ]
    )


def _reference_code_is_free(client_no: int, draft: Draft, books: Books) -> _Settled | None:
    assert isinstance(draft.source, ExternalPayment)
    code = draft.source.reference_code
    key = (client_no, draft.acct_no, code)
    event_no = books.reference_codes.get(key)
    if event_no is None:
        return None
    if not books.is_voided(client_no, event_no):
        raise refusals.reference_code_taken(draft.acct_no, code, event_no)
    again = draft.source._replace(reuse=books.code_uses.get(key, 1))
    return _Settled(draft.amount, draft.plan_instance_no, again)


def _gateway_reference_is_free(client_no: int, draft: Draft, books: Books) -> None:
    assert isinstance(draft.source, ElectronicPayment)
    require_free_gateway_reference(client_no, draft.source.gateway_reference, books)


def require_free_gateway_reference(client_no: int, gateway_reference: str, books: Books) -> None:
    """GATEWAY_REFERENCE_TAKEN when a payment or refund of the client has it, even one that is voided: the
    gateway gives no number twice.
    """
    event_no = books.gateway_references.get((client_no, gateway_reference))
    if event_no is not None:
        raise refusals.gateway_reference_taken(gateway_reference, event_no)


def _write_off_is_within_invoice(client_no: int, draft: Draft, books: Books) -> _Settled:
    assert isinstance(draft.source, WriteOff)
    invoice_no = draft.source.invoice_no
    invoice = books.invoice(client_no, invoice_no)
    if invoice.acct_no != draft.acct_no:
        raise refusals.belongs_elsewhere("acct_no", f"invoice {invoice_no}", f"account {invoice.acct_no}")
    if draft.plan_instance_no not in {0, invoice.plan_instance_no}:
        raise refusals.belongs_elsewhere(
            "plan_instance_no",
            f"invoice {invoice_no}",
            f"plan instance {invoice.plan_instance_no}" if invoice.plan_instance_no else "the account itself",
        )
    left = books.open_of_invoice(client_no, invoice_no)
    if left <= 0:
        raise refusals.nothing_to_write_off(invoice_no)
    if draft.amount > left:
        raise refusals.write_off_exceeds_invoice(
            invoice_no,
            books.money(client_no, draft.acct_no, left),
            books.money(client_no, draft.acct_no, draft.amount),
        )
    return _Settled(draft.amount or left, invoice.plan_instance_no, draft.source)


def _account_is_new(client_no: int, draft: Draft, books: Books) -> None:
    if books.last_events.get((client_no, draft.acct_no)) is not None:
        raise refusals.balance_forward_not_first(draft.acct_no)


def _credit_is_within_balance(client_no: int, draft: Draft, books: Books) -> None:
    balance = books.balance_of(client_no, draft.acct_no, draft.plan_instance_no)
    if draft.amount > balance:
        raise refusals.credit_exceeds_balance(
            draft.acct_no,
            books.money(client_no, draft.acct_no, balance),
            books.money(client_no, draft.acct_no, draft.amount),
        )


_RULES: Final[Mapping[int, Callable[[int, Draft, Books], _Settled | None]]] = MappingProxyType(
    {
        2: _reference_code_is_free,
        3: _gateway_reference_is_free,
        6: _write_off_is_within_invoice,
        9: _account_is_new,
        10: _credit_is_within_balance,
        18: _account_is_new,
    }
)
"""By type. 14 and 15 have none: who may post them may."""
