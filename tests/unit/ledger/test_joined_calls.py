"""Calls that are decided together come to the same as one after another."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_service import joined_calls
from ledger_service.foresight import foresee
from ledger_service.group_decisions import Decided, GroupDecisions, named_refusal
from ledger_service.joined_calls import Group
from ledger_service.requests import FirstAnswer, Outcome, PostingRequest
from ledger_service.rules.applications import Instruction, Method
from ledger_service.rules.books import Books
from ledger_service.rules.commit_groups import Accepted, AcceptedDrafts, CommitGroup, lay_out, numbers_needed
from ledger_service.rules.documents import Document
from ledger_service.rules.needs import Needs
from ledger_service.rules.transaction_types import TRANSACTION_TYPES
from ledger_service.rules.transactions import Transaction
from tests.unit.ledger.test_plain_drafts import CLIENT, NOW, checks, documents_of, messages, some_books

USED = {(CLIENT, 1, "used"): FirstAnswer(b"first", b"the first answer")}
KEYS = st.sampled_from(["used", "same", *(f"key {number}" for number in range(30))])


def answer_of(transaction: Transaction) -> bytes:
    return repr(transaction).encode()


def answer_of_outcomes(outcomes: Sequence[Outcome]) -> bytes:
    (accepted,) = outcomes
    assert isinstance(accepted, Accepted)
    (transaction,) = accepted.transactions()
    return answer_of(transaction)


def call(document: Document, key: str, fingerprint: bytes = b"first", **fields: Any) -> PostingRequest:
    """A call of one draft."""
    return PostingRequest(
        CLIENT,
        key,
        fingerprint,
        "test",
        (document,),
        True,
        answer_of_outcomes,
        transaction_answer=answer_of,
    )._replace(**fields)


def calls_of(count: int) -> list[PostingRequest]:
    """Checks that nothing is wrong with, on three accounts."""
    documents = documents_of(checks(count))
    assert documents is not None
    return [call(document, f"key {place}") for place, document in enumerate(documents)]


def told(result: Any) -> bytes | str:
    """What the caller of a call is told."""
    if isinstance(result, Decided | FirstAnswer):
        return result.answer() if isinstance(result, Decided) else result.answer
    return named_refusal(result).reason


def posted(calls: Sequence[PostingRequest], *, together: bool) -> tuple[list[Any], Books, Any, list[Any]]:
    """What each is told, the books after them, the rows, and the keys that are used."""
    books, group = some_books(), Group.of(calls)
    decisions = GroupDecisions(books, USED)
    joined = [each for joined in group.joined for each in joined.calls]
    if together:
        results = [each for joined in group.joined for each in decisions.decide_joined(joined)]
    else:
        results = [decisions.decide(each) for each in joined]
    results += [decisions.decide(each) for each in group.alone]
    rows: CommitGroup | None = None
    if decisions.accepted:
        firsts = dict.fromkeys(numbers_needed(decisions.accepted), 1_000)
        rows = lay_out(decisions.accepted, firsts, NOW)
    return [told(each) for each in results], books, rows, decisions.key_rows()


@given(st.lists(st.tuples(messages(), KEYS, st.sampled_from([b"first", b"other"])), max_size=12))
def test_joined_calls_come_to_the_same_as_one_by_one(given_calls: list[tuple[Any, str, bytes]]) -> None:
    calls = [
        call(document, key, fingerprint)
        for message, key, fingerprint in given_calls
        for document in documents_of([message]) or []
    ]

    assert posted(calls, together=True) == posted(calls, together=False)


@given(st.lists(messages(), max_size=12))
def test_joined_calls_need_what_they_need_one_by_one(given_messages: list[Any]) -> None:
    calls = [
        call(document, f"key {place}")
        for place, message in enumerate(given_messages)
        for document in documents_of([message]) or []
    ]
    joined, one_by_one = Needs(), Needs()

    Group.of(calls).add_needs(joined)
    for each in calls:
        each.add_needs(one_by_one)

    assert joined == one_by_one


def test_calls_that_nothing_is_wrong_with_are_decided_as_one() -> None:
    group = Group.of(calls_of(30))
    decisions = GroupDecisions(some_books(), {})
    (joined,) = group.joined

    decided = decisions.decide_joined(joined)

    assert not group.alone
    (accepted,) = decisions.accepted
    assert isinstance(accepted, AcceptedDrafts)
    assert all(isinstance(each, Decided) and each.drafts is accepted for each in decided)


def test_fewer_calls_are_not_joined() -> None:
    assert not Group.of(calls_of(joined_calls.FEWEST_JOINED - 1)).joined
    assert Group.of(calls_of(joined_calls.FEWEST_JOINED)).joined


@pytest.mark.parametrize("fields", [{"client_no": 2}, {"actor": "another"}], ids=str)
def test_calls_of_another_caller_or_client_are_not_joined_with_them(fields: dict[str, Any]) -> None:
    ours, theirs = calls_of(5), [each._replace(**fields) for each in calls_of(5)]

    joined = Group.of([*ours, *theirs]).joined

    assert [list(each.calls) for each in joined] == [ours, theirs]


def test_a_call_that_is_not_one_draft_alone_is_not_joined() -> None:
    *others, last = calls_of(6)
    large = last._replace(transaction_answer=None)

    group = Group.of([large, *others])

    assert group.alone == [large]
    assert [list(each.calls) for each in group.joined] == [others]


@pytest.mark.parametrize(
    "fields", [{"application": Instruction(Method.NONE)}, {"type": TRANSACTION_TYPES[10]}]
)
def test_what_is_not_plain_is_not_joined(fields: dict[str, Any]) -> None:
    *others, last = calls_of(6)
    (draft,) = last.document.drafts
    odd = last._replace(orders=(last.document._replace(drafts=(draft._replace(**fields),)),))

    group = Group.of([odd, *others])

    assert group.alone == [odd]
    assert [list(each.calls) for each in group.joined] == [others]


def test_a_key_that_two_callers_use_in_one_group_is_used_once() -> None:
    ours = calls_of(5)
    theirs = [
        each._replace(actor="another", request_id=f"other {place}", orders=checks_of_others.orders)
        for place, (each, checks_of_others) in enumerate(zip(ours, calls_of(10)[5:], strict=True))
    ]
    theirs[2] = theirs[2]._replace(request_id=ours[0].request_id, fingerprint=b"other")

    answers, _, rows, keys = posted([*ours, *theirs], together=True)

    assert len(Group.of([*ours, *theirs]).joined) == 2
    assert answers[7] == "REQUEST_ID_REUSED"
    assert len(rows.transactions) == len(keys) == 9


def test_joined_calls_are_foreseen_as_one_by_one() -> None:
    calls = calls_of(9)
    group = Group.of(calls)

    assert group.joined
    assert foresee(group) == foresee(Group(group.keys, alone=calls))


def test_a_call_of_one_draft_weighs_and_names_what_it_would_otherwise() -> None:
    (call,) = calls_of(1)
    otherwise = call._replace(transaction_answer=None)

    assert call.weight == otherwise.weight == 1
    assert call.all_keys() == otherwise.all_keys() == [(CLIENT, 1, "key 0")]


def test_one_call_that_is_refused_is_refused_alone() -> None:
    *right, wrong = calls_of(8)
    (draft,) = wrong.document.drafts
    nowhere = wrong.document._replace(drafts=(draft._replace(acct_no=999),))
    calls = [*right, wrong._replace(orders=(nowhere,))]

    answers, _, rows, keys = posted(calls, together=True)

    assert answers[-1] == "ACCOUNT_NOT_FOUND"
    assert len(rows.transactions) == len(keys) == len(right)


def test_a_call_that_came_before_and_one_that_came_twice_are_answered_as_the_first() -> None:
    first, *others = calls_of(8)
    calls = [first._replace(request_id="used"), *others, others[-1]]

    answers, _, rows, keys = posted(calls, together=True)

    assert answers[0] == b"the first answer"
    assert answers[-1] == answers[-2]
    assert len(rows.transactions) == len(keys) == len(others)
