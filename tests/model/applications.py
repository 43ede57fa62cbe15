"""Which credit paid which charge, in the model (rules 8 to 10): found by going through the history once more.

Whatever raises a balance is a charge, whatever lowers it a credit, voids and refunds included. What is open
of them is their amount less what is applied, and the open charges less the open credits are the balance.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import TypeAlias

from tests.model.calls import Method
from tests.model.things import Account, Applied, Applying, Entry, Invoice, Targets

Event: TypeAlias = tuple[Entry, ...] | Applying
"""What was posted together, or a credit that was to be applied."""

DueDate: TypeAlias = Callable[[Entry, int], date]
"""When a charge is to be paid, after so many events of the history."""


class Applications:
    """What is applied, after the first `events` of a history.

    rows: in the order in which they were made. opened: every transaction and what is open of it.
    """

    def __init__(self) -> None:
        self.events = 0
        self.rows: list[Applied] = []
        self.opened: dict[Entry, int] = {}

    def go_on(self, history: Sequence[Event], due_date: DueDate) -> None:
        """Apply what came since."""
        for event in history[self.events :]:
            self.events += 1
            if isinstance(event, Applying):
                self._pay_targets(event.credit, event.targets, due_date)
                self._pay(event.credit, self.open_charges(event.credit.account))
                continue
            for account in dict.fromkeys(entry.account for entry in event):
                self._post([entry for entry in event if entry.account is account], due_date)

    def open_charges(self, account: Account) -> list[Entry]:
        """The oldest first."""
        return [each for each in self._open(account) if each.effect > 0]

    def open_credits(self, account: Account) -> list[Entry]:
        """The oldest first, and those last that wait to be told whom to pay."""
        return sorted((each for each in self._open(account) if each.effect < 0), key=is_held)

    def _open(self, account: Account) -> list[Entry]:
        found = [each for each, left in self.opened.items() if left and each.account is account]
        return sorted(found, key=lambda each: each.on)

    # ------------------------------------------------------------------------------------------ what happens

    def _post(self, entries: Sequence[Entry], due_date: DueDate) -> None:
        """First what the transactions say by themselves; then the oldest credit pays the oldest charge."""
        for entry in entries:
            self.opened[entry] = entry.amount
        for entry in entries:
            self._apply(entry, due_date)
        account = entries[0].account
        for credit in self.open_credits(account):
            if not is_held(credit):
                self._pay(credit, self.open_charges(account))

    def _apply(self, entry: Entry, due_date: DueDate) -> None:
        if entry.voids is not None:
            # What it paid or was paid by is open again (rule 9); and a void and its target are even.
            for row in self.rows:
                if entry.voids in {row.credit, row.charge}:
                    self._take_back(row, row.live)
            credit, charge = sorted((entry, entry.voids), key=lambda each: each.effect)
            self._pay(credit, [charge])
        elif entry.code in {12, 13}:
            self._return(entry)
        elif entry.effect < 0 and entry.names is not None:
            self._pay(entry, [entry.names])
        elif entry.effect < 0 and entry.invoice is not None:
            self._pay(entry, self._open_lines(entry.invoice))
        elif entry.pays is not None:
            self._pay_targets(entry, entry.pays, due_date)

    def _return(self, refund: Entry) -> None:
        """A payment pays its refund: with what is left of it and, if need be, with what it paid last."""
        payment = refund.names
        assert payment is not None
        for row in reversed(list(self.rows)):
            missing = refund.amount - self.opened[payment]
            if row.credit is payment and row.charge.code not in {12, 13} and missing > 0:
                self._take_back(row, min(missing, row.live))
        self._pay(payment, [refund])

    def _pay_targets(self, credit: Entry, targets: Targets, due_date: DueDate) -> None:
        if targets.method is Method.DUE_DATE:
            charges = self.open_charges(credit.account)
            self._pay(credit, sorted(charges, key=lambda each: due_date(each, self.events)))
        self._pay(credit, targets.charges)
        for invoice in targets.invoices:
            self._pay(credit, self._open_lines(invoice))

    def _open_lines(self, invoice: Invoice) -> list[Entry]:
        return [each for each in self.open_charges(invoice.account) if each.invoice is invoice]

    # ---------------------------------------------------------------------------------------- how it is noted

    def _pay(self, credit: Entry, charges: Iterable[Entry]) -> None:
        for charge in charges:
            amount = min(self.opened[credit], self.opened[charge])
            if amount:
                self.rows.append(Applied(credit, charge, amount, amount))
                self.opened[credit] -= amount
                self.opened[charge] -= amount

    def _take_back(self, row: Applied, amount: int) -> None:
        row.live -= amount
        self.opened[row.credit] += amount
        self.opened[row.charge] += amount


def is_held(credit: Entry) -> bool:
    """Whether it waits to be told whom to pay."""
    return credit.pays is not None and credit.pays.method is Method.NONE
