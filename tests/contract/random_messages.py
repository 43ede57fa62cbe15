"""Random messages, from nothing but their descriptors and the field rules that the contracts write on them.

Most messages keep the rules, so that they reach the servicer; in the others a field or two are spoilt. The
numbers and texts that came back in answers are used again under the names of their fields: so requests name
what exists.
"""

import random
import re
import string
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

import buf.validate.validate_pb2  # noqa: F401  # registers the options

_INTEGERS: Final = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
# The options have no generated class: the module registers no more than their descriptor.
FieldRules: TypeAlias = Any
# The descriptors of the C implementation are no subclass of those of the Python one.
Field: TypeAlias = Any
_NO_RULES: Final[FieldRules] = GetMessageClass(
    descriptor_pool.Default().FindMessageTypeByName("buf.validate.FieldRules")
)()
_TEXTS: Final = (
    "a", "USD", "EUR", "12.50", "-1", "0", "1e9", "7" * 38, "europe", "Europe/Berlin", "UTC", "a-b_c.d",
    "kWh", "data", "2026-01-01", "a" * 120, "\N{GREEK SMALL LETTER ALPHA}" * 10, "x y", "NaN",
)  # fmt: skip
_NASTY_TEXTS: Final = (
    "", "\0", "a\0b", "a" * 100_000, "\N{BYTE ORDER MARK}", "'; DROP TABLE account; --", "%s%n{}", "../..",
    "\U0001f600" * 300, "\x7f\x1b[31m", "9" * 5000,
)  # fmt: skip
_STRANGE_TEXTS: Final = ("\0", "a\0b", "\ufffe\x7f", "\u202e'\"\\")
_REQUEST_IDS: Final = 60
_USUAL: Final = 100_000
_EXTREME: Final = 0.03
_LONGEST_LIST: Final = 4
_DEEPEST: Final = 6


