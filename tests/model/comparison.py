"""Whether the service's books are the model's."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from tests.model.aging import aging
from tests.model.applications import is_held
from tests.model.draft_checks import TABLES
from tests.model.intents import day, pick
from tests.model.ledger_model import LedgerModel
from tests.model.things import Account, Closed, Entry, Row
from tests.model.wire import Wire, day_of


class Comparison:
    """The books of a model and those of the service for the same client.

    step: so that not always the same days and transactions are looked at.
    """

    def __init__(self, books: LedgerModel, wire: Wire) -> None:
        self.books = books
        self.wire = wire
        self.step = 0

    def after_a_step(self, touched: Sequence[Account]) -> None:
        """All balances and, of the accounts that were touched and one other, whatever may have changed."""
        self.step += 1
        expected = {account.number: self.books.balance(account) for account in self.books.accounts}
        assert self.wire.balances_now(list(expected)) == expected
        other = pick(self.books.accounts, self.step)
        for account in {*touched, *([other] if other else [])}:
            self._check_statement(account, day(self.step % 60), day(90))
            self._check_open_items(account)
            self._check_applications(account)
            self._check_closed_statements(account)

    def everything(self) -> None:
        """All that can be asked about accounts, transactions and invoices."""
        self._check_transactions()
        self._check_invoices()
        days = [
            day(0),
            day(45 + self.step % 20),
            day(100),
            day(400),
            self.books.today() + timedelta(days=400),
        ]
        for account in self.books.accounts:
            self._check_balances(account, days)
            self._check_statement(account, day(self.step % 60), day(90))
            self._check_statement(account, day(0), self.books.today())
            self._check_open_items(account)
            self._check_applications(account)
            self._check_closed_statements(account)
        for at in days:
            self._check_aging(at)

    def soundness(self) -> None:
        """The service finds no fault in its own books."""
        findings, summary = self.wire.verify()
        assert findings == []
        assert (summary.transactions, summary.accounts) == (
            len(self.books.posted),
            len(self.books.accounts),
        )
        self._check_trial_balance()

    def _check_transactions(self) -> None:
        listed = {each.event_no: each for each in self.wire.transactions()}
        assert set(listed) == {entry.number for entry in self.books.posted}
        assert list(listed) == sorted(listed, reverse=True)
        rows: dict[tuple[str, int], Row] = {}
        for entry in self.books.posted:
            read, void = listed[entry.number], entry.void
            assert (
                read.client_no, read.acct_no, read.plan_instance_no, int(read.transaction_type),
                read.amount.minor_units, read.amount.currency_code, day_of(read.effective_date),
                read.voids_event_no, read.voided_by_event_no, read.source_no,
            ) == (
                self.wire.client_no, entry.account.number, _plan_no(entry), entry.code,
                entry.amount, entry.account.currency, entry.on,
                entry.voids.number if entry.voids else 0, void.number if void else 0, entry.row.number,
            )  # fmt: skip
            if entry.received is not None:
                assert day_of(read.external_payment.received_date) == entry.received
            # Two rows of one table never have one number.
            assert rows.setdefault((TABLES[abs(entry.code)], entry.row.number), entry.row) is entry.row
        for account in self.books.accounts:
            numbers = [entry.number for entry in self.books.entries_of(account)]
            assert numbers == sorted(numbers), "the numbers of an account grow as it is posted to"

    def _check_invoices(self) -> None:
        listed = {each.invoice_no: each for each in self.wire.invoices()}
        assert set(listed) == {invoice.number for invoice in self.books.invoices}
        for invoice in self.books.invoices:
            read = listed[invoice.number]
            lines = self.books.lines_of(invoice)
            assert (read.acct_no, read.total.minor_units, read.voided, day_of(read.due_date)) == (
                invoice.account.number,
                sum(line.effect for line in lines),
                self.books.is_voided_invoice(invoice),
                self.books.due_date(invoice),
            )

    def _check_balances(self, account: Account, days: Sequence[date]) -> None:
        entries = self.books.entries_of(account)
        self._compare_balances(account, entries, {})
        for at in days:
            self._compare_balances(account, [entry for entry in entries if entry.on <= at], {"at": at})
        anyone = pick(self.books.posted, self.step * 7)
        if anyone is not None:
            recorded = [entry for entry in entries if entry.number <= anyone.number]
            self._compare_balances(account, recorded, {"event_no": anyone.number})

    def _compare_balances(self, account: Account, entries: Sequence[Entry], when: dict[str, Any]) -> None:
        read = self.wire.balances(account.number, **when)
        assert (read.balance, read.account_only, read.plans) == (
            sum(entry.effect for entry in entries),
            sum(entry.effect for entry in entries if entry.plan is None),
            {
                plan.number: sum(entry.effect for entry in entries if entry.plan is plan)
                for plan in self.books.plans_of(account)
            },
        ), when

    def _check_statement(self, account: Account, first: date, last: date) -> None:
        read = self.wire.statement(account.number, first, last)
        entries = sorted(self.books.entries_of(account), key=lambda entry: (entry.on, entry.number))
        balance = sum(entry.effect for entry in entries if entry.on < first)
        assert read.opening_balance.minor_units == balance
        lines = []
        for entry in entries:
            if first <= entry.on <= last:
                balance += entry.effect
                lines.append((entry.number, entry.effect, balance))
        assert lines == [
            (line.transaction.event_no, line.effect.minor_units, line.running_balance.minor_units)
            for line in read.lines
        ]
        assert read.closing_balance.minor_units == balance
        assert read.total_charges.minor_units == sum(max(effect, 0) for _, effect, _ in lines)
        assert read.total_credits.minor_units == sum(max(-effect, 0) for _, effect, _ in lines)

    def _check_closed_statements(self, account: Account) -> None:
        """What a customer was told stays as it was told, whatever was posted since."""
        closed = self.books.closed_of(account)
        assert [
            (
                each.statement_no, day_of(each.period_start), day_of(each.period_end),
                each.opening_balance.minor_units, each.closing_balance.minor_units, each.transactions,
                each.adjustments,
            )
            for each in reversed(self.wire.closed_statements(account.number))
        ] == [
            (
                each.number, each.first, each.last, each.opening, each.closing, len(each.entries),
                sum(entry.on < each.first for entry in each.entries),
            )
            for each in closed
        ]  # fmt: skip
        statement = pick(closed, self.step)
        if statement is not None:
            self._check_closed_lines(statement)

    def _check_closed_lines(self, statement: Closed) -> None:
        expected, balance = [], statement.opening
        for entry in statement.entries:
            balance += entry.effect
            expected.append((entry.number, entry.effect, balance, entry.on < statement.first))
        assert expected == [
            (
                each.line.transaction.event_no, each.line.effect.minor_units,
                each.line.running_balance.minor_units, each.adjustment,
            )
            for each in self.wire.closed_lines(statement.number)
        ]  # fmt: skip

    def _check_open_items(self, account: Account) -> None:
        """The charges that are not paid in full, then the credits with something left, in their order."""
        applications, due_date_of = self.books.applications(), self.books.due_date_of
        charges, credits_left = applications.open_charges(account), applications.open_credits(account)
        left = applications.opened
        expected = [
            *((each.number, True, left[each], due_date_of(each), _line_of(each), False) for each in charges),
            *((each.number, False, left[each], None, 0, is_held(each)) for each in credits_left),
        ]
        assert expected == [
            (
                item.event_no, item.charge, item.open_amount.minor_units,
                day_of(item.due_date) if item.HasField("due_date") else None, item.invoice_no, item.held,
            )
            for item in self.wire.open_items(account.number)
        ]  # fmt: skip
        balance = sum(left[each] for each in charges) - sum(left[each] for each in credits_left)
        assert balance == self.books.balance(account)

    def _check_applications(self, account: Account) -> None:
        """How much of which credit pays which charge now, whatever was taken back before."""
        expected: Counter[tuple[int, int]] = Counter()
        for row in self.books.applications().rows:
            if row.credit.account is account and row.live:
                expected[row.credit.number, row.charge.number] += row.live
        found: Counter[tuple[int, int]] = Counter()
        for each in self.wire.applications(account.number):
            sign = -1 if each.takes_back_application_no else 1
            found[each.credit_event_no, each.charge_event_no] += sign * each.amount.minor_units
        assert {pair: amount for pair, amount in found.items() if amount} == expected

    def _check_aging(self, at: date) -> None:
        listed = self.wire.aging(at)
        for account in self.books.accounts:
            expected = aging(self.books, account, at)
            read = listed.pop(account.number, None)
            # A credit that waits to be told whom to pay, and a charge of the same amount, are no balance.
            assert (read is not None) == (sum(expected.buckets) != 0 or expected.unapplied_credit != 0)
            if read is None:
                continue
            assert read.balance.minor_units == sum(expected.buckets) - expected.unapplied_credit
            parts = (
                read.not_due, read.days_1_to_30, read.days_31_to_60, read.days_61_to_90, read.days_over_90
            )  # fmt: skip
            assert tuple(part.minor_units for part in parts) == expected.buckets
            assert read.overdue.minor_units == sum(expected.buckets[1:])
            assert (
                read.overdue_without_dunning_charges.minor_units,
                read.unapplied_credit.minor_units,
                day_of(read.oldest_due_date) if read.HasField("oldest_due_date") else None,
            ) == (
                expected.overdue_without_dunning_charges,
                expected.unapplied_credit,
                expected.oldest_due_date,
            )
        assert not listed, "aging lists accounts that owe nothing"

    def _check_trial_balance(self) -> None:
        for trial in self.wire.trial_balances():
            assert trial.total_debits == trial.total_credits
            assert sum(line.debits.minor_units for line in trial.lines) == trial.total_debits.minor_units
            (receivable,) = (line for line in trial.lines if line.name == "Accounts receivable")
            assert receivable.debits.minor_units - receivable.credits.minor_units == sum(
                self.books.balance(account)
                for account in self.books.accounts
                if account.currency == trial.currency_code
            )


def _plan_no(entry: Entry) -> int:
    return entry.plan.number if entry.plan else 0


def _line_of(charge: Entry) -> int:
    """The invoice that a charge is a line of."""
    return charge.invoice.number if charge.invoice and abs(charge.code) in {21, 22} else 0
