"""Every RPC of every service, called with random messages: what comes back is meant for a caller, always.

Nothing here knows an RPC by name: the descriptors say what there is, so a new RPC is tested as soon as it is
declared. Reproduce a failure with the seed that it names; for a longer search: TALLYBOOK_CONTRACT_CALLS=200.
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import grpc
import pytest
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from ledger_service.service import LEDGER
from service_kit.authorisation import ClientScope
from service_kit.server import ServiceDefinition
from tallybook.ledger.v1 import verification_pb2, verification_pb2_grpc
from tests.contract.random_messages import RandomMessages, leaves, statuses_in
from tests.contract.served import DEFINITIONS, Rpc, Tokens, reasons_of, rpcs_of, serving
from tests.support.databases import NewDatabase

SEED: Final = int(os.environ.get("TALLYBOOK_CONTRACT_SEED", "1"))
CALLS_AN_RPC: Final = int(os.environ.get("TALLYBOOK_CONTRACT_CALLS", "25"))
OWN_CLIENT: Final = 1
OTHER_CLIENT: Final = 2

_DEADLINE_SECONDS: Final = 20.0
# A stream that never ends is read so far.
_FEW_MESSAGES: Final = 3
_QUIET_SECONDS: Final = 0.05
# What only a server that is at fault, or has gone, would answer.
_NOT_FOR_CALLERS: Final = {
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DATA_LOSS,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.UNAUTHENTICATED,
}

EVERY_SERVICE = pytest.mark.parametrize(
    "definition", DEFINITIONS, ids=[definition.name for definition in DEFINITIONS]
)


class Client:
    """Calls any RPC with bytes, and holds what comes back against what every answer has to be."""

    def __init__(self, definition: ServiceDefinition[Any, Any], channel: grpc.aio.Channel) -> None:
        self._definition = definition
        self._reasons = reasons_of(definition)
        self._channel = channel
        self.seen: Counter[str] = Counter()

    async def call(
        self, rpc: Rpc, requests: Sequence[bytes], metadata: tuple[tuple[str, str], ...] = ()
    ) -> list[Message] | str:
        """The answers, or the reason of the refusal."""
        try:
            answers = [answer async for answer in self._answers(rpc, requests, metadata)]
        except grpc.aio.AioRpcError as error:
            reason = self._reason_of(rpc, requests, error)
            self.seen[reason] += 1
            return reason
        for answer in answers:
            for status in statuses_in(answer):
                self.seen[self._checked(status, f"a part of {rpc.path}")] += 1
        self.seen["OK"] += 1
        return answers

    async def _answers(
        self, rpc: Rpc, requests: Sequence[bytes], metadata: tuple[tuple[str, str], ...]
    ) -> AsyncIterator[Message]:
        kinds = ("unary", "stream")
        kind = f"{kinds[rpc.method.client_streaming]}_{kinds[rpc.method.server_streaming]}"
        call: Any = getattr(self._channel, kind)(
            rpc.path, response_deserializer=GetMessageClass(rpc.method.output_type).FromString
        )
        argument = _stream(requests) if rpc.method.client_streaming else requests[0]
        pending = call(argument, timeout=_DEADLINE_SECONDS, metadata=metadata)
        if not rpc.method.server_streaming:
            yield await pending
            return
        async for answer in _first_of(pending):
            yield answer

    def _reason_of(self, rpc: Rpc, requests: Sequence[bytes], error: grpc.aio.AioRpcError) -> str:
        where = f"{rpc.path} of {requests!r:.2000}"
        assert error.code() not in _NOT_FOR_CALLERS, f"{error.code()} {error.details()}: {where}"
        packed = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
        status = Status.FromString(packed if isinstance(packed, bytes) else packed.encode())
        assert status.code == error.code().value[0], where
        return self._checked(status, where)

    def _checked(self, status: Status, where: str) -> str:
        info = ErrorInfo()
        assert any(detail.Unpack(info) for detail in status.details), f"no ErrorInfo: {where}"
        assert info.domain == self._definition.error_domain, where
        assert info.reason in self._reasons, f"{info.reason} is in no list of reasons: {where}"
        assert status.message, where
        return info.reason


async def _stream(requests: Sequence[bytes]) -> AsyncIterator[bytes]:
    for request in requests:
        yield request


async def _first_of(pending: Any) -> AsyncIterator[Message]:
    """What a stream sends at first; one that then waits for something to happen is left."""
    limit = _DEADLINE_SECONDS
    try:
        for _ in range(_FEW_MESSAGES):
            answer = await asyncio.wait_for(pending.read(), limit)
            if answer is grpc.aio.EOF:
                return
            yield answer
            limit = _QUIET_SECONDS
    except TimeoutError:
        assert limit == _QUIET_SECONDS, "a stream said nothing"
    finally:
        pending.cancel()


def _can_be_read(rpc: Rpc, request: bytes) -> bool:
    try:
        rpc.request().MergeFromString(request)
    except DecodeError:
        return False
    return True


def _client_of(rpc: Rpc, request: Message) -> int:
    value: Any = request
    for name in rpc.rule.client_field.split("."):
        value = getattr(value, name)
    return int(value)


def _name_client(message: Message, client_no: int) -> None:
    """Name this client wherever the message names one."""
    for field, value in message.ListFields():
        if field.name == "client_no":
            setattr(message, field.name, client_no)
        elif field.message_type is not None:
            for each in value if field.is_repeated else [value]:
                _name_client(each, client_no)
    if "client_no" in message.DESCRIPTOR.fields_by_name:
        message.client_no = client_no  # type: ignore[attr-defined]


def _requests(rpc: Rpc, messages: RandomMessages, count: int) -> list[Message]:
    return [messages.message(rpc.request()) for _ in range(count if rpc.method.client_streaming else 1)]


@EVERY_SERVICE
async def test_random_requests_get_answers_that_are_meant_for_callers(
    definition: ServiceDefinition[Any, Any], new_database: NewDatabase, tokens: Tokens
) -> None:
    print(f"TALLYBOOK_CONTRACT_SEED={SEED} TALLYBOOK_CONTRACT_CALLS={CALLS_AN_RPC}")  # noqa: T201
    messages = RandomMessages(SEED)
    async with serving(definition, new_database, tokens) as channel:
        client = Client(definition, channel)
        answered: Counter[str] = Counter()
        for place in range(CALLS_AN_RPC):
            for rpc in rpcs_of(definition):
                requests = _requests(rpc, messages, place % 4)
                if place % 3:
                    for request in requests:
                        _name_client(request, OWN_CLIENT + place % 2)
                answers = await client.call(rpc, [each.SerializeToString() for each in requests])
                if not isinstance(answers, str):
                    answered[rpc.path] += 1
                    for answer in answers:
                        messages.learn(answer)
        print(definition.name, client.seen)  # noqa: T201
        # Random requests that only ever bounce off the validation would prove nothing.
        assert sum(answered.values()) > CALLS_AN_RPC * len(rpcs_of(definition)) / 10
        if definition is LEDGER:
            await _require_sound_books(channel)


@EVERY_SERVICE
async def test_a_caller_for_one_client_neither_reads_nor_changes_another(
    definition: ServiceDefinition[Any, Any], new_database: NewDatabase, tokens: Tokens
) -> None:
    messages = RandomMessages(SEED)
    async with serving(definition, new_database, tokens) as channel:
        client = Client(definition, channel)
        restricted = tokens.metadata([OWN_CLIENT])
        for place in range(CALLS_AN_RPC):
            for rpc in rpcs_of(definition):
                requests = _requests(rpc, messages, 1 + place % 3)
                # Somebody who may do so fills the books of the other client; the numbers there are learned.
                stranger = place % 3 == 0
                for request in requests:
                    _name_client(request, OTHER_CLIENT if stranger or place % 3 == 1 else OWN_CLIENT)
                answers = await client.call(
                    rpc, [each.SerializeToString() for each in requests], () if stranger else restricted
                )
                if not stranger:
                    _require_own(rpc, requests, answers)
                if not isinstance(answers, str):
                    for answer in answers:
                        messages.learn(answer)
        print(definition.name, client.seen)  # noqa: T201
        if definition is LEDGER:
            await _require_sound_books(channel)


def _require_own(rpc: Rpc, requests: Sequence[Message], answers: list[Message] | str) -> None:
    scoped = rpc.rule.client_scope is ClientScope.FROM_REQUEST
    if scoped and requests and _client_of(rpc, requests[0]) != OWN_CLIENT:
        assert answers == "CLIENT_NOT_ALLOWED", f"{rpc.path} of {requests} answers {answers}"
    elif not isinstance(answers, str):
        clients = {
            value for answer in answers for field, value in leaves(answer) if field.name == "client_no"
        }
        assert clients <= {OWN_CLIENT}, f"{rpc.path} of {requests} tells of {clients}"


@EVERY_SERVICE
async def test_bytes_that_are_no_message_are_refused_and_nothing_breaks(
    definition: ServiceDefinition[Any, Any], new_database: NewDatabase, tokens: Tokens
) -> None:
    messages = RandomMessages(SEED)
    async with serving(definition, new_database, tokens) as channel:
        client = Client(definition, channel)
        unreadable = 0
        for _ in range(CALLS_AN_RPC // 2):
            for rpc in rpcs_of(definition):
                spoilt = messages.raw_bytes(messages.message(rpc.request()).SerializeToString())
                answer = await client.call(rpc, [spoilt])
                if not _can_be_read(rpc, spoilt):
                    unreadable += 1
                    assert answer == "INVALID_REQUEST", f"{rpc.path} answers {answer} to {spoilt!r}"
        print(definition.name, unreadable, client.seen)  # noqa: T201
        assert unreadable, "all bytes were messages"
        if definition is LEDGER:
            await _require_sound_books(channel)


@EVERY_SERVICE
async def test_no_text_is_so_strange_that_an_rpc_breaks_on_it(
    definition: ServiceDefinition[Any, Any], new_database: NewDatabase, tokens: Tokens
) -> None:
    """One text of a request at a time, in a request that is sound but for it."""
    messages = RandomMessages(SEED)
    async with serving(definition, new_database, tokens) as channel:
        client = Client(definition, channel)
        for _ in range(3):
            for rpc in rpcs_of(definition):
                sound = messages.sound_message(rpc.request())
                _name_client(sound, OWN_CLIENT)
                answers = await client.call(rpc, [sound.SerializeToString()])
                if not isinstance(answers, str):
                    for answer in answers:
                        messages.learn(answer)
                for strange in messages.with_strange_texts(sound):
                    await client.call(rpc, [strange.SerializeToString()])
        print(definition.name, client.seen)  # noqa: T201


async def _require_sound_books(channel: grpc.aio.Channel) -> None:
    stub = verification_pb2_grpc.VerificationServiceStub(channel)
    for client_no in (OWN_CLIENT, OTHER_CLIENT):
        request = verification_pb2.VerifyLedgerRequest(client_no=client_no)
        parts = [part async for part in stub.VerifyLedger(request)]
        assert [part.finding for part in parts if part.HasField("finding")] == []
        assert parts[-1].HasField("summary")
