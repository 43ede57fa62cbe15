"""Plays the story against a ledger, through gRPC alone, and notes what was asked and answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2  # noqa: F401  # details are unpacked by their name
from google.rpc.status_pb2 import Status

from tests.reference.contracts import Method
from tests.reference.story import Call, Json

# The only thing in an answer that is another one each time.
THE_INSTANT: Final = Timestamp(seconds=1_772_582_400)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A call of the story, as it went. answer: the messages, or the status if it was refused."""

    call: Call
    request: Json
    answers: Sequence[Json]
    refused: bool

    @property
    def reason(self) -> str:
        """The reason of a refusal; "" for none."""
        details = self.answers[0]["details"] if self.refused else ()
        return next((detail["reason"] for detail in details if "reason" in detail), "")


async def play(
    story: Sequence[Call], channel: grpc.aio.Channel, methods: Mapping[str, Method]
) -> list[Exchange]:
    """Make the calls, one after the other."""
    kept: dict[str, Json] = {}
    exchanges = []
    for call in story:
        exchange = await _make(call, channel, methods[call.operation], kept)
        if call.keep:
            kept[call.keep] = exchange.answers[0]
        exchanges.append(exchange)
    return exchanges


async def _make(call: Call, channel: grpc.aio.Channel, method: Method, kept: Mapping[str, Json]) -> Exchange:
    pool = descriptor_pool.Default()
    request_class, answer_class = (
        GetMessageClass(pool.FindMessageTypeByName(name)) for name in (method.request, method.answer)
    )
    request = _with_kept(call.request, kept)
    make: Any = channel.unary_stream if method.server_streams else channel.unary_unary
    pending = make(
        method.path,
        request_serializer=request_class.SerializeToString,
        response_deserializer=answer_class.FromString,
    )(ParseDict(request, request_class()), timeout=30)
    try:
        answers = await _read(pending, call.reads) if method.server_streams else [await pending]
    except grpc.aio.AioRpcError as error:
        return Exchange(call, request, [_as_json(_status_of(error))], refused=True)
    return Exchange(call, request, [_as_json(answer) for answer in answers], refused=False)


async def _read(stream: Any, reads: int) -> list[Message]:
    """The messages of a stream; the first `reads` of one that never ends."""
    messages: list[Message] = []
    async for message in stream:
        messages.append(message)
        if len(messages) == reads:
            stream.cancel()
            break
    return messages


def _with_kept(value: Any, kept: Mapping[str, Json]) -> Any:
    """The request with the values of earlier answers."""
    if isinstance(value, Mapping):
        return {name: _with_kept(each, kept) for name, each in value.items()}
    if isinstance(value, list):
        return [_with_kept(each, kept) for each in value]
    if isinstance(value, str) and value.startswith("$"):
        name, *path = value[1:].split(".")
        found: Any = kept[name]
        for step in path:
            found = found[int(step)] if step.isdigit() else found[step]
        return found
    return value


def _status_of(error: grpc.aio.AioRpcError) -> Status:
    status = Status()
    for name, value in error.trailing_metadata() or ():
        if name == "grpc-status-details-bin":
            assert isinstance(value, bytes)
            status.ParseFromString(value)
    return status


def _as_json(message: Message) -> Json:
    _stop_time(message)
    answer: Json = _in_order(MessageToDict(message, preserving_proto_field_name=True))
    return answer


def _in_order(value: Any) -> Any:
    """The value with the entries of maps in order: a map has none of its own."""
    if isinstance(value, dict):
        names = sorted(value) if all(isinstance(each, str) for each in value.values()) else list(value)
        return {name: _in_order(value[name]) for name in names}
    return [_in_order(each) for each in value] if isinstance(value, list) else value


def _stop_time(message: Message) -> None:
    """Put one instant for every one, so that the same story reads the same."""
    for descriptor, value in message.ListFields():
        if descriptor.message_type is None:
            continue
        for each in value if descriptor.is_repeated else (value,):
            if isinstance(each, Timestamp):
                each.CopyFrom(THE_INSTANT)
            else:
                _stop_time(each)
