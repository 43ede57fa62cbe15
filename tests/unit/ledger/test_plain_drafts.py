"""What is accepted at once, field by field, comes to the same as one draft after another."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ledger_service.group_decisions import Decided, GroupDecisions
from ledger_service.requests import PostingRequest
from ledger_service.rules import sources
from ledger_service.rules.applications import (
    BY_CHARGE_DATE,
    AccountItems,
    Instruction,
    Item,
    Method,
    Waiting,
)
from ledger_service.rules.books import Account, Books
from ledger_service.rules.commit_groups import Accepted, CommitGroup, lay_out, numbers_needed
from ledger_service.rules.documents import Document, document_kind
from ledger_service.rules.drafts import Draft, check_draft
from ledger_service.rules.group_applications import ItemsNeeded, apply_group, items_needed
from ledger_service.rules.needs import Needs
from ledger_service.rules.plain_drafts import PlainDrafts
from ledger_service.rules.plain_singles import plain_singles
from ledger_service.rules.sources import Source
from ledger_service.rules.transaction_types import TRANSACTION_TYPES
from service_kit.errors import DomainError
from service_kit.money import LARGEST_MINOR_UNITS

CLIENT = 1
TODAY = date(2026, 3, 4)
NOW = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
ROLES = frozenset({"poster", "support"})

NAMES = st.sampled_from(["a", "b", "c", "d", "e", "f"])
TEXTS = st.sampled_from(["", "", "", "why", "nul\0"])
SOURCES: dict[int, st.SearchStrategy[Source]] = {
    2: st.builds(sources.ExternalPayment, NAMES, st.just(TODAY), st.none()),
    3: st.builds(sources.ElectronicPayment, NAMES, st.just(1)),
    14: st.builds(sources.ExternalCharge, NAMES),
}


@st.composite
def drafts(draw: st.DrawFn) -> Draft:
    """Mostly right, and now and then wrong in one of many ways."""
    code = draw(st.sampled_from([2, 2, 3, 14, 14, 15, 10]))
    source = draw(
        SOURCES[draw(st.sampled_from([2, 3, 14]))]
        if draw(st.integers(0, 19)) == 0
        else SOURCES.get(code, st.none())
    )
    acct_no = draw(st.sampled_from([1, 1, 2, 3, 9] if draw(st.integers(0, 9)) == 0 else [1, 2, 3]))
    odd = draw(st.integers(0, 9)) == 0
    return Draft(
        TRANSACTION_TYPES[code],
        acct_no,
        draw(st.sampled_from([0, 0, 10 * acct_no, 11] if odd else [0, 10 * acct_no])),
        draw(st.sampled_from([0, LARGEST_MINOR_UNITS] if odd else [1, 5, 700])),
        draw(st.sampled_from(["USD", "EUR", "XXY"] if odd else ["USD"])),
        TODAY - timedelta(days=draw(st.integers(0, 2))),
        draw(TEXTS) if odd else "",
        draw(TEXTS) if odd else "",
        source,
        draw(st.sampled_from([BY_CHARGE_DATE, Instruction(Method.NONE)])) if odd else BY_CHARGE_DATE,
    )


def some_books() -> Books:
    """Three accounts in dollars with a plan instance each, and a few names that are taken."""
    books = Books()
    for acct_no in (1, 2, 3):
        books.accounts[CLIENT, acct_no] = Account("USD", 30)
        books.balances[CLIENT, acct_no] = 100 * (acct_no - 2)
        books.waiting[CLIENT, acct_no] = Waiting(100 * (acct_no - 2), 0, TODAY - timedelta(days=1), 50)
        books.plan_instances[CLIENT, 10 * acct_no] = acct_no
        books.plan_balances[CLIENT, 10 * acct_no] = 50
    books.reference_codes[CLIENT, 1, "f"] = 77
    books.gateway_references[CLIENT, "f"] = 78
    return books


def call(orders: Sequence[Document], plain: PlainDrafts | None = None) -> PostingRequest:
    return PostingRequest(
        CLIENT, "key", b"", "test", orders, False, lambda _: b"", plain=plain, drafts_answer=lambda _: b""
    )


def documents_of(given_drafts: Sequence[Draft]) -> list[Document] | None:
    """None where a draft is refused before any book is opened."""
    try:
        for draft in given_drafts:
            check_draft(draft, ROLES)
        return [Document(CLIENT, document_kind([draft]), [draft], ROLES) for draft in given_drafts]
    except DomainError:
        return None


def posted(request: PostingRequest) -> tuple[Decided, Books, CommitGroup | None, Any]:
    """What a request comes to: its decision, the books after it, the rows and the open items."""
    books = some_books()
    decisions = GroupDecisions(books, {})
    decided = decisions.decide(request)
    assert isinstance(decided, Decided)
    if not decisions.accepted:
        return decided, books, None, None
    firsts = dict.fromkeys(numbers_needed(decisions.accepted), 1_000)
    group = lay_out(decisions.accepted, firsts, NOW)
    needed = items_needed(decisions.accepted, books.waiting)
    applied = apply_group(decisions.accepted, needed, {key: some_items(needed, key) for key in needed.before})
    return decided, books, group, (applied.applications, applied.changes, applied.waiting)


def some_items(needed: ItemsNeeded, account: tuple[int, int]) -> AccountItems:
    """All that waits on an account, in one item."""
    items = AccountItems(is_whole=account in needed.whole)
    amount = needed.before[account].amount
    if amount:
        items.add(Item(50, TRANSACTION_TYPES[14 if amount > 0 else 2], abs(amount), TODAY, TODAY))
    return items


@given(st.lists(drafts(), min_size=1, max_size=6))
def test_what_is_accepted_at_once_comes_to_the_same_as_one_by_one(given_drafts: list[Draft]) -> None:
    plain = plain_singles(CLIENT, given_drafts, ROLES)
    documents = documents_of(given_drafts)
    if plain is None:
        return
    assert documents is not None, "check_draft refuses what was found to be right"
    assert plain.documents() == [each._replace(drafts=tuple(each.drafts)) for each in documents]

    decided, books, group, items = posted(call([], plain))
    one_by_one, other_books, other_group, other_items = posted(call(documents))

    if decided.drafts is not None:
        assert all(isinstance(outcome, Accepted) for outcome in one_by_one.outcomes)
        assert [
            (event_no, source_no)
            for event_no, source_no in zip(decided.drafts.event_nos, decided.drafts.source_nos, strict=True)
        ] == [
            (event_no, source_no)
            for outcome in one_by_one.outcomes
            if isinstance(outcome, Accepted)
            for _, event_no, source_no in outcome.numbers()
        ]
    else:
        assert list(map(type, decided.outcomes)) == list(map(type, one_by_one.outcomes))
    assert group == other_group
    assert items == other_items
    assert books == other_books


@given(st.lists(drafts(), min_size=1, max_size=6))
def test_plain_drafts_need_what_their_documents_need(given_drafts: list[Draft]) -> None:
    plain = plain_singles(CLIENT, given_drafts, ROLES)
    if plain is None:
        return
    at_once, one_by_one = Needs(), Needs()
    call([], plain).add_needs(at_once)
    call(plain.documents()).add_needs(one_by_one)
    assert at_once == one_by_one


def test_many_right_drafts_are_accepted_at_once() -> None:
    checks = [
        Draft(
            TRANSACTION_TYPES[2],
            1 + number % 3,
            0,
            500,
            "USD",
            TODAY,
            "",
            "",
            sources.ExternalPayment(f"no. {number}", TODAY),
        )
        for number in range(100)
    ]
    decided, _, group, _ = posted(call([], plain_singles(CLIENT, checks, ROLES)))
    assert decided.drafts is not None
    assert group is not None
    assert len(group.transactions) == 100
