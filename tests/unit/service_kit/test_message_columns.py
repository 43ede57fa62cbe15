"""Messages that are joined say what each of them would say."""

from typing import Any

import pytest
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from hypothesis import given
from hypothesis import strategies as st

from service_kit import message_columns
from service_kit.message_columns import (
    FEWEST_JOINED,
    JoinedMessages,
    ListedMessages,
    NotJoinedError,
    join_members,
    joined_members,
)
from tallybook.ledger.v1 import ledger_pb2

DRAFTS = st.lists(
    st.builds(
        lambda **fields: draft(**{name: value for name, value in fields.items() if value is not None}),
        acct_no=st.sampled_from([0, 1, 2**40, -1]),
        plan_instance_no=st.sampled_from([0, 7]),
        transaction_type=st.sampled_from([0, 2, -24]),
        comment=st.sampled_from(["", "a", "é"]),
        amount=st.sampled_from(
            [
                None,
                {},
                {"minor_units": 5},
                {"minor_units": -5, "currency_code": "USD"},
                {"currency_code": "EUR"},
            ]
        ),
        effective_date=st.sampled_from([None, {"year": 2026, "month": 3, "day": 1}]),
        external_payment=st.sampled_from([None, {}, {"reference_code": "a"}]),
        application=st.sampled_from([None, {}, {"charge_event_nos": [1, 2]}]),
    ),
    min_size=1,
    max_size=4,
)
SCALARS = ("acct_no", "plan_instance_no", "transaction_type", "comment")


def draft(**fields: Any) -> ledger_pb2.TransactionDraft:
    return ledger_pb2.TransactionDraft(**fields)


def joined(drafts: list[ledger_pb2.TransactionDraft]) -> JoinedMessages:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(message_columns, "FEWEST_JOINED", 1)
        return join_members(ledger_pb2.PostTransactionsRequest(client_no=1, drafts=drafts), "drafts")


@given(DRAFTS)
def test_a_column_is_what_each_says_or_is_not_told(drafts: list[ledger_pb2.TransactionDraft]) -> None:
    together, one_by_one = joined(drafts), ListedMessages(drafts)
    for name in SCALARS:
        expected = one_by_one.column(name)
        if len({bool(value) for value in expected}) == 1:
            assert list(together.column(name)) == expected
        else:
            with pytest.raises(NotJoinedError):
                together.column(name)
        assert set(together.values(name)) == set(one_by_one.values(name))
    for name in ("amount", "effective_date", "external_payment"):
        expected = one_by_one.has(name)
        if len(set(expected)) == 1:
            assert together.has(name) == expected
            assert len(together.within(name)) == len(drafts)
        else:
            with pytest.raises(NotJoinedError):
                together.within(name)
        assert len(together.present(name)) == sum(expected)


@given(DRAFTS)
def test_what_is_present_is_told_of_those_that_have_it(drafts: list[ledger_pb2.TransactionDraft]) -> None:
    together, one_by_one = joined(drafts), ListedMessages(drafts)
    if one_by_one.present("amount"):
        for name in ("minor_units", "currency_code"):
            expected = set(one_by_one.present("amount").values(name))
            assert set(together.present("amount").values(name)) == expected
    of_one = {name: len(found) for name, found in one_by_one.alternatives("source")}
    assert {name: len(found) for name, found in together.alternatives("source")} == of_one


def test_whose_the_members_of_lists_are_is_not_told() -> None:
    reversals = [
        draft(application={"charge_event_nos": [1]}),
        draft(application={"charge_event_nos": [2, 3]}),
    ]
    applications = joined(reversals).within("application")
    with pytest.raises(NotJoinedError):
        applications.column("charge_event_nos")
    with pytest.raises(NotJoinedError):
        applications.lists("charge_event_nos")


def test_all_can_be_picked_but_not_some() -> None:
    members = joined([draft(acct_no=1)] * 2)
    assert members.picked([0, 1]) is members
    with pytest.raises(NotJoinedError):
        members.picked([0])


