"""Draws orders for a ledger, as somebody would ask for them who has seen its books."""

from collections.abc import Callable

from hypothesis import strategies as st

from ledger_service.rules.documents import Document
from ledger_service.rules.postings import NewInvoice
from ledger_service.rules.sources import Resolution, WriteOff
from ledger_service.rules.transactions import Transaction
from tests.unit.ledger import drafting
from tests.unit.ledger.memory_ledger import MemoryLedger

ACCOUNTS = st.sampled_from([1, 2, 3])
AMOUNTS = st.integers(1, 60)
NAMES = st.sampled_from("abcdef")
STEPS = st.integers(5, 30)


class Wishes:
    """Draws what somebody may ask for who has seen the books: what could be done, and often what can't."""

    def __init__(self, data: st.DataObject, ledger: MemoryLedger) -> None:
        self.draw = data.draw
        self.ledger = ledger

    def order(self) -> Document:
        """Any order."""
        wish: Callable[[], Document] = self.draw(
            st.sampled_from(
                [
                    *(self.check, self.payment, self.transfer, self.write_off, self.credit, self.charge),
                    *(self.refund, self.refund, self.invoice, self.memo, self.memo),
                    *(self.void, self.void, self.void_memo, self.void_invoice),
                    *(self.dispute, self.settle),
                ]
            )
        )
        return wish()

    def target(self, *codes: int) -> Transaction | None:
        """A transaction of one of the types; now and then of any."""
        fitting = [each for each in self.ledger.transactions if each.type.code in codes]
        anything = self.draw(st.integers(0, 9)) == 0
        candidates = self.ledger.transactions if anything or not fitting else fitting
        return self.draw(st.sampled_from(candidates)) if candidates else None

    def check(self) -> Document:
        return drafting.check(self.draw(ACCOUNTS), self.draw(AMOUNTS), self.draw(NAMES))

    def payment(self) -> Document:
        return drafting.payment(self.draw(ACCOUNTS), self.draw(AMOUNTS), str(self.draw(st.integers(1, 40))))

    def transfer(self) -> Document:
        source, target = self.draw(st.permutations([1, 2, 3]))[:2]
        return drafting.transfer(source, target, self.draw(st.integers(0, 60)))

    def credit(self) -> Document:
        return drafting.credit(self.draw(ACCOUNTS), self.draw(AMOUNTS))

    def charge(self) -> Document:
        return drafting.charge(self.draw(ACCOUNTS), self.draw(AMOUNTS))

    def write_off(self) -> Document:
        invoice = self.some_invoice()
        if invoice is None:
            return self.invoice()
        return drafting.write_off(invoice.acct_no, invoice.invoice_no, self.draw(st.integers(0, 60)))

    def dispute(self) -> Document:
        invoice = self.some_invoice()
        if invoice is None:
            return self.invoice()
        return drafting.dispute(invoice.acct_no, invoice.invoice_no, self.draw(st.integers(0, 60)))

    def settle(self) -> Document:
        target = self.target(6)
        if target is None:
            return self.dispute()
        invoice_no = target.source.invoice_no if isinstance(target.source, WriteOff) else 0
        return drafting.settle(target.event_no, invoice_no, self.draw(st.sampled_from(Resolution)))

    def refund(self) -> Document:
        paid = self.target(2)
        if paid is None:
            return self.check()
        charges = [
            each
            for each in self.ledger.transactions
            if each.type.code in {14, 21} and each.acct_no == paid.acct_no
        ]
        reversed_ = self.draw(st.lists(st.sampled_from(charges), max_size=2)) if charges else []
        reversals = [(each.event_no, self.draw(st.integers(1, 15))) for each in reversed_]
        return drafting.refund(paid.acct_no, paid.event_no, self.draw(st.integers(5, 40)), *reversals)

    def invoice(self) -> Document:
        lines = self.draw(st.lists(st.tuples(st.integers(1, 9), AMOUNTS), min_size=1, max_size=3))
        return drafting.invoice(self.draw(ACCOUNTS), self.draw(st.integers(1, 2)), *lines)

    def memo(self) -> Document:
        lines = [self.target(21) for _ in range(self.draw(st.integers(1, 3)))]
        found = [each for each in lines if each is not None]
        if not found:
            return self.invoice()
        return drafting.memo(
            found[0].acct_no, *((each.event_no, self.draw(st.integers(1, 20))) for each in found)
        )

    def void(self) -> Document:
        target = self.target(2, 3, 4, 5, 6, 10, 12, 13, 14)
        return self.charge() if target is None else drafting.void(target.event_no)

    def void_memo(self) -> Document:
        line = self.target(24)
        if line is None:
            return self.memo()
        lines = [
            each
            for each in self.ledger.transactions
            if each.type.code == 24 and each.source_no == line.source_no
        ] or [line]
        some = lines[: self.draw(st.integers(1, len(lines)))] if self.draw(st.booleans()) else lines
        return drafting.void_memo(line.acct_no, *(each.event_no for each in some))

    def void_invoice(self) -> Document:
        invoice = self.some_invoice()
        return self.invoice() if invoice is None else drafting.void_invoice(invoice.invoice_no)

    def some_invoice(self) -> NewInvoice | None:
        return self.draw(st.sampled_from(self.ledger.invoices)) if self.ledger.invoices else None


def named_by(order: Document) -> set[tuple[str, int]]:
    """The transactions and invoices that an order names."""
    named = set()
    for draft in order.drafts:
        fields = {} if draft.source is None else draft.source._asdict()
        named |= {("event", fields[name]) for name in fields if name.endswith("event_no")}
        named |= {("invoice", fields[name]) for name in fields if name == "invoice_no"}
    return named


def numbers_of(ledger: MemoryLedger) -> set[tuple[str, int]]:
    """The numbers that were given so far."""
    events = {("event", each.event_no) for each in ledger.transactions}
    return events | {("invoice", each.invoice_no) for each in ledger.invoices}
