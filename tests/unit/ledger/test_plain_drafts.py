"""What is accepted at once, field by field, comes to the same as one draft after another."""

import asyncio
from collections.abc import Container, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.message import Message
from google.type.date_pb2 import Date
from hypothesis import given
from hypothesis import strategies as st

from ledger_service.group_decisions import Decided, GroupDecisions
from ledger_service.requests import PostingRequest
from ledger_service.rules.applications import AccountItems, Item, Waiting
from ledger_service.rules.books import Account, Books
from ledger_service.rules.commit_groups import Accepted, CommitGroup, lay_out, numbers_needed
from ledger_service.rules.documents import Document, document_kind
from ledger_service.rules.drafts import check_draft
from ledger_service.rules.group_applications import ItemsNeeded, apply_group, items_needed
from ledger_service.rules.needs import Needs
from ledger_service.rules.plain_drafts import PlainDrafts
from ledger_service.rules.transaction_types import TRANSACTION_TYPES
from ledger_service.servicers.draft_contract import draft_from_proto
from ledger_service.servicers.plain_draft_contract import read_plain_drafts
from service_kit.dates import date_to_proto
from service_kit.errors import DomainError
from service_kit.money import LARGEST_MINOR_UNITS
from tallybook.ledger.v1.application_pb2 import (
    APPLICATION_METHOD_CHARGE_DATE,
    APPLICATION_METHOD_NONE,
    ApplicationInstruction,
)
from tallybook.ledger.v1.ledger_pb2 import PostTransactionsRequest, TransactionDraft
from tallybook.ledger.v1.transaction_pb2 import (
    PAYMENT_METHOD_KIND_CARD,
    DunningCharge,
    ElectronicPayment,
    ExternalCharge,
    ExternalPayment,
)
from tallybook.ledger.v1.transaction_type_pb2 import (
    TRANSACTION_TYPE_CASH_CREDIT,
    TRANSACTION_TYPE_CHECK,
    TRANSACTION_TYPE_EXTERNAL_CHARGE,
)
from tallybook.type.v1.money_pb2 import Money

pytestmark = pytest.mark.usefixtures("joined_or_listed")

CLIENT = 1
TODAY = date(2026, 3, 4)
YESTERDAY = TODAY - timedelta(days=1)
NOW = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
ROLES = frozenset({"poster", "support"})

NAMES = st.sampled_from(["a", "b", "c", "d", "e", "f"])
PLAIN: list[dict[str, Any]] = [
    {},
    {"acct_no": 9},
    {"plan_instance_no": 11},
    {"amount": Money(minor_units=LARGEST_MINOR_UNITS, currency_code="USD")},
    {"amount": Money(minor_units=5, currency_code="EUR")},
    {"effective_date": None},
    {"reason_code": "why", "comment": "because"},
    {"application": ApplicationInstruction()},
    {"application": ApplicationInstruction(method=APPLICATION_METHOD_CHARGE_DATE)},
]
"""What drafts may have, of which nothing is wrong in itself."""

NOT_PLAIN: list[dict[str, Any]] = [
    {"amount": Money(currency_code="USD")},
    {"amount": Money(minor_units=5, currency_code="XXY")},
    {"effective_date": Date()},
    {"effective_date": Date(year=2026, month=2, day=30)},
    {"effective_date": Date(year=2126, month=3, day=4)},
    {"effective_date": Date(year=1826, month=3, day=4)},
    {"reason_code": "nul\0"},
    {"comment": "nul\0"},
    {"external_payment": ExternalPayment(reference_code="nul\0")},
    {"external_payment": ExternalPayment(reference_code="a", received_date=Date(year=1))},
    {"external_charge": ExternalCharge(description="no check")},
    {"external_payment": None},
    {"transaction_type": TRANSACTION_TYPE_CASH_CREDIT, "external_payment": None},
    {"application": ApplicationInstruction(method=APPLICATION_METHOD_NONE)},
    {"request_id": "key"},
    {"document": "label"},
]
"""And what is refused, or is to be decided as a document."""


def details_of(code: int, name: str) -> dict[str, Message]:
    """The details of a type, by their field; none for those that have none."""
    if code == 2:
        return {"external_payment": ExternalPayment(reference_code=name)}
    if code == 3:
        payment = ElectronicPayment(gateway_reference=name, payment_method_kind=PAYMENT_METHOD_KIND_CARD)
        return {"electronic_payment": payment}
    if code == 14:
        return {"external_charge": ExternalCharge(description=name)}
    if code == 15:
        return {"dunning_charge": DunningCharge(dunning_step=3, description=name)}
    return {}


@st.composite
def messages(draw: st.DrawFn) -> TransactionDraft:
    """Mostly right, and now and then odd in one of many ways."""
    code = draw(st.sampled_from([2, 2, 2, 3, 14, 14, 15, 15, 10]))
    acct_no = draw(st.sampled_from([1, 2, 3]))
    odd = draw(st.sampled_from(PLAIN + NOT_PLAIN)) if draw(st.integers(0, 3)) == 0 else {}
    fields: dict[str, Any] = {
        "acct_no": acct_no,
        "plan_instance_no": draw(st.sampled_from([0, 10 * acct_no])),
        "transaction_type": code,
        "amount": Money(minor_units=draw(st.sampled_from([1, 5, 700])), currency_code="USD"),
        "effective_date": date_to_proto(draw(st.sampled_from([TODAY, YESTERDAY]))),
        **details_of(code, draw(NAMES)),
    }
    return TransactionDraft(**fields | odd)