class RandomMessages:
    """Makes messages; the same seed and answers make the same messages."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._known: dict[str, list[Any]] = defaultdict(list)

    def learn(self, answer: Message) -> None:
        """Remember the numbers and texts of an answer under the names of their fields."""
        for field, value in leaves(answer):
            if isinstance(value, int | str) and not isinstance(value, bool) and value:
                known = self._known[_kind_of(field)]
                if value not in known[-50:]:
                    known.append(value)

    def sound_message(self, empty: Message) -> Message:
        """A message that keeps its rules, as far as they are known here."""
        self._fill(empty, 0)
        return empty

    def with_strange_texts(self, sound: Message) -> Iterator[Message]:
        """For each of its texts, the message with characters there that a database may not like."""
        for place, parent in enumerate([sound, *_messages_in(sound)]):
            for field, _ in parent.ListFields():
                if field.type != FieldDescriptor.TYPE_STRING or field.name == "request_id":
                    continue
                for strange in _STRANGE_TEXTS:
                    copy = type(sound)()
                    copy.CopyFrom(sound)
                    changed = [copy, *_messages_in(copy)][place]
                    if field.is_repeated:
                        getattr(changed, field.name)[0] = strange
                    else:
                        setattr(changed, field.name, strange)
                    # Its key would be known, and it would get the answer of the sound one.
                    if "request_id" in copy.DESCRIPTOR.fields_by_name:
                        copy.request_id = self._letters(20)  # type: ignore[attr-defined]
                    yield copy

    def message(self, empty: Message) -> Message:
        """Most often a message that keeps its rules; at times one that does not."""
        self._fill(empty, 0)
        if self._random.random() < 0.3:
            for _ in range(self._random.randint(1, 3)):
                self._spoil(empty)
        return empty

    def raw_bytes(self, sound: bytes) -> bytes:
        """No message of anybody's: noise, or a message with some of its bytes changed or missing."""
        match self._random.randrange(3):
            case 0:
                return self._random.randbytes(self._random.randint(1, 200))
            case 1:
                return sound[: self._random.randint(0, len(sound))]
        spoilt = bytearray(sound or b"\x08\x01")
        for _ in range(self._random.randint(1, 4)):
            spoilt[self._random.randrange(len(spoilt))] = self._random.randrange(256)
        return bytes(spoilt)

    # ---------------------------------------------------------------------- keeping the rules

    def _fill(self, message: Message, depth: int) -> None:
        descriptor: Any = message.DESCRIPTOR
        if descriptor.full_name == "google.type.Date":
            self._fill_date(message)
            return
        if descriptor.full_name == "google.protobuf.Timestamp":
            message.seconds = 1_767_225_600 + self._random.randrange(10_000_000)  # type: ignore[attr-defined]
            return
        chosen = {
            self._random.choice(oneof.fields).name
            for oneof in descriptor.oneofs
            if self._random.random() < 0.95
        }
        for field in descriptor.fields:
            if field.containing_oneof is not None and field.name not in chosen:
                continue
            rules = _rules_of(field)
            if field.is_repeated:
                self._fill_list(message, field, rules, depth)
            elif field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
                if depth < _DEEPEST and (rules.required or self._random.random() < 0.7):
                    self._fill(getattr(message, field.name), depth + 1)
                    getattr(message, field.name).SetInParent()
            elif rules.ByteSize() or self._random.random() < 0.5:
                setattr(message, field.name, self._scalar(field, rules))

    def _fill_list(self, message: Message, field: Field, rules: FieldRules, depth: int) -> None:
        fewest = rules.repeated.min_items
        most = max(min(rules.repeated.max_items or _LONGEST_LIST, _LONGEST_LIST), fewest)
        items = getattr(message, field.name)
        for _ in range(self._random.randint(fewest, most)):
            if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
                self._fill(items.add(), depth + 1)
            else:
                value = self._scalar(field, rules.repeated.items)
                if value not in items:
                    items.append(value)

    def _fill_date(self, message: Any) -> None:
        """Often of one week, so that intervals are short enough."""
        message.year, message.month = 2026, self._random.choice([1, 1, 1, self._random.randint(1, 12)])
        message.day = self._random.randint(1, 5)

    def _scalar(self, field: Field, rules: FieldRules) -> Any:
        if field.type == FieldDescriptor.TYPE_BYTES:
            return self._random.randbytes(self._random.randint(1, 60))
        makers: dict[int, Callable[[], Any]] = {
            FieldDescriptor.CPPTYPE_BOOL: lambda: self._random.random() < 0.3,
            FieldDescriptor.CPPTYPE_ENUM: lambda: self._enum_value(field, rules),
            FieldDescriptor.CPPTYPE_STRING: lambda: self._text(field, rules.string),
            FieldDescriptor.CPPTYPE_DOUBLE: lambda: self._random.uniform(-10, 10),
            FieldDescriptor.CPPTYPE_FLOAT: lambda: self._random.uniform(-10, 10),
        }
        make = makers.get(field.cpp_type)
        return self._integer(field, rules) if make is None else make()

    def _enum_value(self, field: Field, rules: FieldRules) -> int:
        numbers = [value.number for value in field.enum_type.values]
        return int(self._random.choice([number for number in numbers if number not in rules.enum.not_in]))

    def _integer(self, field: Field, rules: FieldRules) -> int:
        known = self._known[_kind_of(field)]
        if _kind_of(field).endswith("_no") and known and self._random.random() < 0.9:
            return int(self._random.choice(known[-30:]))
        bounds = _INTEGERS[field.cpp_type]
        lowest, highest = 0, _USUAL
        for kind in (rules.int32, rules.int64):
            if kind.HasField("gt"):
                lowest = max(lowest, kind.gt + 1)
            if kind.HasField("lte"):
                highest = min(highest, kind.lte)
        if self._random.random() < _EXTREME:
            # As far as the rules let it go: what they allow, the servicer has to bear.
            return self._random.choice([lowest, bounds[1] if highest == _USUAL else highest])
        number = self._random.choice([lowest, 1, self._random.randint(lowest, highest), highest])
        return min(max(number, lowest), highest)

    def _text(self, field: Field, rules: Any) -> str:
        if field.name == "page_token":
            tokens = self._known["next_page_token"]
            return self._random.choice(tokens) if tokens and self._random.random() < 0.3 else ""
        if field.name == "request_id":
            return f"request-{self._random.randrange(_REQUEST_IDS)}"
        if rules.uuid:
            return str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        # A field of another message may have the same name and be a number.
        known = [value for value in self._known[field.name][-20:] if isinstance(value, str)]
        fitting = [text for text in (*_TEXTS, *known * 3) if _fits(text, rules)]
        return self._random.choice(fitting) if fitting else self._letters(3)

    def _letters(self, count: int) -> str:
        return "".join(self._random.choices(string.ascii_uppercase, k=count))

    # ---------------------------------------------------------------------- breaking the rules

    def _spoil(self, message: Message) -> None:
        """Spoil one field somewhere in the message."""
        parents = [message, *_messages_in(message)]
        parent = self._random.choice(parents)
        if not parent.DESCRIPTOR.fields:
            return
        field: Field = self._random.choice(list(parent.DESCRIPTOR.fields))
        if self._random.random() < 0.2 or field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
            parent.ClearField(field.name)
            return
        value = self._extreme(field)
        if field.is_repeated:
            getattr(parent, field.name).extend(
                [value] * self._random.choice([1, 2, 2000 if len(str(value)) < 50 else 3])
            )
        else:
            setattr(parent, field.name, value)

    def _extreme(self, field: Field) -> Any:
        if field.type == FieldDescriptor.TYPE_BYTES:
            return self._random.choice([b"", b"\0" * 100_000, self._random.randbytes(300)])
        match field.cpp_type:
            case FieldDescriptor.CPPTYPE_BOOL:
                return True
            case FieldDescriptor.CPPTYPE_ENUM:
                return self._random.choice([0, -1, 12_345, 2**31 - 1, -(2**31)])
            case FieldDescriptor.CPPTYPE_STRING:
                return self._random.choice(_NASTY_TEXTS)
            case FieldDescriptor.CPPTYPE_DOUBLE | FieldDescriptor.CPPTYPE_FLOAT:
                return self._random.choice([float("inf"), float("nan"), 1e308])
        smallest, largest = _INTEGERS[field.cpp_type]
        return self._random.choice([smallest, smallest + 1, -1 if smallest else 0, 0, largest - 1, largest])


