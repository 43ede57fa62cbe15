"""The books as the documents of one commit group see them: what was read, and what was accepted since.

Everything here is in memory and belongs to one group. What is accepted is entered at once, so that the next
document of the group sees it; what is refused was never entered. So the outcome is the same whether
documents come in one group or in many.

Keys are pairs, the client first: nothing of one client is ever found by another.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple, TypeVar

from ledger_service.rules import refusals
from ledger_service.rules.applications import Waiting
from ledger_service.rules.drafts import Draft
from ledger_service.rules.postings import Decision, NewInvoice, Posting
from ledger_service.rules.sources import ElectronicPayment, ElectronicRefund, ExternalPayment, WriteOff
from ledger_service.rules.transactions import Transaction
from service_kit.money import LARGEST_MINOR_UNITS, SMALLEST_MINOR_UNITS, Money

Key = TypeVar("Key")
Value = TypeVar("Value")

AccountKey = tuple[int, int]
PlanInstanceKey = tuple[int, int]
EventKey = tuple[int, int]
InvoiceKey = tuple[int, int]
ReferenceKey = tuple[int, int, str]
PeriodKey = tuple[int, int, int, date, date]
"""Client, account, plan instance or 0, first and last day."""

NOT_NUMBERED = 0
"""The event_no of what is being posted in this very group."""


class Account(NamedTuple):
    """What never changes of an account."""

    currency: str
    payment_term_days: int


class Taking(NamedTuple):
    """What a transaction took from another: a refund from its payment; a reversal, a memo line from its
    charge; a write-off from its invoice.
    """

    event_no: int
    code: int
    amount: int


class InvoiceFacts(NamedTuple):
    """A stored invoice and its lines, in order. None of it ever changes."""

    acct_no: int
    plan_instance_no: int
    total: int
    currency: str
    lines: tuple[Transaction, ...]


class Period(NamedTuple):
    """The invoices of one billing period: how many there were, and the last, which alone may stand."""

    issues: int
    last: int | NewInvoice


Journal = list[tuple[dict[Any, Any], Any, Any]]


@dataclass(slots=True)
class Books:
    """What was read for one group: what its documents name. What is not there does not exist."""

    # What never changes.
    accounts: dict[AccountKey, Account] = field(default_factory=dict)
    plan_instances: dict[PlanInstanceKey, int] = field(default_factory=dict)
    """By plan instance: its account."""
    transactions: dict[EventKey, Transaction] = field(default_factory=dict)
    companions: dict[EventKey, tuple[Transaction, ...]] = field(default_factory=dict)
    """By transaction: all that share its source row, itself included; for a refund: its reversals."""
    invoices: dict[InvoiceKey, InvoiceFacts] = field(default_factory=dict)

    # What changes, in values that do not: so that a change can be taken back by putting the old value there.
    balances: dict[AccountKey, int] = field(default_factory=dict)
    plan_balances: dict[PlanInstanceKey, int] = field(default_factory=dict)
    last_events: dict[AccountKey, int] = field(default_factory=dict)
    """By account that has transactions: the last of them."""
    waiting: dict[AccountKey, Waiting] = field(default_factory=dict)
    """By account: what waited on it before the group."""
    voided: dict[EventKey, int] = field(default_factory=dict)
    """By voided transaction: its void."""
    taken: dict[EventKey, tuple[Taking, ...]] = field(default_factory=dict)
    """By payment or charge: what was taken from it, what is voided included."""
    written_off: dict[InvoiceKey, tuple[Taking, ...]] = field(default_factory=dict)
    """By invoice: what was written off, what is voided included."""
    voided_invoices: dict[InvoiceKey, bool] = field(default_factory=dict)
    periods: dict[PeriodKey, Period] = field(default_factory=dict)
    reference_codes: dict[ReferenceKey, int] = field(default_factory=dict)
    """By reference code: the last payment that has it, voided or not."""
    code_uses: dict[ReferenceKey, int] = field(default_factory=dict)
    """By reference code that was given more than once: how often."""
    gateway_references: dict[tuple[int, str], int] = field(default_factory=dict)
    external_ids: dict[tuple[int, str], int] = field(default_factory=dict)
    plan_instance_counts: dict[AccountKey, int] = field(default_factory=dict)
    """Of the accounts that one is to be added to."""

    _journal: Journal | None = None

    # ------------------------------------------------------------------------------------------------- asking

    def account(self, client_no: int, acct_no: int) -> Account:
        """The account; ACCOUNT_NOT_FOUND."""
        account = self.accounts.get((client_no, acct_no))
        if account is None:
            raise refusals.account_not_found(client_no, acct_no)
        return account

    def account_of(self, client_no: int, draft: Draft) -> Account:
        """The account of a draft, once it, the plan instance and the currency are found to fit."""
        account = self.accounts.get((client_no, draft.acct_no))
        if account is None:
            raise refusals.account_not_found(client_no, draft.acct_no)
        if (
            draft.plan_instance_no
            and self.plan_instances.get((client_no, draft.plan_instance_no)) != draft.acct_no
        ):
            raise refusals.plan_instance_not_found(draft.acct_no, draft.plan_instance_no)
        if draft.currency and draft.currency != account.currency:
            raise refusals.currency_mismatch(draft.acct_no, account.currency, draft.currency)
        return account

    def plan_instance_count(self, client_no: int, acct_no: int) -> int:
        """How many plan instances an account has that one is to be added to."""
        return self.plan_instance_counts.get((client_no, acct_no), 0)

    def transaction(self, client_no: int, event_no: int) -> Transaction:
        """A stored transaction; TRANSACTION_NOT_FOUND."""
        transaction = self.transactions.get((client_no, event_no))
        if transaction is None:
            raise refusals.transaction_not_found(client_no, event_no)
        return transaction

    def transaction_of(self, client_no: int, event_no: int, draft: Draft, field: str) -> Transaction:
        """The transaction that a draft refers to in `field`, once it is found to be of the draft's account
        and plan instance.
        """
        transaction = self.transaction(client_no, event_no)
        if transaction.acct_no != draft.acct_no:
            raise refusals.belongs_elsewhere(
                field, f"transaction {event_no}", f"account {transaction.acct_no}, not of {draft.acct_no}"
            )
        if draft.plan_instance_no not in {0, transaction.plan_instance_no}:
            raise refusals.belongs_elsewhere(
                "plan_instance_no",
                f"transaction {event_no}",
                f"plan instance {transaction.plan_instance_no}"
                if transaction.plan_instance_no
                else "the account itself",
            )
        return transaction

    def invoice(self, client_no: int, invoice_no: int) -> InvoiceFacts:
        """A stored invoice; INVOICE_NOT_FOUND."""
        invoice = self.invoices.get((client_no, invoice_no))
        if invoice is None:
            raise refusals.invoice_not_found(client_no, invoice_no)
        return invoice

    def is_voided(self, client_no: int, event_no: int) -> bool:
        """Whether a stored transaction is voided by now."""
        return (client_no, event_no) in self.voided

    def live_takings(self, client_no: int, event_no: int) -> list[Taking]:
        """What was taken from a payment or a charge and stands."""
        takings = self.taken.get((client_no, event_no), ())
        return [taking for taking in takings if not self.is_voided(client_no, taking.event_no)]

    def live_write_offs(self, client_no: int, invoice_no: int) -> list[Taking]:
        """The write-offs and dispute holds against an invoice that stand."""
        written_off = self.written_off.get((client_no, invoice_no), ())
        return [taking for taking in written_off if not self.is_voided(client_no, taking.event_no)]

    def left_of(self, transaction: Transaction) -> int:
        """What is left of a payment or a charge after all that was taken from it; 0 when it is voided."""
        client_no, event_no = transaction.client_no, transaction.event_no
        if self.is_voided(client_no, event_no):
            return 0
        return transaction.amount - sum(taking.amount for taking in self.live_takings(client_no, event_no))

    def open_of_invoice(self, client_no: int, invoice_no: int) -> int:
        """The net charge of an invoice, less what memos, reversals and write-offs took from it (rule 15)."""
        if (client_no, invoice_no) in self.voided_invoices:
            return 0
        invoice = self.invoices[client_no, invoice_no]
        taken = [taking for line in invoice.lines for taking in self.live_takings(client_no, line.event_no)]
        taken += self.live_write_offs(client_no, invoice_no)
        return invoice.total - sum(taking.amount for taking in taken)

    def balance_of(self, client_no: int, acct_no: int, plan_instance_no: int) -> int:
        """The balance of the account or, when one is named, of the plan instance if that is less."""
        balance = self.balances[client_no, acct_no]
        if not plan_instance_no:
            return balance
        return min(balance, self.plan_balances[client_no, plan_instance_no])

    def money(self, client_no: int, acct_no: int, minor_units: int) -> Money:
        """An amount in the currency of an account, for messages."""
        return Money(minor_units, self.accounts[client_no, acct_no].currency)

    # ------------------------------------------------------------------------------------------ entering

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """When what is within raises, all that it entered is taken back. May be nested."""
        outer = self._journal
        journal: Journal = []
        self._journal = journal
        try:
            yield
        except BaseException:
            for register, key, before in reversed(journal):
                if before is None:
                    del register[key]
                else:
                    register[key] = before
            raise
        else:
            if outer is not None:
                outer += journal
        finally:
            self._journal = outer

    def enter_all(self, register: dict[Key, Value], entries: Mapping[Key, Value]) -> None:
        """Enter many things at once in one of the registers."""
        if self._journal is not None:
            self._journal += [(register, key, register.get(key)) for key in entries]
        register.update(entries)

    def enter(self, decision: Decision) -> None:
        """Enter what a document posts, all or nothing; AMOUNT_OUT_OF_RANGE when a balance would overflow."""
        postings = decision.postings
        if decision.invoice is not None:
            self._enter_invoice(decision.invoice, postings)
        elif len(postings) == 1:
            self._enter_posting(postings[0])
        else:
            with self.all_or_nothing():
                for posting in postings:
                    self._enter_posting(posting)
        if decision.voided_invoice_no:
            invoice = (postings[0].client_no, decision.voided_invoice_no)
            self._set(self.voided_invoices, invoice, True)

    def _enter_posting(self, posting: Posting) -> None:
        client_no, kind = posting.client_no, posting.type
        effect = kind.effect * posting.amount
        account = (client_no, posting.acct_no)
        balance = self.balances[account] + effect
        _require_range(balance, posting)
        if posting.plan_instance_no:
            plan_instance = (client_no, posting.plan_instance_no)
            plan_balance = self.plan_balances[plan_instance] + effect
            _require_range(plan_balance, posting)
            self._set(self.plan_balances, plan_instance, plan_balance)
        self._set(self.balances, account, balance)
        self._set(self.last_events, account, NOT_NUMBERED)
        if kind.is_void:
            self._set(self.voided, (client_no, posting.related_event_no), NOT_NUMBERED)
            return
        if posting.related_event_no:
            self._add_taking(self.taken, (client_no, posting.related_event_no), posting)
        self._register_source(posting)

    def _register_source(self, posting: Posting) -> None:
        """What is given only once, or taken from an invoice."""
        client_no, source = posting.client_no, posting.source
        match source:
            case ExternalPayment():
                code = (client_no, posting.acct_no, source.reference_code)
                self._set(self.reference_codes, code, NOT_NUMBERED)
                if source.reuse is not None:
                    self._set(self.code_uses, code, source.reuse + 1)
            case ElectronicPayment() | ElectronicRefund():
                self._set(self.gateway_references, (client_no, source.gateway_reference), NOT_NUMBERED)
            case WriteOff():
                self._add_taking(self.written_off, (client_no, source.invoice_no), posting)

    def _add_taking(
        self, register: dict[tuple[int, int], tuple[Taking, ...]], key: tuple[int, int], posting: Posting
    ) -> None:
        taking = Taking(NOT_NUMBERED, posting.type.code, posting.amount)
        self._set(register, key, (*register.get(key, ()), taking))

    def enter_plan_instance(self, client_no: int, acct_no: int) -> None:
        """Count a plan instance that is being added to an account."""
        before = self.plan_instance_count(client_no, acct_no)
        self._set(self.plan_instance_counts, (client_no, acct_no), before + 1)

    def enter_external_id(self, client_no: int, external_id: str) -> None:
        """Enter the identifier of an account that is being opened."""
        self._set(self.external_ids, (client_no, external_id), NOT_NUMBERED)

    def _enter_invoice(self, invoice: NewInvoice, lines: Sequence[Posting]) -> None:
        """All lines at once: they are of one account and plan instance, and name nothing else."""
        account = (invoice.client_no, invoice.acct_no)
        plan_instance = (invoice.client_no, invoice.plan_instance_no)
        balance = _balance_after(self.balances[account], lines)
        if invoice.plan_instance_no:
            plan_balance = _balance_after(self.plan_balances[plan_instance], lines)
            self._set(self.plan_balances, plan_instance, plan_balance)
        self._set(self.balances, account, balance)
        self._set(self.last_events, account, NOT_NUMBERED)
        period = (
            invoice.client_no,
            invoice.acct_no,
            invoice.plan_instance_no,
            invoice.billing_period_start,
            invoice.billing_period_end,
        )
        self._set(self.periods, period, Period(invoice.issue, invoice))

    def _set(self, register: dict[Key, Value], key: Key, value: Value) -> None:
        if self._journal is not None:
            self._journal.append((register, key, register.get(key)))
        register[key] = value


def _balance_after(balance: int, postings: Sequence[Posting]) -> int:
    for posting in postings:
        balance += posting.type.effect * posting.amount
        _require_range(balance, posting)
    return balance


def _require_range(balance: int, posting: Posting) -> None:
    if not SMALLEST_MINOR_UNITS <= balance <= LARGEST_MINOR_UNITS:
        raise refusals.amount_out_of_range(posting.acct_no)
