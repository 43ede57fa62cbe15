"""Messages of one kind seen field by field: a column is what one field has in all of them.

A call of thousands of drafts is as many objects of Python, and again as many for each message within them. To
ask each object for each field takes longer than all else that is done with the drafts.

`JoinedMessages` makes no object of any. The bytes of all messages, one after the other, are read as a single
message: of a kind like theirs, but each of its fields repeats, and messages within it are left as bytes.
protobuf lets contracts change in both ways ("Updating A Message Type"), so it is defined what is read then. A
column comes out of one pass in C. Which value is whose is known where all of the messages have the field, or
none has. Where that is not so, and matters, NotJoinedError says that they have to be asked one by one, as
`ListedMessages`.
"""

from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from functools import cache
from itertools import chain
from operator import attrgetter
from typing import Any, Final, NamedTuple, Protocol

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.message import Message

FEWEST_JOINED: Final = 16
"""Fewer are asked one by one in the time that it takes to join them."""


class NotJoinedError(Exception):
    """The messages have to be asked one by one."""


class Messages(Protocol):
    """Messages of one kind, at least one."""

    def __len__(self) -> int: ...

    def column(self, name: str) -> Sequence[Any]:
        """What the field has in each, in their order: its default where it is not set."""

    def within(self, name: str) -> "Messages":
        """The message that the field has in each, in their order: an empty one where it is not set."""

    def has(self, name: str) -> Sequence[bool]:
        """Whether the field, a message, is set in each, in their order."""

    def values(self, name: str) -> Sequence[Any]:
        """What the field has in any of them, and its default if any does not set it."""

    def lists(self, name: str) -> Sequence[Any]:
        """The list that the field has in each, in their order."""

    def present(self, name: str) -> Any:
        """What the field has in those where it is set: values, or Messages."""

    def members(self, name: str) -> "Messages":
        """The messages of the lists that the field has in all of them."""

    def picked(self, places: Sequence[int]) -> "Messages":
        """Those at these places, which ascend."""

    def alternatives(self, oneof: str) -> Iterator[tuple[str, Any]]:
        """The fields of the oneof that are set in any of them, with what is present there."""