@pytest.mark.parametrize(
    "unknown",
    [
        pytest.param(b"\x0a\x01\x05", id="one number"),
        pytest.param(b"\x0a\x02\x05\x06", id="two numbers"),
        pytest.param(b"\x22\x03\x12\x01\x05", id="within a message"),
    ],
)
def test_what_a_message_does_not_know_is_never_taken_for_its_own(unknown: bytes) -> None:
    """Numbers in a form that only lists have are unknown to a message, but a list would read them."""
    strange = ledger_pb2.TransactionDraft.FromString(unknown)
    assert (strange.acct_no, strange.amount.minor_units) == (0, 0)
    with pytest.raises(NotJoinedError):
        joined([strange, draft(acct_no=1)]).within("amount")


def test_what_is_not_known_and_harmless_is_passed_over() -> None:
    later = b"\xf2\x3f\x01a"  # field 1,022
    drafts = [ledger_pb2.TransactionDraft.FromString(b"\x08\x05" + later)] * 2
    assert list(joined(drafts).column("acct_no")) == [5, 5]


def test_a_field_that_was_sent_twice_counts_once() -> None:
    drafts = [ledger_pb2.TransactionDraft.FromString(b"\x08\x05\x08\x06")] * 2
    assert list(joined(drafts).column("acct_no")) == [6, 6]


def test_few_are_not_joined() -> None:
    drafts = [draft(acct_no=1)] * FEWEST_JOINED
    assert len(join_members(ledger_pb2.PostTransactionsRequest(drafts=drafts), "drafts")) == FEWEST_JOINED
    with pytest.raises(NotJoinedError):
        join_members(ledger_pb2.PostTransactionsRequest(drafts=drafts[1:]), "drafts")


def test_what_was_joined_is_kept_for_the_same_message_alone() -> None:
    first, second = (
        ledger_pb2.PostTransactionsRequest(drafts=[draft(acct_no=number)] * FEWEST_JOINED)
        for number in (1, 2)
    )
    kept = join_members(first, "drafts")
    assert joined_members(first, "drafts") is kept
    assert joined_members(first, "drafts") is not kept, "it is kept no longer than until it was taken"
    kept = join_members(first, "drafts")
    assert join_members(first, "drafts") is not kept, "the rules look at what is there now"
    assert set(joined_members(second, "drafts").column("acct_no")) == {2}


def test_only_some_with_a_message_are_not_told_apart() -> None:
    some = joined([draft(amount={"minor_units": 5}), draft()])
    for told in (some.has, some.within):
        with pytest.raises(NotJoinedError):
            told("amount")
    assert len(some.present("amount")) == 1


def test_an_enum_may_not_be_packed_either() -> None:
    strange = ledger_pb2.TransactionDraft.FromString(b"\x1a\x01\x02")
    assert strange.transaction_type == 0
    with pytest.raises(NotJoinedError):
        joined([strange, draft(transaction_type=2)])


@pytest.fixture(scope="module")
def lists() -> type[Any]:
    """A kind with two lists, of messages with a number in a oneof."""
    pool = descriptor_pool.DescriptorPool()
    file = FileDescriptorProto(name="lists", package="lists", syntax="proto3")
    member = file.message_type.add(name="Member")
    member.oneof_decl.add(name="one")
    repeated, single = FieldDescriptorProto.LABEL_REPEATED, FieldDescriptorProto.LABEL_OPTIONAL
    member.field.add(
        name="number", number=1, type=FieldDescriptorProto.TYPE_INT64, label=single, oneof_index=0
    )
    both = file.message_type.add(name="Lists")
    for number, name in enumerate(("first", "second"), 1):
        both.field.add(
            name=name,
            number=number,
            type=FieldDescriptorProto.TYPE_MESSAGE,
            type_name=".lists.Member",
            label=repeated,
        )
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("lists.Lists"))


def test_a_number_in_a_oneof_may_not_be_packed(lists: type[Any]) -> None:
    message = lists.FromString(b"\x0a\x02\x08\x05" * FEWEST_JOINED + b"\x0a\x03\x0a\x01\x06")
    assert not message.first[FEWEST_JOINED].HasField("number")
    with pytest.raises(NotJoinedError):
        join_members(message, "first")


def test_what_was_joined_of_one_list_is_not_taken_for_another(lists: type[Any]) -> None:
    message = lists.FromString(b"\x0a\x02\x08\x05" * FEWEST_JOINED + b"\x12\x02\x08\x06" * FEWEST_JOINED)
    assert set(join_members(message, "first").column("number")) == {5}
    assert set(joined_members(message, "second").column("number")) == {6}
