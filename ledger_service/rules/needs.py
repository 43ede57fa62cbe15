"""What the orders of a commit group need to know: which accounts are locked, and what is read for the rules.

It is collected for the whole group at once, so that the number of statements does not depend on its size.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from ledger_service.rules.applications import BY_CHARGE_DATE, Instruction
from ledger_service.rules.books import (
    AccountKey,
    Books,
    EventKey,
    InvoiceKey,
    PeriodKey,
    PlanInstanceKey,
    ReferenceKey,
)
from ledger_service.rules.decisions import Order
from ledger_service.rules.documents import Document
from ledger_service.rules.drafts import Draft
from ledger_service.rules.plain_drafts import PlainDrafts
from ledger_service.rules.postings import AccountOpening, CreditApplication
from ledger_service.rules.sources import (
    BalanceTransfer,
    CheckRefund,
    CreditMemoLine,
    DisputeSettlement,
    ElectronicPayment,
    ElectronicRefund,
    ExternalPayment,
    InvoiceLine,
    InvoiceVoid,
    NewInvoiceLine,
    RefundReversal,
    VoidOf,
    WriteOff,
)
from ledger_service.rules.transaction_types import DocumentKind


@dataclass(slots=True)
class Needs:
    """The keys of all that the orders name."""

    accounts: set[AccountKey] = field(default_factory=set)
    plan_instances: set[PlanInstanceKey] = field(default_factory=set)
    transactions: set[EventKey] = field(default_factory=set)
    charges: set[EventKey] = field(default_factory=set)
    """Those of the transactions that something is to be taken from."""
    invoices: set[InvoiceKey] = field(default_factory=set)
    periods: set[PeriodKey] = field(default_factory=set)
    reference_codes: set[ReferenceKey] = field(default_factory=set)
    gateway_references: set[tuple[int, str]] = field(default_factory=set)
    external_ids: set[tuple[int, str]] = field(default_factory=set)
    extended_accounts: set[AccountKey] = field(default_factory=set)
    """Those of the accounts to which a plan instance is to be added."""

    def add(self, order: Order) -> None:
        """Add what one order names."""
        client_no = order.client_no
        if isinstance(order, Document):
            # The lines of an invoice all name the same.
            for draft in order.drafts[:1] if order.kind is DocumentKind.INVOICE else order.drafts:
                self._add_draft(client_no, draft)
        elif isinstance(order, AccountOpening):
            if order.external_id:
                self.external_ids.add((client_no, order.external_id))
        elif isinstance(order, CreditApplication):
            self.transactions.add((client_no, order.credit_event_no))
            self._add_targets(client_no, order.instruction)
        else:
            self.accounts.add((client_no, order.acct_no))
            self.extended_accounts.add((client_no, order.acct_no))

    def _add_draft(self, client_no: int, draft: Draft) -> None:
        if draft.acct_no:
            self.accounts.add((client_no, draft.acct_no))
        if draft.plan_instance_no:
            self.plan_instances.add((client_no, draft.plan_instance_no))
        if draft.source is not None:
            add_named = _NAMED_BY.get(type(draft.source))
            if add_named is not None:
                add_named(self, client_no, draft, draft.source)
        if draft.application is not BY_CHARGE_DATE:
            self._add_targets(client_no, draft.application)

    def _add_targets(self, client_no: int, instruction: Instruction) -> None:
        self.transactions.update((client_no, event_no) for event_no in instruction.charge_event_nos)
        self.invoices.update((client_no, invoice_no) for invoice_no in instruction.invoice_nos)

    def add_invoices_of_charges(self, books: Books) -> None:
        """Add the invoices of the charges that something is to be taken from."""
        for client_no, event_no in self.charges:
            charge = books.transactions.get((client_no, event_no))
            if charge is not None and isinstance(charge.source, InvoiceLine):
                self.invoices.add((client_no, charge.source.invoice_no))

    def add_plain(self, drafts: PlainDrafts) -> None:
        """Add what plain drafts name."""
        self.accounts.update(drafts.balance_changes)
        self.plan_instances.update(drafts.plan_balance_changes)
        for register, names in drafts.names.items():
            getattr(self, register).update(names)

    def add_what_is_bound(self, books: Books) -> None:
        """Add the accounts and plan instances of the transactions and invoices that were found."""
        for transaction in books.transactions.values():
            self.accounts.add((transaction.client_no, transaction.acct_no))
            if transaction.plan_instance_no:
                self.plan_instances.add((transaction.client_no, transaction.plan_instance_no))


def _reference_code(needs: Needs, client_no: int, draft: Draft, source: ExternalPayment) -> None:
    needs.reference_codes.add((client_no, draft.acct_no, source.reference_code))


def _gateway_reference(needs: Needs, client_no: int, _draft: Draft, source: ElectronicPayment) -> None:
    needs.gateway_references.add((client_no, source.gateway_reference))


def _counterpart(needs: Needs, client_no: int, _draft: Draft, source: BalanceTransfer) -> None:
    needs.accounts.add((client_no, source.counterpart_acct_no))


def _invoice(needs: Needs, client_no: int, _draft: Draft, source: WriteOff | InvoiceVoid) -> None:
    needs.invoices.add((client_no, source.invoice_no))


def _charge(needs: Needs, client_no: int, _draft: Draft, source: RefundReversal | CreditMemoLine) -> None:
    needs.transactions.add((client_no, source.charge_event_no))
    needs.charges.add((client_no, source.charge_event_no))


def _payment(needs: Needs, client_no: int, _draft: Draft, source: CheckRefund) -> None:
    needs.transactions.add((client_no, source.payment_event_no))


def _payment_and_reference(needs: Needs, client_no: int, _draft: Draft, source: ElectronicRefund) -> None:
    needs.transactions.add((client_no, source.payment_event_no))
    needs.gateway_references.add((client_no, source.gateway_reference))


def _target(needs: Needs, client_no: int, _draft: Draft, source: VoidOf) -> None:
    needs.transactions.add((client_no, source.event_no))


def _hold_and_invoice(needs: Needs, client_no: int, _draft: Draft, source: DisputeSettlement) -> None:
    needs.transactions.add((client_no, source.event_no))
    needs.invoices.add((client_no, source.invoice_no))


def _period(needs: Needs, client_no: int, draft: Draft, source: NewInvoiceLine) -> None:
    needs.periods.add(
        (
            client_no,
            draft.acct_no,
            draft.plan_instance_no,
            source.billing_period_start,
            source.billing_period_end,
        )
    )


# Other sources name nothing that has to be looked up.
_NAMED_BY: Final[Mapping[type, Callable[[Needs, int, Draft, Any], None]]] = MappingProxyType(
    {
        ExternalPayment: _reference_code,
        ElectronicPayment: _gateway_reference,
        BalanceTransfer: _counterpart,
        WriteOff: _invoice,
        RefundReversal: _charge,
        ElectronicRefund: _payment_and_reference,
        CheckRefund: _payment,
        NewInvoiceLine: _period,
        CreditMemoLine: _charge,
        VoidOf: _target,
        InvoiceVoid: _invoice,
        DisputeSettlement: _hold_and_invoice,
    }
)