def leaves(message: Message) -> Iterator[tuple[Field, Any]]:
    """Every scalar that is set in the message, however deep, with its field."""
    for field, value in message.ListFields():
        for each in value if field.is_repeated else [value]:
            if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
                yield from leaves(each)
            else:
                yield field, each


def _messages_in(message: Message) -> Iterator[Message]:
    for field, value in message.ListFields():
        if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
            for each in value if field.is_repeated else [value]:
                yield each
                yield from _messages_in(each)


def _kind_of(field: Field) -> str:
    """What a field tells of: a payment_event_no, as well as charge_event_nos, of an event_no."""
    name: str = field.name
    if not name.endswith(("_no", "_nos")):
        return name
    return "_".join(name.removesuffix("s").split("_")[-2:])


def statuses_in(message: Message) -> Iterator[Any]:
    """Every google.rpc.Status in the message: the refusals of parts of a call."""
    for each in _messages_in(message):
        if each.DESCRIPTOR.full_name == "google.rpc.Status":
            yield each


def _rules_of(field: Field) -> FieldRules:
    for option, rules in field.GetOptions().ListFields():
        if option.full_name == "buf.validate.field":
            return rules
    return _NO_RULES


def _fits(text: str, rules: Any) -> bool:
    if rules.pattern and not re.search(rules.pattern, text):
        return False
    return len(text) >= rules.min_len and (not rules.max_len or len(text) <= rules.max_len)
