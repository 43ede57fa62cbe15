"""Answers that are serialised already are sent as they are."""

from service_kit.ready_answers import ready_answer, serialised_once
from tallybook.ledger.v1 import account_pb2


def test_what_is_serialised_is_sent_as_it_is_and_a_message_serialised() -> None:
    serialise = serialised_once(account_pb2.GetAccountResponse.SerializeToString)
    message = account_pb2.GetAccountResponse(account=account_pb2.Account(acct_no=7))
    stored = message.SerializeToString() + b"\xba\x3e\x01x"  # with a field that this version does not know

    assert serialise(message) == message.SerializeToString()
    assert serialise(ready_answer(stored, account_pb2.GetAccountResponse)) is stored
