"""A ledger in memory: it decides with the rules of the ledger, and keeps what they accept in plain lists.

What the rules need is looked up here in the simplest way there is, by reading everything; so it is also a
second opinion about what a group has to read.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from ledger_service.group_decisions import Decided, GroupDecisions, named_refusal
from ledger_service.requests import PostingRequest
from ledger_service.rules.books import Account, Books, InvoiceFacts, Period, Taking
from ledger_service.rules.commit_groups import Accepted, CommitGroup, lay_out, numbers_needed
from ledger_service.rules.decisions import Order
from ledger_service.rules.postings import NewInvoice, UnnumberedInvoiceExistsError
from ledger_service.rules.sources import (
    ElectronicPayment,
    ElectronicRefund,
    ExternalPayment,
    InvoiceLine,
    WriteOff,
)
from ledger_service.rules.transactions import Transaction
from service_kit.errors import DomainError

CLIENT = 1
TODAY = date(2026, 3, 4)
NOW = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)


def call(orders: Sequence[Order], *, all_or_nothing: bool = False) -> PostingRequest:
    """A call of these orders."""
    return PostingRequest(CLIENT, "key", b"", "test", orders, all_or_nothing, lambda _: b"")


def _reason(outcome: object) -> str:
    if isinstance(outcome, DomainError | UnnumberedInvoiceExistsError):
        return named_refusal(outcome).reason
    return ""


@dataclass
class MemoryLedger:
    """The books of client 1. `accounts`: the numbers of its accounts, all in dollars."""

    accounts: Sequence[int] = (1, 2, 3)
    transactions: list[Transaction] = field(default_factory=list)
    invoices: list[NewInvoice] = field(default_factory=list)
    voided_invoices: set[int] = field(default_factory=set)
    next_numbers: Counter[str] = field(default_factory=Counter)

    def post(self, *orders: Order) -> list[str]:
        """Post orders as one call in one group; of each, "" or the reason of its refusal."""
        decisions = GroupDecisions(self.books(), {})
        decided = decisions.decide(call(orders))
        assert isinstance(decided, Decided)
        self._keep([each for each in decisions.accepted if isinstance(each, Accepted)])
        return [_reason(outcome) for outcome in decided.outcomes]

    def balance(self, acct_no: int) -> int:
        """The sum of the account's transactions."""
        return sum(each.effect for each in self.transactions if each.acct_no == acct_no)

    def standing(self) -> list[Transaction]:
        """What is neither a void nor voided."""
        voided = {each.related_event_no for each in self.transactions if each.type.is_void}
        return [each for each in self.transactions if not each.type.is_void and each.event_no not in voided]

    def _keep(self, accepted: list[Accepted]) -> CommitGroup | None:
        if not accepted:
            return None
        needed = numbers_needed(accepted)
        firsts = {name: self.next_numbers[name] + 1 for name in needed}
        for name, count in needed.items():
            self.next_numbers[name] += count
        group = lay_out(accepted, firsts, NOW)
        before = len(self.transactions)
        for each in accepted:
            self.transactions += each.transactions()
            if each.decision.invoice is not None:
                self.invoices.append(each.decision.invoice)
            if each.decision.voided_invoice_no:
                self.voided_invoices.add(each.decision.voided_invoice_no)
        assert [row[1] for row in group.transactions] == [
            each.event_no for each in self.transactions[before:]
        ]
        return group

    def books(self) -> Books:
        """All there is, as a group would have read it."""
        books = Books()
        for acct_no in self.accounts:
            books.accounts[CLIENT, acct_no] = Account("USD", 30)
            books.balances[CLIENT, acct_no] = self.balance(acct_no)
        for each in self.transactions:
            self._read(each, books)
        for invoice in self.invoices:
            self._read_invoice(invoice, books)
        return books

    def _read(self, each: Transaction, books: Books) -> None:
        key = (CLIENT, each.event_no)
        books.transactions[key] = each
        books.last_events[CLIENT, each.acct_no] = each.event_no
        books.companions[key] = tuple(self._companions(each))
        if each.type.is_void:
            books.voided[CLIENT, each.related_event_no] = each.event_no
            return
        taking = Taking(each.event_no, each.type.code, each.amount)
        if each.related_event_no:
            related = (CLIENT, each.related_event_no)
            books.taken[related] = (*books.taken.get(related, ()), taking)
        if isinstance(each.source, ExternalPayment):
            code = (CLIENT, each.acct_no, each.source.reference_code)
            if code in books.reference_codes:
                books.code_uses[code] = books.code_uses.get(code, 1) + 1
            books.reference_codes[code] = each.event_no
        elif isinstance(each.source, ElectronicPayment | ElectronicRefund):
            books.gateway_references[CLIENT, each.source.gateway_reference] = each.event_no
        elif isinstance(each.source, WriteOff):
            invoice = (CLIENT, each.source.invoice_no)
            books.written_off[invoice] = (*books.written_off.get(invoice, ()), taking)

    def _companions(self, each: Transaction) -> list[Transaction]:
        if each.type.code in {4, 5}:
            codes, source_no = {4, 5}, each.source_no
        elif each.type.code == 24:
            codes, source_no = {24}, each.source_no
        elif each.type.code in {12, 13}:
            # The reversals follow their refund.
            codes, source_no = {8}, 0
            for other in self.transactions[self.transactions.index(each) + 1 :]:
                if other.type.code != 8:
                    break
                source_no = other.source_no
        else:
            return []
        return [
            other for other in self.transactions if other.type.code in codes and other.source_no == source_no
        ]

    def _read_invoice(self, invoice: NewInvoice, books: Books) -> None:
        lines = tuple(
            each
            for each in self.transactions
            if not each.type.is_void
            and isinstance(each.source, InvoiceLine)
            and each.source.invoice_no == invoice.invoice_no
        )
        key = (CLIENT, invoice.invoice_no)
        books.invoices[key] = InvoiceFacts(
            invoice.acct_no, invoice.plan_instance_no, invoice.total, invoice.currency, lines
        )
        if invoice.invoice_no in self.voided_invoices:
            books.voided_invoices[key] = True
        period = (CLIENT, invoice.acct_no, 0, invoice.billing_period_start, invoice.billing_period_end)
        books.periods[period] = Period(invoice.issue, invoice.invoice_no)
