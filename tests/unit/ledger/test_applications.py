"""Which credit pays which charge: each rule by an example, and what holds whatever is posted."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger_service.rules.aging import AgingEntry, apply_credits
from ledger_service.rules.applications import (
    BY_CHARGE_DATE,
    NOTHING_WAITS,
    AccountItems,
    Application,
    Entry,
    Instruction,
    Item,
    Method,
    Queue,
    Waiting,
)
from ledger_service.rules.books import AccountKey
from ledger_service.rules.commit_groups import Accepted, CommitGroup
from ledger_service.rules.decisions import Order
from ledger_service.rules.documents import Document
from ledger_service.rules.group_applications import (
    UNCHANGED,
    GroupApplications,
    ItemsNeeded,
    apply_group,
    items_needed,
)
from ledger_service.rules.postings import CreditApplication
from ledger_service.rules.transaction_types import TRANSACTION_TYPES
from tests.unit.ledger.memory_ledger import CLIENT, TODAY, MemoryLedger
from tests.unit.ledger.wishes import Wishes

NONE = Instruction(Method.NONE)
FIRST_DUE = Instruction(Method.DUE_DATE)


def directed(*charges: int, invoices: Iterable[int] = ()) -> Instruction:
    return Instruction(Method.DIRECTED, charges, tuple(invoices))


class Account:
    """An account whose transactions are numbered from 1, in the order in which they are posted."""

    def __init__(self) -> None:
        self.items = AccountItems()
        self.next_event_no = 1

    def entry(
        self,
        code: int,
        amount: int,
        *,
        days: int = 0,
        due: int = 30,
        invoice: int = 0,
        related: int = 0,
        instruction: Instruction = BY_CHARGE_DATE,
    ) -> Entry:
        """A transaction of some days from today on, due some days after that."""
        self.next_event_no += 1
        effective_date = TODAY + timedelta(days=days)
        due_date = effective_date + timedelta(days=due)
        kind = TRANSACTION_TYPES[code]
        return Entry(
            self.next_event_no - 1, kind, amount, effective_date, due_date, invoice, related, instruction
        )

    def post(self, code: int, amount: int, **details: object) -> int:
        """Post a document of one transaction, and return its number."""
        entry = self.entry(code, amount, **details)  # type: ignore[arg-type]
        self.items.post([entry])
        return entry.event_no

    def open(self) -> dict[int, int]:
        """What is open, by transaction."""
        return {item.event_no: item.open_amount for item in self.items.open_items()}

    def applied(self) -> dict[tuple[int, int], int]:
        """What each credit pays of each charge now."""
        return dict(standing(self.items.made))


def standing(made: Iterable[Application]) -> Counter[tuple[int, int]]:
    """What is applied by (credit, charge), as the rows say: what takes back is counted against the rest."""
    applied: Counter[tuple[int, int]] = Counter()
    for each in made:
        pair = (each.credit_event_no, each.charge_event_no)
        applied[pair] += -each.amount if each.takes_back else each.amount
        assert applied[pair] >= 0
    return +applied


def test_a_payment_pays_the_oldest_charge_first_whatever_is_due_first() -> None:
    ada = Account()
    newer = ada.post(14, 100, days=2, due=0)
    older = ada.post(14, 100, days=1, due=60)
    paid = ada.post(2, 150, days=3)

    assert ada.applied() == {(paid, older): 100, (paid, newer): 50}
    assert ada.open() == {newer: 50}


def test_a_payment_may_pay_what_is_due_first() -> None:
    ada = Account()
    older = ada.post(14, 100, days=1, due=60)
    newer = ada.post(14, 100, days=2, due=0)
    paid = ada.post(2, 150, days=3, instruction=FIRST_DUE)

    assert ada.applied() == {(paid, newer): 100, (paid, older): 50}


def test_a_payment_pays_what_it_names_and_with_the_rest_the_oldest() -> None:
    ada = Account()
    oldest = ada.post(14, 100)
    billed = ada.post(21, 100, days=1, invoice=9)
    named = ada.post(14, 100, days=2)
    paid = ada.post(3, 250, days=3, instruction=directed(named, invoices=[9, 8]))

    assert ada.applied() == {(paid, named): 100, (paid, billed): 100, (paid, oldest): 50}


def test_what_is_left_of_a_payment_waits_for_the_next_charge() -> None:
    ada = Account()
    paid = ada.post(3, 250)
    first, second = ada.post(14, 100), ada.post(14, 200)

    assert ada.applied() == {(paid, first): 100, (paid, second): 150}
    assert ada.open() == {second: 50}


def test_a_held_payment_waits_until_it_is_applied_by_hand() -> None:
    ada = Account()
    paid = ada.post(3, 150, instruction=NONE)
    first, second = ada.post(14, 100), ada.post(14, 100)
    assert ada.open() == {paid: 150, first: 100, second: 100}

    made = ada.items.apply_credit(paid, directed(second), TODAY)

    assert [(each.charge_event_no, each.amount, each.by_event_no) for each in made] == [
        (second, 100, 0),
        (first, 50, 0),
    ]
    assert ada.items.apply_credit(paid, BY_CHARGE_DATE, TODAY) == []


def test_the_credits_of_an_invoice_lower_it_first_also_when_they_are_its_first_lines() -> None:
    ada = Account()
    older = ada.post(14, 50)
    credit, charge = ada.entry(22, 30, days=1, invoice=7), ada.entry(21, 20, days=1, invoice=7)
    ada.items.post([credit, charge])

    assert ada.applied() == {(credit.event_no, charge.event_no): 20, (credit.event_no, older): 10}


def test_memos_reversals_and_write_offs_go_to_what_they_name() -> None:
    ada = Account()
    oldest = ada.post(14, 100)
    line = ada.post(21, 100, days=1, invoice=7)
    memo = ada.post(24, 30, related=line)
    write_off = ada.post(6, 20, invoice=7)
    reversal = ada.post(8, 10, related=line)

    assert ada.applied() == {(memo, line): 30, (write_off, line): 20, (reversal, line): 10}
    assert ada.open() == {oldest: 100, line: 40}


def test_a_refund_takes_what_is_unapplied_and_then_what_the_payment_paid_last() -> None:
    ada = Account()
    first, second = ada.post(14, 100, days=0), ada.post(14, 100, days=1)
    paid = ada.post(3, 230, days=2)
    refund = ada.post(12, 80, days=3, related=paid)

    assert ada.applied() == {(paid, first): 100, (paid, second): 50, (paid, refund): 80}
    assert ada.open() == {second: 50}
    again = ada.post(12, 150, days=4, related=paid)
    assert ada.applied() == {(paid, refund): 80, (paid, again): 150}
    assert ada.open() == {first: 100, second: 100}


def test_a_refund_with_reversals_of_the_same_amount_leaves_nothing_open() -> None:
    ada = Account()
    charge = ada.post(14, 150)
    paid = ada.post(3, 150)
    refund, reversal = ada.entry(12, 150, related=paid), ada.entry(8, 150, related=charge)
    ada.items.post([refund, reversal])

    assert ada.applied() == {(paid, refund.event_no): 150, (reversal.event_no, charge): 150}
    assert ada.open() == {}


def test_what_a_voided_payment_paid_is_open_again_with_its_due_date() -> None:
    ada = Account()
    charge = ada.post(14, 100, days=0, due=17)
    paid = ada.post(3, 100, days=5)
    void = ada.post(-3, 100, days=9, related=paid)

    assert ada.applied() == {(paid, void): 100}
    (item,) = ada.items.open_items()
    assert (item.event_no, item.open_amount, item.due_date) == (charge, 100, TODAY + timedelta(days=17))
    taken_back = [each for each in ada.items.made if each.takes_back is not None]
    assert [(each.by_event_no, each.effective_date) for each in taken_back] == [
        (void, TODAY + timedelta(days=9))
    ]


def test_what_paid_a_voided_charge_pays_other_charges_unless_it_is_held() -> None:
    ada = Account()
    first = ada.post(14, 100)
    paid = ada.post(3, 60)
    held = ada.post(3, 40, instruction=NONE)
    ada.items.apply_credit(held, BY_CHARGE_DATE, TODAY)
    second = ada.post(14, 100, days=1)
    void = ada.post(-14, 100, days=2, related=first)

    assert ada.applied() == {(void, first): 100, (paid, second): 60}
    assert ada.open() == {held: 40, second: 40}


# ----------------------------------------------------------------------------------------- whatever is posted

MANY = st.lists(st.tuples(st.booleans(), st.integers(1, 60), st.integers(0, 3)), max_size=30)


@given(MANY)
def test_without_voids_it_comes_to_what_aging_works_out(steps: list[tuple[bool, int, int]]) -> None:
    ada, days, entries = Account(), 0, []
    for is_charge, amount, later in steps:
        days += later
        event_no = ada.post(14 if is_charge else 2, amount, days=days, due=0)
        entries.append(AgingEntry(event_no, TODAY + timedelta(days=days), amount, is_charge))

    charges, unapplied = apply_credits(entries)

    open_items = ada.items.open_items()
    assert {each.event_no: each.open_amount for each in charges} == {
        item.event_no: item.open_amount for item in open_items if item.kind.is_charge
    }
    assert unapplied == sum(item.open_amount for item in open_items if not item.kind.is_charge)


INSTRUCTIONS = st.one_of(
    st.just(BY_CHARGE_DATE),
    st.just(FIRST_DUE),
    st.just(NONE),
    st.builds(directed, st.integers(1, 30), st.integers(1, 30)),
)


@given(st.data(), MANY)
def test_to_void_what_was_just_posted_leaves_everything_as_it_was(
    data: st.DataObject, steps: list[tuple[bool, int, int]]
) -> None:
    ada = Account()
    for is_charge, amount, days in steps:
        instruction = BY_CHARGE_DATE if is_charge else data.draw(INSTRUCTIONS)
        ada.post(14 if is_charge else 2, amount, days=days, due=amount, instruction=instruction)
    open_before, applied_before = ada.open(), ada.applied()

    code, amount = data.draw(st.sampled_from([2, 14])), data.draw(st.integers(1, 200))
    event_no = ada.post(code, amount, days=data.draw(st.integers(0, 3)))
    void = ada.post(-code, amount, related=event_no)

    assert ada.open() == open_before
    pair = (event_no, void) if code == 2 else (void, event_no)
    assert ada.applied() == applied_before | {pair: amount}


@dataclass
class AppliedLedger(MemoryLedger):
    """A ledger that applies what it posts: with all it knows, and again with what a group would have read."""

    whole: dict[AccountKey, AccountItems] = field(default_factory=dict)
    items: dict[int, tuple[int, Item]] = field(default_factory=dict)
    """By transaction, open or closed: its account and its item, as `whole` has it."""
    rows: dict[int, int] = field(default_factory=dict)
    """By transaction: what is open of it, where that is stored."""
    waiting: dict[AccountKey, Waiting] = field(default_factory=dict)
    made: list[tuple[int, Application]] = field(default_factory=list)

    def _keep(self, accepted: list[Accepted]) -> CommitGroup | None:
        group = super()._keep(accepted)
        if group is None:
            return None
        needed = items_needed(accepted, self.waiting)
        applied = apply_group(accepted, needed, self._read_needed(needed))
        known = {key: len(items.made) for key, items in self.whole.items()}
        for acct_no in self.accounts:
            self.whole.setdefault((CLIENT, acct_no), AccountItems())
        apply_group(accepted, ItemsNeeded(dict.fromkeys(self.whole, NOTHING_WAITS)), self.whole)
        for key, items in self.whole.items():
            expected = items.made[known.get(key, 0) :]
            found = [
                each.application for each in applied.applications if (each.client_no, each.acct_no) == key
            ]
            assert list(map(shown, found)) == list(map(shown, expected))
            self.items |= {item.event_no: (key[1], item) for item in items.all()}
        self.made += [(each.acct_no, each.application) for each in applied.applications]
        self._store(group, applied)
        self._require_same_items()
        return group

    def _store(self, group: CommitGroup, applied: GroupApplications) -> None:
        for change in applied.changes:
            if change.item.open_amount:
                self.rows[change.item.event_no] = change.item.open_amount
            else:
                del self.rows[change.item.event_no]
        assert applied.waiting.keys() <= group.balance_changes.keys()
        for key, effect in group.balance_changes.items():
            before, by = self.waiting.get(key, NOTHING_WAITS), applied.waiting.get(key, UNCHANGED)
            self.waiting[key] = Waiting(
                before.amount + effect + by.held,
                max(before.after, by.after),
                max(before.last_date, group.last_dates.get(key, before.last_date)),
                group.last_events.get(key, before.last_event_no),
            )

    def _stored(self) -> dict[int, tuple[int, Item]]:
        """By transaction: its account, and its item as it would be read."""
        stored = {}
        for event_no, (acct_no, item) in self.items.items():
            waiting = self.waiting[CLIENT, acct_no]
            waits = waiting.amount != 0 and item.kind.is_charge is (waiting.amount > 0)
            row = self.rows.get(event_no, 0)
            assert not (row and waits and event_no > waiting.after)
            amount = row or (self.amount(event_no) if waits and event_no > waiting.after else 0)
            stored[event_no] = acct_no, copy_of(item, amount, row)
        return stored

    def amount(self, event_no: int) -> int:
        return next(each.amount for each in self.transactions if each.event_no == event_no)

    def _require_same_items(self) -> None:
        expected = {
            item.event_no: item.open_amount for items in self.whole.values() for item in items.open_items()
        }
        found = {
            event_no: item.open_amount for event_no, (_, item) in self._stored().items() if item.open_amount
        }
        assert found == expected

    def _read_needed(self, needed: ItemsNeeded) -> dict[AccountKey, AccountItems]:
        read = {key: AccountItems(is_whole=key in needed.whole) for key in needed.before}
        stored = self._stored()
        for (_, acct_no, queue), wanted in needed.fronts.items():
            assert queue is self.waiting[CLIENT, acct_no].queue
            found = 0
            for item in front_of(acct_no, queue, stored.values()):
                if found >= wanted:
                    break
                read[CLIENT, acct_no].add(item)
                found += item.open_amount
        for acct_no, item in stored.values():
            account = CLIENT, acct_no
            is_tail = account in needed.tails and not item.stored_amount
            if (
                item.open_amount
                and (account in needed.whole or is_tail)
                and item.event_no not in read[account]
            ):
                read[account].add(item)
        undone = {event_no for _, event_no in needed.undone}
        named = set(undone)
        for acct_no, made in self.made:
            pair = {made.credit_event_no, made.charge_event_no}
            if made.takes_back is None and pair & undone:
                named |= pair
                read[CLIENT, acct_no].add_application(made)
        for event_no in named:
            acct_no, item = stored[event_no]
            if not item.open_amount:
                read[CLIENT, acct_no].add(item)
        return read


def front_of(acct_no: int, queue: Queue, items: Iterable[tuple[int, Item]]) -> list[Item]:
    """What waits: first what has a row, in order, then the others in the order in which they were posted."""
    waiting = [item for each, item in items if each == acct_no and item.open_amount and item.queue is queue]
    rows = sorted((item for item in waiting if item.stored_amount), key=lambda item: item.order)
    others = sorted((item for item in waiting if not item.stored_amount), key=lambda item: item.event_no)
    assert [*rows, *others] == sorted(waiting, key=lambda item: item.order)
    return [*rows, *others]


def shown(made: Application) -> tuple[object, ...]:
    return (
        made.credit_event_no,
        made.charge_event_no,
        made.amount,
        made.by_event_no,
        made.effective_date,
        made.takes_back is None,
    )


def copy_of(item: Item, amount: int, row: int) -> Item:
    return Item(
        item.event_no,
        item.kind,
        amount,
        item.effective_date,
        item.due_date,
        item.invoice_no,
        item.is_held,
        row,
    )


def require_applied(ledger: AppliedLedger) -> None:
    """What must hold of any applications (rules 8 and 9)."""
    amounts = {each.event_no: each for each in ledger.transactions}
    left = {event_no: each.amount for event_no, each in amounts.items()}
    for (credit, charge), amount in standing(made for _, made in ledger.made).items():
        assert (amounts[credit].type.is_charge, amounts[charge].type.is_charge) == (False, True)
        assert amounts[credit].acct_no == amounts[charge].acct_no
        left[credit] -= amount
        left[charge] -= amount
    assert min(left.values(), default=0) >= 0
    open_items = {event_no: item for event_no, (_, item) in ledger.items.items() if item.open_amount}
    assert {event_no: item.open_amount for event_no, item in open_items.items()} == {
        event_no: amount for event_no, amount in left.items() if amount
    }
    for acct_no in ledger.accounts:
        items = [item for event_no, item in open_items.items() if amounts[event_no].acct_no == acct_no]
        assert sum(item.kind.effect * item.open_amount for item in items) == ledger.balance(acct_no)
        queues = {item.queue for item in items}
        assert not {Queue.CHARGE, Queue.CREDIT} <= queues
    for each in ledger.transactions:
        if each.type.is_void:
            assert left[each.event_no] == left[each.related_event_no] == 0
    for _, made in ledger.made:
        assert 0 <= made.live <= made.amount


class Applying(Wishes):
    """Wishes that also say when something takes effect, and what a credit is to pay."""

    def order(self) -> Order:  # type: ignore[override]
        if self.draw(st.integers(0, 9)) == 0:
            credit = self.target(2, 3, 10, 18)
            if credit is not None:
                instruction = self.draw(st.sampled_from([BY_CHARGE_DATE, FIRST_DUE, self.directed()]))
                return CreditApplication(CLIENT, credit.event_no, instruction, TODAY)
        document: Document = super().order()
        effective_date: date = TODAY + timedelta(days=self.draw(st.integers(0, 3)))
        drafts = [draft._replace(effective_date=effective_date) for draft in document.drafts]
        if drafts[0].type.directable:
            instruction = self.draw(
                st.sampled_from([BY_CHARGE_DATE, BY_CHARGE_DATE, NONE, FIRST_DUE, self.directed()])
            )
            drafts = [draft._replace(application=instruction) for draft in drafts]
        return document._replace(drafts=drafts)

    def directed(self) -> Instruction:
        charge, invoice = self.target(14, 21, 4), self.some_invoice()
        if charge is None or invoice is None:
            return BY_CHARGE_DATE
        return directed(charge.event_no, invoices=[invoice.invoice_no])


@settings(max_examples=150, deadline=None)
@given(st.data(), st.lists(st.integers(1, 4), min_size=3, max_size=15))
def test_whatever_is_posted_what_is_applied_holds_together_and_does_not_depend_on_what_was_read(
    data: st.DataObject, groups: list[int]
) -> None:
    ledger = AppliedLedger()
    wishes = Applying(data, ledger)
    for size in groups:
        ledger.post(*[wishes.order() for _ in range(size)])
        require_applied(ledger)


SINGLES = st.lists(st.tuples(st.sampled_from([2, 14]), st.sampled_from([10, 20, 30, 50])), max_size=8)
"""Checks and external charges, of amounts that often pay each other exactly."""


def with_waiting(waiting: int) -> AccountItems:
    """An account on which so much waits: a charge or, below zero, a credit."""
    items = AccountItems(is_whole=False)
    if waiting:
        items.add(Item(1, TRANSACTION_TYPES[14 if waiting > 0 else 2], abs(waiting), TODAY, TODAY))
    return items


def last_closed(items: AccountItems, charges: bool) -> int:
    """The last charge, or credit, that was paid in full, or paid with all there was of it."""
    known = [
        item.event_no
        for item in items.all()
        if item.is_touched and not item.open_amount and item.kind.is_charge == charges
    ]
    forgotten = items.last_closed_charge_no if charges else items.last_closed_credit_no
    return max([*known, forgotten])


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([0, 10, 30, 60, -10, -30, -60]), SINGLES)
def test_a_document_of_one_transaction_is_applied_as_any_other(
    waiting: int, singles: list[tuple[int, int]]
) -> None:
    quick, thorough = with_waiting(waiting), with_waiting(waiting)
    for event_no, (code, amount) in enumerate(singles, 2):
        kind = TRANSACTION_TYPES[code]
        quick.post_single(event_no, kind, amount, TODAY)
        thorough.post((Entry(event_no, kind, amount, TODAY, TODAY),))
    assert quick.made == thorough.made
    assert {item.event_no: item.open_amount for item in quick.open_items()} == {
        item.event_no: item.open_amount for item in thorough.open_items()
    }
    # Whatever waits behind the last that was closed waits as before: so that one is known, too.
    assert last_closed(quick, charges=True) == last_closed(thorough, charges=True)
    assert last_closed(quick, charges=False) == last_closed(thorough, charges=False)
