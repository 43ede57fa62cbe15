"""The model's books: lists to which is only appended (rule 7); all else is found by looking through them."""

from collections.abc import Callable
from datetime import date
from typing import Any

from tests.model.applications import Applications, Event
from tests.model.calls import Draft
from tests.model.things import Account, Closed, Entry, Invoice, Plan, RefusedError, Row


class Books:
    """The books of one client.

    re_aged: from which day, and which event of the history, on an invoice has which due date.
    """

    def __init__(self, today: Callable[[], date]) -> None:
        self.today = today
        self.accounts: list[Account] = []
        self.plans: list[Plan] = []
        self.invoices: list[Invoice] = []
        self.re_aged: list[tuple[Invoice, date, int, date]] = []
        self.posted: list[Entry] = []
        self.closed: list[Closed] = []
        self.history: list[Event] = []
        self._applications = Applications()

    def mark(self) -> tuple[int, ...]:
        """How far the books are written, for `take_back`."""
        return tuple(len(each) for each in self._lists())

    def take_back(self, mark: tuple[int, ...]) -> None:
        """Forget what was written since."""
        for entry in self.posted[mark[self._lists().index(self.posted)] :]:
            if entry.voids is not None:
                entry.voids.void = None
        for each, length in zip(self._lists(), mark, strict=True):
            del each[length:]
        if self._applications.events > len(self.history):
            self._applications = Applications()

    def _lists(self) -> tuple[list[Any], ...]:
        return (
            self.accounts,
            self.plans,
            self.invoices,
            self.re_aged,
            self.posted,
            self.closed,
            self.history,
        )

    def day(self, on: date | None) -> date:
        """What is left out means today."""
        return on or self.today()

    # ------------------------------------------------------------------------------------------------ posting

    def post(
        self,
        account: Account,
        plan: Plan | None,
        code: int,
        amount: int,
        on: date | None,
        row: Row | None = None,
    ) -> Entry:
        """Append a transaction; with a row of its own, unless it shares one."""
        entry = Entry(account, plan, code, amount, self.day(on), row or Row())
        self.posted.append(entry)
        return entry

    def post_void(self, target: Entry, on: date | None) -> Entry:
        """Append the void of a transaction."""
        entry = self.post(target.account, target.plan, -target.code, target.amount, on, target.row)
        entry.voids, entry.invoice = target, target.invoice
        target.void = entry
        return entry

    # --------------------------------------------------------------------------------------------- looking up

    def account(self, number: int) -> Account:
        """ACCOUNT_NOT_FOUND."""
        found = [account for account in self.accounts if account.number == number]
        if not found:
            raise RefusedError("ACCOUNT_NOT_FOUND")
        return found[0]

    def place(self, draft: Draft) -> tuple[Account, Plan | None]:
        """Where a draft is to be posted."""
        account = self.account(draft.account)
        plan = None
        if draft.plan:
            plans = [each for each in self.plans_of(account) if each.number == draft.plan]
            if not plans:
                raise RefusedError("PLAN_INSTANCE_NOT_FOUND")
            plan = plans[0]
        if draft.currency and draft.currency != account.currency:
            raise RefusedError("CURRENCY_MISMATCH")
        return account, plan

    def entry(self, number: int) -> Entry:
        """TRANSACTION_NOT_FOUND."""
        found = [entry for entry in self.posted if entry.number == number]
        if not found:
            raise RefusedError("TRANSACTION_NOT_FOUND")
        return found[0]

    def invoice(self, number: int) -> Invoice:
        """INVOICE_NOT_FOUND."""
        found = [invoice for invoice in self.invoices if invoice.number == number]
        if not found:
            raise RefusedError("INVOICE_NOT_FOUND")
        return found[0]

    def memo_lines(self, number: int) -> list[Entry]:
        """CREDIT_MEMO_NOT_FOUND."""
        lines = [entry for entry in self.posted if entry.code == 24 and entry.row.number == number]
        if not lines:
            raise RefusedError("CREDIT_MEMO_NOT_FOUND")
        return lines

    def require_same_place(self, draft: Draft, account: Account, plan: Plan | None) -> None:
        """What a draft names is of its account, and of its plan instance where it says one."""
        if draft.account != account.number or draft.plan not in {0, plan.number if plan else 0}:
            raise RefusedError("SOURCE_MISMATCH")

    def balance_within(self, account: Account, plan: Plan | None) -> int:
        """The balance of the account, and of the plan instance where one is named: the lower of the two."""
        balance = self.balance(account)
        return balance if plan is None else min(balance, self.balance(account, plan))

    # ------------------------------------------------------------------------------------------------ reading

    def live(self) -> list[Entry]:
        """What stands: neither a void nor voided."""
        return [each for each in self.posted if each.code > 0 and each.void is None]

    def left_of(self, entry: Entry) -> int:
        """What is left of a payment after refunds, of a charge after reversals and memo lines."""
        if entry.void is not None:
            return 0
        return entry.amount - sum(each.amount for each in self.live() if each.names is entry)

    def lines_of(self, invoice: Invoice) -> list[Entry]:
        """The lines of an invoice, in order."""
        return [each for each in self.posted if each.invoice is invoice and each.code in {21, 22}]

    def is_voided_invoice(self, invoice: Invoice) -> bool:
        """Whether it was voided."""
        return any(line.void is not None for line in self.lines_of(invoice))

    def open_of(self, invoice: Invoice) -> int:
        """The net charge less what memos, reversals and write-offs took (rule 15)."""
        if self.is_voided_invoice(invoice):
            return 0
        lines = self.lines_of(invoice)
        taken = [
            each.amount
            for each in self.live()
            if each.names in lines or (each.code == 6 and each.invoice is invoice)
        ]
        return sum(line.effect for line in lines) - sum(taken)

    def due_date(self, invoice: Invoice, at: date | None = None, events: int | None = None) -> date:
        """When it is to be paid, as it is known at a day, or after so many events, or now."""
        due_dates = [
            due
            for each, since, event, due in self.re_aged
            if each is invoice and (at is None or since <= at) and (events is None or event <= events)
        ]
        return due_dates[-1] if due_dates else invoice.due_date

    def due_date_of(self, charge: Entry, at: date | None = None, events: int | None = None) -> date:
        """The same of a charge: at once, unless it is of an invoice."""
        if charge.invoice is None or abs(charge.code) not in {21, 22}:
            return charge.on
        return self.due_date(charge.invoice, at, events)

    def applications(self) -> Applications:
        """What is applied now."""
        self._applications.go_on(self.history, lambda charge, events: self.due_date_of(charge, events=events))
        return self._applications

    def closed_of(self, account: Account) -> list[Closed]:
        """The closed statements of an account, the oldest first."""
        return [each for each in self.closed if each.account is account]

    def plans_of(self, account: Account) -> list[Plan]:
        """The plan instances of an account."""
        return [each for each in self.plans if each.account is account]

    def entries_of(self, account: Account) -> list[Entry]:
        """The transactions of an account, in the order in which they were posted."""
        return [each for each in self.posted if each.account is account]

    def balance(self, account: Account, plan: Plan | None = None) -> int:
        """The balance now of an account, or of one of its plan instances."""
        return sum(each.effect for each in self.entries_of(account) if plan is None or each.plan is plan)
