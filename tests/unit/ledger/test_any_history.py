"""Whatever is asked for, in whatever order and grouping, the books hold together."""

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger_service.group_decisions import Decided, GroupDecisions
from ledger_service.rules.documents import Document
from ledger_service.rules.sources import InvoiceLine, WriteOff
from tests.unit.ledger.memory_ledger import MemoryLedger, call
from tests.unit.ledger.wishes import STEPS, Wishes, named_by, numbers_of


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
        written_off = [
            each.amount
            for each in standing
            if isinstance(each.source, WriteOff) and each.source.invoice_no == invoice.invoice_no
        ]
        assert not written_off or sum(written_off) <= invoice.total


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
