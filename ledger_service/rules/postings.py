"""What a document comes to when it is accepted: postings, to which only numbers and the time are missing."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from ledger_service.rules.applications import BY_CHARGE_DATE, Instruction
from ledger_service.rules.drafts import Draft
from ledger_service.rules.sources import Source
from ledger_service.rules.transaction_types import TransactionType
from ledger_service.rules.transactions import Transaction
from service_kit.errors import DomainError

Row = tuple[str | int | date | None, ...]


class Posting(NamedTuple):
    """A transaction that is to be written.

    acct_no: 0 is the account that its document opens.
    row: the columns of its source row after those that every source table has; None when it has no row of
        its own but shares that of the posting before, or of what it voids.
    source_no: of what it voids; otherwise 0, to be given.
    draft: the place in the document of the draft that it comes from.
    application: of a credit, which charges it pays.
    """

    client_no: int
    acct_no: int
    plan_instance_no: int
    type: TransactionType
    amount: int
    currency: str
    effective_date: date
    reason_code: str
    comment: str
    related_event_no: int
    source: Source | None
    row: Row | None
    source_no: int
    draft: int
    application: Instruction = BY_CHARGE_DATE


@dataclass(slots=True)
class NewInvoice:
    """The invoice that a document makes. `invoice_no` is 0 until it is numbered."""

    client_no: int
    acct_no: int
    plan_instance_no: int
    billing_period_start: date
    billing_period_end: date
    issue: int
    invoice_date: date
    due_date: date
    total: int
    currency: str
    invoice_no: int = 0


class NewDueDate(NamedTuple):
    """The due date that an invoice has from now on, when a settled dispute re-ages it."""

    invoice_no: int
    due_date: date


class AccountOpening(NamedTuple):
    """An account to be opened. `opening_balance` in minor units: above zero it is owed, below zero owed to
    it.
    """

    client_no: int
    external_id: str
    name: str
    currency: str
    payment_term_days: int
    plan_instance_names: tuple[str, ...]
    opening_balance: int
    effective_date: date


class PlanInstanceOpening(NamedTuple):
    """A plan instance to be added to an account."""

    client_no: int
    acct_no: int
    name: str


class CreditApplication(NamedTuple):
    """What is left of a credit, to be applied. The last two follow from the credit, once that is found."""

    client_no: int
    credit_event_no: int
    instruction: Instruction
    effective_date: date
    acct_no: int = 0
    currency: str = ""


class Decision(NamedTuple):
    """An accepted document: what is posted, and what it opens, invoices, re-ages, voids whole or applies."""

    postings: list[Posting]
    invoice: NewInvoice | None = None
    voided_invoice_no: int = 0
    opening: AccountOpening | PlanInstanceOpening | None = None
    new_due_date: NewDueDate | None = None
    application: CreditApplication | None = None


class UnnumberedInvoiceExistsError(Exception):
    """INVOICE_EXISTS, by an invoice of the same group: the refusal names it once it has its number.

    locate: says in that refusal which order of its call was refused.
    """

    def __init__(self, invoice: NewInvoice) -> None:
        super().__init__("the invoice of the billing period has no number yet")
        self.invoice = invoice
        self.locate: Callable[[DomainError], DomainError] = lambda refusal: refusal


def void_posting(target: Transaction, draft: Draft, void_type: TransactionType, place: int = 0) -> Posting:
    """The void of `target`: of its amount, source row, account and plan instance (rule 13)."""
    return Posting(
        client_no=target.client_no,
        acct_no=target.acct_no,
        plan_instance_no=target.plan_instance_no,
        type=void_type,
        amount=target.amount,
        currency=target.currency,
        effective_date=draft.effective_date,
        reason_code=draft.reason_code,
        comment=draft.comment,
        related_event_no=target.event_no,
        source=target.source,
        row=None,
        source_no=target.source_no,
        draft=place,
    )