def plain_of(given_messages: Sequence[TransactionDraft], roles: Container[str] = ROLES) -> PlainDrafts | None:
    """What is found plain as it is read from a call."""
    request = PostTransactionsRequest(client_no=CLIENT, drafts=given_messages)
    return asyncio.run(read_plain_drafts(request, roles, TODAY))


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


def documents_of(
    given_messages: Sequence[TransactionDraft], roles: Container[str] = ROLES
) -> list[Document] | None:
    """None where a draft is refused before any book is opened, or has something to do with another."""
    if any(message.request_id or message.document for message in given_messages):
        return None
    try:
        given_drafts = [draft_from_proto(message, TODAY) for message in given_messages]
        for draft in given_drafts:
            check_draft(draft, roles)
        return [Document(CLIENT, document_kind([draft]), (draft,), roles) for draft in given_drafts]
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
    # Of one account they are in order; which account comes first is the same to the database.
    changes = sorted(applied.changes, key=lambda each: (each.acct_no, each.item.event_no))
    return decided, books, group, (applied.applications, changes, applied.waiting)


def some_items(needed: ItemsNeeded, account: tuple[int, int]) -> AccountItems:
    """All that waits on an account, in one item."""
    items = AccountItems(is_whole=account in needed.whole)
    amount = needed.before[account].amount
    if amount:
        items.add(Item(50, TRANSACTION_TYPES[14 if amount > 0 else 2], abs(amount), TODAY, TODAY))
    return items


def checks(count: int) -> list[TransactionDraft]:
    return [
        TransactionDraft(
            acct_no=1 + number % 3,
            transaction_type=TRANSACTION_TYPE_CHECK,
            amount=Money(minor_units=500, currency_code="USD"),
            external_payment=ExternalPayment(reference_code=f"no. {number}"),
        )
        for number in range(count)
    ]


def altered(message: TransactionDraft, fields: dict[str, Any]) -> TransactionDraft:
    """The message with other values in these fields; None takes one away."""
    changed = TransactionDraft()
    changed.CopyFrom(message)
    for name, value in fields.items():
        changed.ClearField(name)  # type: ignore[arg-type]  # a field of the contract
        if value is not None:
            changed.MergeFrom(TransactionDraft(**{name: value}))
    return changed


@pytest.mark.parametrize("fields", PLAIN, ids=str)
def test_drafts_with_nothing_wrong_in_themselves_are_plain(fields: dict[str, Any]) -> None:
    first, second, third = checks(3)
    given_messages = [first, altered(second, fields), third]

    plain = plain_of(given_messages)

    assert plain is not None
    assert plain.documents() == documents_of(given_messages)


def test_drafts_of_each_plain_type_are_read_as_they_are_one_by_one() -> None:
    given_messages = [
        TransactionDraft(
            acct_no=number,
            transaction_type=code,  # type: ignore[arg-type]  # the codes of the contract
            amount=Money(minor_units=500, currency_code="USD"),
            effective_date=date_to_proto(YESTERDAY),
            **details_of(code, f"no. {number}"),  # type: ignore[arg-type]  # each under its own field
        )
        for number, code in enumerate([2, 3, 14, 15, 2, 3, 14, 15], 1)
    ]

    roles = frozenset(kind.required_role or "" for kind in TRANSACTION_TYPES.values())
    plain = plain_of(given_messages, roles)

    assert plain is not None
    assert plain.documents() == documents_of(given_messages, roles)


@pytest.mark.parametrize("fields", NOT_PLAIN, ids=str)
def test_one_draft_that_may_be_wrong_makes_all_be_decided_one_by_one(fields: dict[str, Any]) -> None:
    first, second, third = checks(3)

    assert plain_of([first, altered(second, fields), third]) is None


def test_drafts_are_not_plain_for_a_caller_without_the_role_of_their_type() -> None:
    assert plain_of(checks(1), frozenset({"support"})) is None


def test_drafts_that_give_one_name_twice_are_not_plain() -> None:
    (check,) = checks(1)

    assert plain_of([check, check]) is None


@given(st.lists(messages(), min_size=1, max_size=6))
def test_what_is_accepted_at_once_comes_to_the_same_as_one_by_one(
    given_messages: list[TransactionDraft],
) -> None:
    plain = plain_of(given_messages)
    documents = documents_of(given_messages)
    if plain is None:
        return
    assert documents is not None, "what was found to be right is refused"
    assert plain.documents() == documents

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


@given(st.lists(messages(), min_size=1, max_size=6))
def test_plain_drafts_need_what_their_documents_need(given_messages: list[TransactionDraft]) -> None:
    plain = plain_of(given_messages)
    if plain is None:
        return
    at_once, one_by_one = Needs(), Needs()
    call([], plain).add_needs(at_once)
    call(plain.documents()).add_needs(one_by_one)
    assert at_once == one_by_one


def test_many_right_drafts_are_accepted_at_once() -> None:
    """More of them than are read in one go; and of two types, each of which is read by itself."""
    payments = checks(1_100)
    charge = TransactionDraft(
        acct_no=2,
        transaction_type=TRANSACTION_TYPE_EXTERNAL_CHARGE,
        amount=Money(minor_units=700, currency_code="USD"),
        external_charge=ExternalCharge(description="delivery"),
    )
    given_messages = [*payments[:700], charge, *payments[700:]]

    plain = plain_of(given_messages)

    assert plain is not None
    assert plain.documents() == documents_of(given_messages)
    decided, _, group, _ = posted(call([], plain))
    assert decided.drafts is not None
    assert group is not None
    assert len(group.transactions) == 1_101
    assert [row[:2] for row in group.source_rows["external_charge"]] == [(CLIENT, 1_000)]
    assert group.source_rows["external_charge"][0][2] == group.transactions[700][1]
