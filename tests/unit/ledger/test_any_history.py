"""Whatever is asked for, in whatever order and grouping, the books hold together."""

from collections import defaultdict
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger_service.group_decisions import Decided, GroupDecisions
from ledger_service.rules.documents import Document
from ledger_service.rules.postings import NewInvoice
from ledger_service.rules.sources import InvoiceLine
from ledger_service.rules.transactions import Transaction
from tests.unit.ledger import drafting
from tests.unit.ledger.memory_ledger import MemoryLedger, call

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


def require_sound(ledger: MemoryLedger) -> None:
    """What must hold of any books."""
    standing = {each.event_no: each for each in ledger.standing()}
    taken: defaultdict[int, int] = defaultdict(int)
    for each in standing.values():
        assert each.amount > 0
        if each.related_event_no:
            # Nothing stands on what does not.
            assert each.related_event_no in standing, each
            taken[each.related_event_no] += each.amount
    for event_no, amount in taken.items():
        assert amount <= standing[event_no].amount

    voids = [each for each in ledger.transactions if each.type.is_void]
    originals = {each.event_no: each for each in ledger.transactions}
    assert len({each.related_event_no for each in voids}) == len(voids)
    for each in voids:
        original = originals[each.related_event_no]
        assert each.type.code == -original.type.code
        assert (each.amount, each.acct_no, each.source_no) == (
            original.amount,
            original.acct_no,
            original.source_no,
        )

    legs: defaultdict[int, list[int]] = defaultdict(list)
    codes: set[tuple[int, str]] = set()
    for each in standing.values():
        if each.type.code in {4, 5}:
            legs[each.source_no].append(each.effect)
        if each.type.code == 2:
            code = (each.acct_no, each.source.reference_code)  # type: ignore[union-attr]
            assert code not in codes
            codes.add(code)
    assert all(sum(effects) == 0 and len(effects) == 2 for effects in legs.values())
    require_sound_invoices(ledger)


def require_sound_invoices(ledger: MemoryLedger) -> None:
    """One invoice that stands for each period, whole or not at all; write-offs within it."""
    standing = ledger.standing()
    periods: set[tuple[int, object]] = set()
    for invoice in ledger.invoices:
        lines = [
            each
            for each in standing
            if isinstance(each.source, InvoiceLine) and each.source.invoice_no == invoice.invoice_no
        ]
        if invoice.invoice_no in ledger.voided_invoices:
            assert not lines
            continue
        period = (invoice.acct_no, invoice.billing_period_start)
        assert period not in periods
        periods.add(period)
        assert sum(each.effect for each in lines) == invoice.total


@settings(max_examples=100, deadline=None)
@given(STEPS, st.data())
def test_any_history_leaves_sound_books(steps: int, data: st.DataObject) -> None:
    ledger = MemoryLedger()
    for _ in range(steps):
        ledger.post(Wishes(data, ledger).order())
        require_sound(ledger)


@settings(max_examples=100, deadline=None)
@given(STEPS, st.data())
def test_it_makes_no_difference_how_orders_are_grouped(steps: int, data: st.DataObject) -> None:
    one_by_one, grouped = MemoryLedger(), MemoryLedger()
    expected: list[str] = []
    actual: list[str] = []
    group: list[Document] = []
    before_group = numbers_of(one_by_one)
    for _ in range(steps):
        order = Wishes(data, one_by_one).order()
        # A caller knows a number only once it was answered: so an order never names what its own group posts.
        names_its_group = bool(named_by(order) & (numbers_of(one_by_one) - before_group))
        if names_its_group or data.draw(st.integers(0, 4)) == 0:
            actual += grouped.post(*group)
            group = []
            before_group = numbers_of(one_by_one)
        group.append(order)
        expected += one_by_one.post(order)
    actual += grouped.post(*group)

    assert actual == expected
    assert grouped.transactions == one_by_one.transactions


@settings(max_examples=100, deadline=None)
@given(STEPS, st.integers(2, 6), st.data())
def test_a_call_that_is_refused_as_a_whole_leaves_no_trace(
    steps: int, size: int, data: st.DataObject
) -> None:
    ledger = MemoryLedger()
    for _ in range(steps):
        ledger.post(Wishes(data, ledger).order())
    books, transactions = ledger.books(), list(ledger.transactions)
    orders = [Wishes(data, ledger).order() for _ in range(size)]

    decisions = GroupDecisions(ledger.books(), {})
    decided = decisions.decide(call(orders, all_or_nothing=True))

    if not isinstance(decided, Decided):
        assert decisions.books == books
        assert not decisions.accepted
    else:
        assert ledger.post(*orders) == [""] * size
        assert len(ledger.transactions) > len(transactions)
        require_sound(ledger)
