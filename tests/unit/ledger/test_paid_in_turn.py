"""What is paid in its turn comes to the same by columns as item by item."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from ledger_service.rules.applications import AccountItems, Item, Waiting
from ledger_service.rules.books import Account, AccountKey, Books
from ledger_service.rules.commit_groups import AcceptedDrafts, lay_out, numbers_needed
from ledger_service.rules.group_applications import (
    GroupApplications,
    apply_group,
    items_needed,
    sides_of,
)
from ledger_service.rules.paid_in_turn import Front
from ledger_service.rules.plain_drafts import PlainDrafts
from ledger_service.rules.plain_invoices import make_invoices
from ledger_service.rules.postings import NewInvoice
from ledger_service.rules.transaction_types import TRANSACTION_TYPES, TransactionType
from service_kit.dates import date_to_proto
from tallybook.ledger.v1 import invoice_pb2
from tallybook.ledger.v1.ledger_pb2 import TransactionDraft
from tallybook.type.v1.money_pb2 import Money
from tests.unit.ledger.test_plain_drafts import CLIENT, NOW, TODAY, YESTERDAY, details_of, plain_of
from tests.unit.ledger.test_plain_invoices import COUPON, invoice, read

CHECK, CHARGE = 2, 14
FIRST_NO = 1_000


class Before(NamedTuple):
    """What waits on an account: charges of these amounts or, below zero, credits. The first have rows."""

    amounts: Sequence[int]
    rows: int

    @property
    def waiting(self) -> Waiting:
        return Waiting(sum(self.amounts), 10 * self.rows, TODAY, 10 * len(self.amounts))

    @property
    def kind(self) -> TransactionType:
        return TRANSACTION_TYPES[CHARGE if self.waiting.amount > 0 else CHECK]

    @property
    def front(self) -> Front:
        numbers = range(10, 10 * len(self.amounts) + 1, 10)
        return Front(self.waiting.queue, numbers, list(map(abs, self.amounts)), [YESTERDAY] * self.rows)

    @property
    def items(self) -> AccountItems:
        items = AccountItems(is_whole=False)
        for place, amount in enumerate(map(abs, self.amounts)):
            stored = amount if place < self.rows else 0
            items.add(Item(10 * place + 10, self.kind, amount, YESTERDAY, YESTERDAY, stored_amount=stored))
        return items


@st.composite
def accounts(draw: st.DrawFn) -> Before:
    sign = draw(st.sampled_from([-1, 1]))
    amounts = draw(st.lists(st.integers(1, 4).map(lambda amount: sign * amount), max_size=6))
    return Before(amounts, draw(st.integers(0, len(amounts))))


class Posting(NamedTuple):
    """A draft of a call."""

    acct_no: int
    code: int
    amount: int
    days_ago: int = 0

    @property
    def effect(self) -> int:
        return TRANSACTION_TYPES[self.code].effect


class Billed(NamedTuple):
    """An invoice of a call: charges of these amounts, or coupons where they are below zero."""

    acct_no: int
    amounts: Sequence[int]
    days_ago: int = 0


Call = list[Posting] | list[Billed]

POSTINGS = st.builds(
    Posting, st.integers(1, 4), st.sampled_from([CHECK, CHARGE]), st.integers(1, 5), st.integers(0, 1)
)
BILLED = st.builds(
    Billed,
    st.integers(1, 4),
    st.lists(st.integers(-3, 5).filter(bool), min_size=1, max_size=3),
    st.integers(0, 1),
)
CALLS: st.SearchStrategy[list[Call]] = st.lists(
    st.lists(POSTINGS, min_size=1, max_size=6)
    | st.lists(POSTINGS, min_size=1, max_size=6)
    | st.lists(BILLED, min_size=1, max_size=3),
    min_size=1,
    max_size=3,
)


def accepted_of(calls: list[Call]) -> list[AcceptedDrafts]:
    accepted = []
    for place, call in enumerate(calls):
        plain, invoices = plain_call(place, call)
        accepted.append(AcceptedDrafts(CLIENT, "test", plain, invoices))
    lay_out(accepted, dict.fromkeys(numbers_needed(accepted), FIRST_NO), NOW)
    return accepted


def plain_call(place: int, call: Call) -> tuple[PlainDrafts, Sequence[NewInvoice]]:
    """What is read of a call, which is plain; and the invoices that it makes."""
    books = Books()
    books.accounts = {(CLIENT, acct_no): Account("USD", 30) for acct_no in range(1, 5)}
    drafts = [each for each in call if isinstance(each, Posting)]
    messages = [
        TransactionDraft(
            acct_no=each.acct_no,
            transaction_type=each.code,  # type: ignore[arg-type]  # its number
            amount=Money(minor_units=each.amount, currency_code="USD"),
            effective_date=date_to_proto(TODAY - timedelta(days=each.days_ago)),
            **details_of(each.code, f"{place} {number}"),  # type: ignore[arg-type]  # by its field
        )
        for number, each in enumerate(drafts)
    ]
    billed = [
        billed_message(each, place, number) for number, each in enumerate(call) if isinstance(each, Billed)
    ]
    plain = plain_of(messages) if messages else read(billed).plain
    assert plain is not None
    return plain, make_invoices(plain, books)


def billed_message(billed: Billed, place: int, number: int) -> invoice_pb2.InvoiceDraft:
    start = date(2020, 1, 1) + timedelta(days=100 * place + 10 * number)
    day = date_to_proto(TODAY - timedelta(days=billed.days_ago))
    message = invoice(billed.acct_no, (start, start), *(1 if each > 0 else COUPON for each in billed.amounts))
    message.invoice_date.CopyFrom(day)
    for line, amount in zip(message.lines, billed.amounts, strict=True):
        line.amount.minor_units = abs(amount)
    return message


def made(applied: GroupApplications) -> dict[AccountKey, list[tuple[object, ...]]]:
    """The applications of each account, in order."""
    made: defaultdict[AccountKey, list[tuple[object, ...]]] = defaultdict(list)
    for client_no, acct_no, each in applied.applications:
        made[client_no, acct_no].append(
            (each.credit_event_no, each.charge_event_no, each.amount, each.by_event_no, each.effective_date)
        )
    for client_no, acct_no, *application in applied.in_turn.applications:
        made[client_no, acct_no].append(tuple(application))
    return made


def rows(applied: GroupApplications) -> tuple[set[tuple[object, ...]], set[tuple[object, ...]]]:
    """What needs a row, and what is changed of those that there are."""
    opened: set[tuple[object, ...]] = set(applied.in_turn.opened)
    changed: set[tuple[object, ...]] = set(applied.in_turn.changed)
    for client_no, acct_no, item in applied.changes:
        if item.stored_amount:
            changed.add(
                (client_no, acct_no, item.queue, item.effective_date, item.event_no, item.open_amount)
            )
        else:
            opened.add((client_no, acct_no, item.queue, item.event_no, item.open_amount))
    return opened, changed


@given(st.lists(accounts(), min_size=4, max_size=4), CALLS)
def test_it_comes_to_the_same_as_item_by_item(before: list[Before], calls: list[Call]) -> None:
    known = {(CLIENT, acct_no): each for acct_no, each in enumerate(before, 1)}
    accepted = accepted_of(calls)
    needed = items_needed(accepted, {key: each.waiting for key, each in known.items() if each.amounts})
    items = {key: each.items for key, each in known.items()}

    by_columns = apply_group(accepted, needed, items, {key: known[key].front for key in needed.in_turn})
    one_by_one = apply_group(accepted, needed, {key: each.items for key, each in known.items()})

    posted: defaultdict[AccountKey, list[Posting | Billed]] = defaultdict(list)
    for call in calls:
        for each in call:
            posted[CLIENT, each.acct_no].append(each)
    assert needed.in_turn == {key for key, each in posted.items() if is_in_turn(known[key], each)}
    assert needed.in_turn.isdisjoint((each.client_no, each.acct_no) for each in by_columns.applications)
    assert needed.in_turn == by_columns.in_turn.marks.keys()
    assert made(by_columns) == made(one_by_one)
    assert by_columns.waiting == one_by_one.waiting
    assert rows(by_columns) == rows(one_by_one)


def is_in_turn(before: Before, posted: list[Posting | Billed]) -> bool:
    """Whether nothing is posted but drafts that meet what waits, and no more than that."""
    waiting = sum(before.amounts)
    drafts = [each for each in posted if isinstance(each, Posting)]
    return (
        len(drafts) == len(posted)
        and {each.effect * waiting < 0 for each in drafts} == {True}
        and sum(each.amount for each in drafts) <= abs(waiting)
    )


@given(CALLS)
def test_drafts_are_summed_up_as_one_by_one(calls: list[Call]) -> None:
    accepted = accepted_of(calls)
    group = lay_out(accepted, dict.fromkeys(numbers_needed(accepted), FIRST_NO), NOW)
    changes: Counter[AccountKey] = Counter()
    effects: defaultdict[AccountKey, set[int]] = defaultdict(set)
    days: defaultdict[AccountKey, set[date]] = defaultdict(set)
    for call in calls:
        for each in call:
            key = (CLIENT, each.acct_no)
            amounts = [each.effect * each.amount] if isinstance(each, Posting) else each.amounts
            changes[key] += sum(amounts)
            effects[key] |= {
                0 if isinstance(each, Billed) and amount < 0 else sign(amount) for amount in amounts
            }
            days[key].add(TODAY - timedelta(days=each.days_ago))

    sides = sides_of([each.drafts for each in accepted])

    assert group.balance_changes == dict(changes)
    assert group.last_dates == {key: max(each) for key, each in days.items()}
    assert sides == {
        key: effects[key].pop() if len(effects[key]) == len(days[key]) == 1 else 0 for key in changes
    }


def sign(amount: int) -> int:
    return 1 if amount > 0 else -1


def test_those_that_are_numbered_last_are_paid_in_turn() -> None:
    before = {(CLIENT, 1): Before([4, 4], 1), (CLIENT, 2): Before([4, 4], 1)}
    accepted = accepted_of([[Posting(1, CHECK, 5), Posting(2, CHECK, 9)]])
    needed = items_needed(accepted, {key: each.waiting for key, each in before.items()})
    applied = apply_group(
        accepted,
        needed,
        {(CLIENT, 2): before[CLIENT, 2].items},
        {(CLIENT, 1): before[CLIENT, 1].front},
    )

    applied.number(70)

    assert [each.application.application_no for each in applied.applications] == [70, 71]
    assert (applied.first_in_turn_no, applied.count) == (72, 4)