class ListedMessages:
    """Messages that are asked one by one."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self._messages = messages

    def __len__(self) -> int:
        return len(self._messages)

    def column(self, name: str) -> list[Any]:
        """See `Messages`; so for all the others."""
        return list(map(attrgetter(name), self._messages))

    values = column
    lists = column

    def within(self, name: str) -> "ListedMessages":
        return ListedMessages(self.column(name))

    def has(self, name: str) -> list[bool]:
        return [message.HasField(name) for message in self._messages]

    def present(self, name: str) -> Any:
        found = [getattr(message, name) for message in self._messages if message.HasField(name)]
        return ListedMessages(found) if found and isinstance(found[0], Message) else found

    def members(self, name: str) -> "ListedMessages":
        return ListedMessages(list(chain.from_iterable(self.column(name))))

    def picked(self, places: Sequence[int]) -> "ListedMessages":
        return ListedMessages([self._messages[place] for place in places])

    def alternatives(self, oneof: str) -> Iterator[tuple[str, Any]]:
        names = {message.WhichOneof(oneof) for message in self._messages}
        for name in names - {None}:
            yield name, self.present(name)


class JoinedMessages:
    """Messages that were joined; see the module. Made by `join_members`."""

    def __init__(
        self, kind: Descriptor, parts: Sequence[bytes], messages: Sequence[Message] | None = None
    ) -> None:
        """parts: the bytes of each. messages: the same as objects, to be asked for their lists."""
        self._kind = _kind_of(kind)
        self._count = len(parts)
        self._joined = self._kind.read(b"".join(parts))
        self._messages = messages
        self._columns: dict[str, list[Any]] = {}
        self._nested: dict[str, JoinedMessages] = {}

    def __len__(self) -> int:
        return self._count

    def column(self, name: str) -> Sequence[Any]:
        """See `Messages`; so for all the others. NotJoinedError if only some of them set the field."""
        field = self._kind.fields[name]
        assert field.message_type is None, "the columns of messages are `within`"
        return self._in_all(name) or [field.default_value] * self._count

    def within(self, name: str) -> "JoinedMessages":
        if self._in_all(name):
            return self._joined_within(name)
        return JoinedMessages(_kind_within(self._kind.fields[name]), [b""] * self._count)

    def has(self, name: str) -> Sequence[bool]:
        return [bool(self._in_all(name))] * self._count

    def values(self, name: str) -> Sequence[Any]:
        given = self._given(name)
        return given if len(given) == self._count else [*given, self._kind.fields[name].default_value]

    def lists(self, name: str) -> Sequence[Any]:
        if self._messages is None:
            raise NotJoinedError
        return list(map(attrgetter(name), self._messages))

    def present(self, name: str) -> Any:
        given = self._given(name)
        is_message = self._kind.fields[name].message_type is not None
        return self._joined_within(name) if given and is_message else given

    def members(self, name: str) -> "JoinedMessages":
        return self._joined_within(name)

    def picked(self, places: Sequence[int]) -> "JoinedMessages":
        if len(places) < self._count:
            raise NotJoinedError
        return self

    def alternatives(self, oneof: str) -> Iterator[tuple[str, Any]]:
        for name in self._kind.oneofs[oneof]:
            if getattr(self._joined, name):
                yield name, self.present(name)

    def _given(self, name: str) -> list[Any]:
        """What there is of the field, in the order of the messages."""
        if name not in self._columns:
            self._columns[name] = getattr(self._joined, name)[:]
        return self._columns[name]

    def _in_all(self, name: str) -> list[Any]:
        """What each of the messages has, or nothing if none has it."""
        given = self._given(name)
        if given and (len(given) != self._count or self._kind.fields[name].is_repeated):
            raise NotJoinedError
        return given

    def _joined_within(self, name: str) -> "JoinedMessages":
        if name not in self._nested:
            self._nested[name] = JoinedMessages(_kind_within(self._kind.fields[name]), self._given(name))
        return self._nested[name]


def join_members(message: Message, name: str) -> JoinedMessages:
    """The messages of a list, without an object for any of them; kept for who asks for them in the same call.
    NotJoinedError where that is not worth it, and as for all of their fields.
    """
    messages = getattr(message, name)
    if len(messages) < FEWEST_JOINED:
        raise NotJoinedError
    # As protobuf writes it, whatever was read: each field once, and nothing of a field that is not set.
    whole = _kind_of(message.DESCRIPTOR).read(message.SerializeToString())
    field: FieldDescriptor = message.DESCRIPTOR.fields_by_name[name]  # type: ignore[assignment]
    joined = JoinedMessages(_kind_within(field), getattr(whole, name)[:], messages)
    _LAST_JOINED.set((message, name, joined))
    return joined


def joined_members(message: Message, name: str) -> JoinedMessages:
    """The same, or the very ones, if the last that was joined in this call is this list. Of that, nothing is
    kept any longer.
    """
    last = _LAST_JOINED.get()
    _LAST_JOINED.set(None)
    if last is not None and last[0] is message and last[1] == name:
        return last[2]
    return join_members(message, name)


_LAST_JOINED: Final[ContextVar[tuple[Message, str, JoinedMessages] | None]] = ContextVar(
    "last_joined", default=None
)


# ----------------------------------------------------------------------------------------- kinds of messages

_POOL: Final = descriptor_pool.DescriptorPool()
_PACKABLE: Final = frozenset(range(1, 19)) - {
    FieldDescriptor.TYPE_STRING,
    FieldDescriptor.TYPE_BYTES,
    FieldDescriptor.TYPE_MESSAGE,
    FieldDescriptor.TYPE_GROUP,
}


class _Kind(NamedTuple):
    """A kind of messages.

    joined: the kind of many of them, joined.
    packed: a kind that finds numbers in a form which only a field that repeats has, several in one. To a
        message they are unknown, and it keeps what it does not know; but joined, they would be its own.
    """

    fields: dict[str, FieldDescriptor]
    oneofs: dict[str, tuple[str, ...]]
    joined: type[Message]
    packed: type[Message] | None

    def read(self, content: bytes) -> Any:
        """Messages that are written one after the other."""
        if self.packed is not None and self.packed.FromString(content).ListFields():
            raise NotJoinedError
        return self.joined.FromString(content)


@cache
def _kind_of(descriptor: Descriptor) -> _Kind:
    joined, packed = DescriptorProto(name="Joined"), DescriptorProto(name="Packed")
    for each in descriptor.fields:
        if each.type == FieldDescriptor.TYPE_GROUP or (
            each.enum_type is not None and each.enum_type.is_closed
        ):
            raise NotJoinedError  # forms of old contracts, which are read otherwise
        as_bytes = each.message_type is not None
        _add(joined, each, FieldDescriptorProto.TYPE_BYTES if as_bytes else _TYPES.get(each.type, each.type))
        if each.type in _PACKABLE and not each.is_repeated:
            _add(packed, each, FieldDescriptorProto.TYPE_BYTES)
    package = f"joined.{descriptor.full_name}"
    _POOL.Add(
        FileDescriptorProto(name=package, package=package, syntax="proto3", message_type=[joined, packed])
    )
    return _Kind(
        dict(descriptor.fields_by_name),
        {oneof.name: tuple(each.name for each in oneof.fields) for oneof in descriptor.oneofs},
        message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{package}.Joined")),
        message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{package}.Packed"))
        if packed.field
        else None,
    )


def _kind_within(field: FieldDescriptor) -> Descriptor:
    kind: Descriptor | None = field.message_type
    assert kind is not None, f"{field.full_name} has no messages"
    return kind


# The names of an enum's values are of no interest.
_TYPES: Final = {FieldDescriptor.TYPE_ENUM: FieldDescriptor.TYPE_INT32}


def _add(kind: DescriptorProto, field: FieldDescriptor, type_of_values: Any) -> None:
    kind.field.add(
        name=field.name, number=field.number, type=type_of_values, label=FieldDescriptorProto.LABEL_REPEATED
    )
