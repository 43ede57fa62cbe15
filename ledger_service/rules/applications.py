"""Which credit pays which charge (rules 8 to 10): a pure function of an account's open items and what is
posted.

Every transaction is an item: a charge, or a credit. A credit is applied to charges of its account, and what
is open of an item is its amount less what is applied; so 0 <= applied <= amount holds on both sides. A void
is an item too, and is applied to what it voids; a refund is a charge that its payment pays. So the open
charges less the open credits are the balance, whatever was voided or returned.

Nothing is undone by removing it: an application that no longer holds is taken back by another one.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum
from typing import Final, NamedTuple

from ledger_service.rules.transaction_types import DocumentKind, TransactionType


class Method(IntEnum):
    """In which order a credit pays open charges; the numbers are those of the contract."""

    CHARGE_DATE = 1
    DUE_DATE = 2
    DIRECTED = 3
    NONE = 4


class Instruction(NamedTuple):
    """How a credit is to be applied. With DIRECTED: the charges named, then those of the invoices."""

    method: Method = Method.CHARGE_DATE
    charge_event_nos: tuple[int, ...] = ()
    invoice_nos: tuple[int, ...] = ()


BY_CHARGE_DATE: Final = Instruction()


class Queue(IntEnum):
    """Where an open item waits: charges and credits for each other, a held credit to be told whom to pay."""

    CHARGE = 1
    CREDIT = 2
    HELD = 3


class Waiting(NamedTuple):
    """What waits on an account, by what its own row says: charges for credits, or credits for charges, never
    both.

    amount: the open charges less the open credits that are not held: below zero when credits wait. Nothing
        that is posted on the same side pays anything, or is paid.
    after: the mark. What waits with a higher event_no waits in its turn: it is open in full, comes after all
        that has a row of its own, in the order of the numbers, and so needs no such row.
    last_date: the last effective date of the account's transactions.
    last_event_no: the last of them.
    """

    amount: int
    after: int
    last_date: date
    last_event_no: int

    @property
    def queue(self) -> Queue:
        """Where what waits is."""
        return Queue.CHARGE if self.amount > 0 else Queue.CREDIT

    @property
    def has_tail(self) -> bool:
        """Whether anything may wait without a row of its own."""
        return self.amount != 0 and self.after < self.last_event_no


NOTHING_WAITS: Final = Waiting(0, 0, date.min, 0)


class Entry(NamedTuple):
    """A transaction that is posted.

    amount: minor units, positive.
    due_date: of a charge, when it is to be paid.
    invoice_no: the invoice that it is a line of or, for a credit, is against; 0 for any other.
    related_event_no: what a void voids, the payment of a refund, the charge that a credit names; 0 for any
        other.
    """

    event_no: int
    kind: TransactionType
    amount: int
    effective_date: date
    due_date: date
    invoice_no: int = 0
    related_event_no: int = 0
    instruction: Instruction = BY_CHARGE_DATE


@dataclass(slots=True)
class Item:
    """A transaction and what is open of it, in minor units.

    due_date, invoice_no: as of an Entry; not known (the effective date, 0) of what is read only to be paid,
        or to pay, in its turn.
    stored_amount: what is open according to its own row; 0 where it has none.
    is_touched: whether another amount is open than when it was read, or posted; or was for a while.
    """

    event_no: int
    kind: TransactionType
    open_amount: int
    effective_date: date
    due_date: date
    invoice_no: int = 0
    is_held: bool = False
    stored_amount: int = 0
    is_touched: bool = False

    @property
    def queue(self) -> Queue:
        """Where it waits while it is open."""
        if self.kind.is_charge:
            return Queue.CHARGE
        return Queue.HELD if self.is_held else Queue.CREDIT

    @property
    def order(self) -> tuple[date, int]:
        """First in, first out: by effective date and, within a day, in the order of their recording."""
        return self.effective_date, self.event_no


@dataclass(slots=True)
class Application:
    """That a credit paid a charge or, with `takes_back`, that an earlier application is taken back.

    live: what of it was not taken back.
    by_event_no: the transaction whose posting made it; 0: none did.
    application_no: 0 until it is numbered.
    """

    credit_event_no: int
    charge_event_no: int
    amount: int
    by_event_no: int
    effective_date: date
    live: int
    takes_back: "Application | None" = None
    application_no: int = 0


class _Cause(NamedTuple):
    """What makes an application."""

    event_no: int
    effective_date: date


@dataclass(slots=True)
class AccountItems:
    """The items of one account: those that are open, and closed ones that may be open again.

    It has every item that is named by what is posted, and of the others as many, in their order, as that may
    pay or take; see `group_applications`. What is named and not there is passed over.
    """

    is_whole: bool = True
    """Whether all that is open is there."""
    made: list[Application] = field(default_factory=list)
    """What was made here, in order."""
    last_closed_charge_no: int = 0
    """The last charge that was paid in full as it was posted, and is not remembered; 0 for none."""
    last_closed_credit_no: int = 0
    """The same of credits."""
    _items: dict[int, Item] = field(default_factory=dict)
    _charges: list[tuple[date, int]] = field(default_factory=list)
    """The open ones, in order."""
    _credits: list[tuple[date, int]] = field(default_factory=list)
    """The open ones that are not held, in order."""
    _applications: dict[int, list[Application]] = field(default_factory=dict)
    """Of credits and of charges, in order."""

    def add(self, item: Item) -> None:
        """Add an item, open or closed."""
        self._items[item.event_no] = item
        if item.open_amount:
            self._enqueue(item)

    def add_application(self, application: Application) -> None:
        """Add an application that stands, after those that were made before it."""
        self._applications.setdefault(application.credit_event_no, []).append(application)
        self._applications.setdefault(application.charge_event_no, []).append(application)

    def all(self) -> Iterable[Item]:
        """All items that are known, in no order."""
        return self._items.values()

    def open_items(self) -> list[Item]:
        """The items that are open, in no order."""
        return [item for item in self._items.values() if item.open_amount]

    def __getitem__(self, event_no: int) -> Item:
        return self._items[event_no]

    def __contains__(self, event_no: int) -> bool:
        return event_no in self._items

    # ------------------------------------------------------------------------------------------ what happens

    def post(self, document: Sequence[Entry]) -> None:
        """Post a document, or what of it is on this account."""
        for entry in document:
            self.add(
                Item(
                    entry.event_no,
                    entry.kind,
                    entry.amount,
                    entry.effective_date,
                    entry.due_date,
                    entry.invoice_no,
                    entry.instruction.method is Method.NONE,
                )
            )
        for entry in document:
            if entry.related_event_no or entry.invoice_no or entry.instruction is not BY_CHARGE_DATE:
                self._apply(entry)
        if self._charges and self._credits:
            self._settle(_Cause(document[0].event_no, document[0].effective_date))

    def post_single(self, event_no: int, kind: TransactionType, amount: int, day: date) -> None:
        """Post a document of one transaction that says nothing of whom it pays, or is paid by.

        The same as `post`, for less. Charges and credits never both wait: so it is alone on its side when
        anything waits for it. And when nothing is left of it, only its number needs to be remembered, unless
        it may be named later.
        """
        if self.is_whole:
            self.post((Entry(event_no, kind, amount, day, day),))
            return
        ours, theirs = self._charges, self._credits
        if not kind.is_charge:
            ours, theirs = theirs, ours
        assert not (ours and theirs), "charges and credits both wait"
        left, closed = amount, 0
        for _, other_no in theirs:
            other = self._items[other_no]
            paid = min(left, other.open_amount)
            credit_no, charge_no = (other_no, event_no) if kind.is_charge else (event_no, other_no)
            self.made.append(Application(credit_no, charge_no, paid, event_no, day, paid))
            left -= paid
            other.open_amount -= paid
            other.is_touched = True
            closed += not other.open_amount
            if not left:
                break
        del theirs[:closed]
        if left:
            self.add(Item(event_no, kind, left, day, day, is_touched=left < amount))
        elif kind.is_charge:
            self.last_closed_charge_no = event_no
        else:
            self.last_closed_credit_no = event_no

    def apply_credit(
        self, credit_event_no: int, instruction: Instruction, effective_date: date
    ) -> list[Application]:
        """Apply what is left of a credit, which may be held; returns the applications."""
        before = len(self.made)
        credit = self._items.get(credit_event_no)
        if credit is not None:
            cause = _Cause(0, effective_date)
            self._pay_as_instructed(credit, instruction, cause)
            self._pay_charges(credit, self._open_charges(), cause)
        return self.made[before:]

    def re_age(self, invoice_no: int, due_date: date) -> None:
        """Give the charges of an invoice another due date (rule 15). Nothing is applied otherwise by it."""
        for item in self._items.values():
            if item.invoice_no == invoice_no and item.kind.is_charge:
                item.due_date = due_date

    def _apply(self, entry: Entry) -> None:
        """What a transaction says by itself about whom it is for; all else is settled first in, first out."""
        cause = _Cause(entry.event_no, entry.effective_date)
        item = self._items[entry.event_no]
        if entry.kind.is_void:
            self._undo(item, entry.related_event_no, cause)
        elif entry.related_event_no and entry.kind.is_charge:
            self._return(item, entry.related_event_no, cause)
        elif entry.related_event_no:
            self._pay_charges(item, self._named(entry.related_event_no), cause)
        elif entry.invoice_no and not entry.kind.is_charge:
            self._pay_charges(item, self._charges_of_invoice(entry.invoice_no), cause)
        else:
            self._pay_as_instructed(item, entry.instruction, cause)

    def _undo(self, void: Item, event_no: int, cause: _Cause) -> None:
        """Take back all that a transaction paid, or was paid by, and apply the void to it (rule 9)."""
        target = self._items.get(event_no)
        if target is None or target.kind.is_charge == void.kind.is_charge:
            return
        for application in reversed(self._applications.get(event_no, [])):
            self._take_back(application, application.live, cause)
        if target.kind.is_charge:
            self._pay(void, target, cause)
        else:
            self._pay(target, void, cause)

    def _return(self, refund: Item, payment_event_no: int, cause: _Cause) -> None:
        """Let a payment pay its refund: with what is unapplied of it, then with what it paid last."""
        payment = self._items.get(payment_event_no)
        if payment is None or payment.kind.is_charge:
            return
        for application in reversed(self._applications.get(payment_event_no, [])):
            wanted = refund.open_amount - payment.open_amount
            if wanted <= 0:
                break
            charge = self._items[application.charge_event_no]
            if not _is_return(charge.kind):
                self._take_back(application, min(wanted, application.live), cause)
        self._pay(payment, refund, cause)

    def _settle(self, cause: _Cause) -> None:
        """Let credits that wait pay charges that wait, until one of the two has none left."""
        while self._charges and self._credits:
            credit, charge = self._items[self._credits[0][1]], self._items[self._charges[0][1]]
            self._pay(credit, charge, cause)

    # ------------------------------------------------------------------------------------- who is paid first

    def _pay_as_instructed(self, credit: Item, instruction: Instruction, cause: _Cause) -> None:
        if instruction.method is Method.DUE_DATE:
            first_due = sorted(self._open_charges(), key=lambda charge: (charge.due_date, charge.order))
            self._pay_charges(credit, first_due, cause)
        elif instruction.method is Method.DIRECTED:
            for event_no in instruction.charge_event_nos:
                self._pay_charges(credit, self._named(event_no), cause)
            for invoice_no in instruction.invoice_nos:
                self._pay_charges(credit, self._charges_of_invoice(invoice_no), cause)

    def _open_charges(self) -> list[Item]:
        return [self._items[event_no] for _, event_no in self._charges]

    def _named(self, event_no: int) -> list[Item]:
        charge = self._items.get(event_no)
        return [charge] if charge is not None and charge.kind.is_charge else []

    def _charges_of_invoice(self, invoice_no: int) -> list[Item]:
        return [charge for charge in self._open_charges() if charge.invoice_no == invoice_no]

    def _pay_charges(self, credit: Item, charges: Iterable[Item], cause: _Cause) -> None:
        for charge in charges:
            if not credit.open_amount:
                return
            self._pay(credit, charge, cause)

    # ------------------------------------------------------------------------------------- the two movements

    def _pay(self, credit: Item, charge: Item, cause: _Cause) -> None:
        amount = min(credit.open_amount, charge.open_amount)
        if not amount:
            return
        application = Application(
            credit.event_no, charge.event_no, amount, cause.event_no, cause.effective_date, amount
        )
        self.made.append(application)
        if self.is_whole:
            # Of others nothing is taken back: what names another transaction asks for the whole account.
            self.add_application(application)
        self._change(credit, -amount)
        self._change(charge, -amount)

    def _take_back(self, application: Application, amount: int, cause: _Cause) -> None:
        if not amount:
            return
        application.live -= amount
        credit_event_no, charge_event_no = application.credit_event_no, application.charge_event_no
        self.made.append(
            Application(
                credit_event_no,
                charge_event_no,
                amount,
                cause.event_no,
                cause.effective_date,
                0,
                takes_back=application,
            )
        )
        self._change(self._items[credit_event_no], amount)
        self._change(self._items[charge_event_no], amount)

    def _change(self, item: Item, by: int) -> None:
        was_open = item.open_amount > 0
        item.open_amount += by
        item.is_touched = True
        if was_open and not item.open_amount:
            self._dequeue(item)
        elif not was_open:
            self._enqueue(item)

    def _enqueue(self, item: Item) -> None:
        if item.kind.is_charge:
            insort(self._charges, item.order)
        elif not item.is_held:
            insort(self._credits, item.order)

    def _dequeue(self, item: Item) -> None:
        if item.kind.is_charge:
            del self._charges[bisect_left(self._charges, item.order)]
        elif not item.is_held:
            del self._credits[bisect_left(self._credits, item.order)]


def _is_return(kind: TransactionType) -> bool:
    """Whether what pays a transaction of this type is given back by it: it pays nothing else any more."""
    return kind.is_void or kind.document is DocumentKind.REFUND
