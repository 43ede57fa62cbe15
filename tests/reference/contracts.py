"""The contracts as a reader wants them: every RPC, message and enum with its comment and its field rules."""

import importlib.util
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

import buf.validate.validate_pb2  # noqa: F401  # registers the options
from tests.house.tree import ROOT

OURS: Final = "tallybook."

# The numbers of the fields of descriptor.proto, of which the paths of comments are made.
_MESSAGES, _ENUMS, _SERVICES = 4, 5, 6
_FIELDS, _METHODS, _VALUES = 2, 2, 2

_SCALARS: Final = {
    number: name.removeprefix("TYPE_").lower() for name, number in FieldDescriptorProto.Type.items()
}
_FIELD_RULES: Final = "buf.validate.field"
_MESSAGE_RULES: Final = "buf.validate.message"


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message. type: as in the contract; `refers_to` is its message or enum, if it is one."""

    name: str
    type: str
    refers_to: str
    rules: str
    comment: str
    oneof: str


@dataclass(frozen=True, slots=True)
class Message:
    """A message; `rules` are those that concern more than one field."""

    name: str
    comment: str
    rules: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """A value of an enum."""

    name: str
    number: int
    comment: str


@dataclass(frozen=True, slots=True)
class Enumeration:
    """An enum."""

    name: str
    comment: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Method:
    """An RPC. path: as it is called, `/tallybook.ledger.v1.LedgerService/GetTransaction`."""

    service: str
    name: str
    comment: str
    request: str
    answer: str
    client_streams: bool
    server_streams: bool

    @property
    def path(self) -> str:
        """The path of its calls."""
        return f"/{self.service}/{self.name}"

    @property
    def short_name(self) -> str:
        """`LedgerService.GetTransaction`."""
        return f"{self.service.rpartition('.')[2]}.{self.name}"

    @property
    def package(self) -> str:
        """`tallybook.ledger.v1`."""
        return self.service.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Service:
    """A gRPC service."""

    name: str
    comment: str
    methods: tuple[Method, ...]


@dataclass(slots=True)
class Contracts:
    """All contracts, by full name and in the order of the files."""

    services: dict[str, Service] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)
    enums: dict[str, Enumeration] = field(default_factory=dict)

    def methods(self, package: str) -> Iterator[Method]:
        """The RPCs of a package."""
        for service in self.services.values():
            if service.name.startswith(f"{package}."):
                yield from service.methods

    def reachable_from(self, names: Sequence[str]) -> list[str]:
        """The messages and enums of ours that messages are made of, themselves included, each once."""
        found: dict[str, None] = {}
        waiting = list(names)
        while waiting:
            name = waiting.pop(0)
            if name in found or not name.startswith(OURS):
                continue
            found[name] = None
            if name in self.messages:
                waiting += [each.refers_to for each in self.messages[name].fields if each.refers_to]
        return list(found)


def read_contracts(directory: Path) -> Contracts:
    """Compile the contracts, with their comments, by way of a file in `directory`."""
    image = directory / "contracts.binpb"
    _generator().write_image(image, with_comments=True)
    files = FileDescriptorSet.FromString(image.read_bytes()).file
    contracts = Contracts()
    for file in files:
        if file.package.startswith(OURS):
            _read_file(file, contracts)
    return contracts


def _generator() -> Any:
    """protos/generate.py, which is a script and in no package."""
    specification = importlib.util.spec_from_file_location("generate", ROOT / "protos" / "generate.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def _read_file(file: FileDescriptorProto, contracts: Contracts) -> None:
    comments = {
        tuple(place.path): _paragraphs(place.leading_comments or place.trailing_comments)
        for place in file.source_code_info.location
    }
    for number, message in enumerate(file.message_type):
        _read_message(message, file.package, (_MESSAGES, number), comments, contracts)
    for number, enum in enumerate(file.enum_type):
        _read_enum(enum, file.package, (_ENUMS, number), comments, contracts)
    for number, service in enumerate(file.service):
        path, name = (_SERVICES, number), f"{file.package}.{service.name}"
        contracts.services[name] = Service(
            name,
            comments.get(path, ""),
            tuple(
                Method(
                    name,
                    method.name,
                    comments.get((*path, _METHODS, place), ""),
                    method.input_type.removeprefix("."),
                    method.output_type.removeprefix("."),
                    method.client_streaming,
                    method.server_streaming,
                )
                for place, method in enumerate(service.method)
            ),
        )


_Comments = Mapping[tuple[int, ...], str]


def _read_message(
    message: DescriptorProto, scope: str, path: tuple[int, ...], comments: _Comments, contracts: Contracts
) -> None:
    assert not message.nested_type, "nested messages and maps have no page yet"
    assert not message.enum_type, "nested enums have no page yet"
    name = f"{scope}.{message.name}"
    contracts.messages[name] = Message(
        name,
        comments.get(path, ""),
        "; ".join(_sentences_of_options(message.options, _MESSAGE_RULES)),
        tuple(
            _field(each, message, comments.get((*path, _FIELDS, place), ""))
            for place, each in enumerate(message.field)
        ),
    )


def _read_enum(
    enum: EnumDescriptorProto, scope: str, path: tuple[int, ...], comments: _Comments, contracts: Contracts
) -> None:
    name = f"{scope}.{enum.name}"
    contracts.enums[name] = Enumeration(
        name,
        comments.get(path, ""),
        tuple(
            Value(value.name, value.number, comments.get((*path, _VALUES, place), ""))
            for place, value in enumerate(enum.value)
        ),
    )


def _field(declared: FieldDescriptorProto, message: DescriptorProto, comment: str) -> Field:
    refers_to = declared.type_name.removeprefix(".")
    type_name = refers_to.removeprefix(OURS) if refers_to else _SCALARS[declared.type]
    repeated = declared.label == FieldDescriptorProto.LABEL_REPEATED
    optional = declared.proto3_optional
    in_oneof = declared.HasField("oneof_index") and not optional
    return Field(
        declared.name,
        f"{'repeated ' if repeated else 'optional ' if optional else ''}{type_name}",
        refers_to,
        "; ".join(_sentences_of_options(declared.options, _FIELD_RULES)),
        comment,
        message.oneof_decl[declared.oneof_index].name if in_oneof else "",
    )


def _paragraphs(comment: str) -> str:
    """A comment without the line breaks of the contract, but for those between paragraphs."""
    return "\n\n".join(" ".join(each.split()) for each in re.split(r"\n\s*\n", comment.strip()))


# --------------------------------------------------------------------------------------------- field rules

_RANGES: Final = MappingProxyType(
    {("gte", "lte"): "", ("min_len", "max_len"): " characters", ("min_items", "max_items"): " items"}
)
_BOUNDS: Final = MappingProxyType({"gt": "above {}", "lt": "below {}", "pattern": "`{}`"})
_FLAGS: Final = MappingProxyType(
    {
        "required": "required",
        "unique": "each once",
        "defined_only": "a value of the enum",
        "uuid": "a UUID",
    }
)


def _sentences_of_options(options: Any, wanted: str) -> Iterator[str]:
    """What the rules of protovalidate in some options demand, in words."""
    for descriptor, value in options.ListFields():
        if descriptor.full_name == wanted:
            yield from _sentences(value)


def _sentences(rules: Any) -> Iterator[str]:
    given = {descriptor.name: value for descriptor, value in rules.ListFields()}
    for (least, most), unit in _RANGES.items():
        yield from _range(given.pop(least, None), given.pop(most, None), _unit(rules, unit))
    for name, value in given.items():
        if name == "cel":
            yield from (rule.message for rule in value)
        elif name in _FLAGS:
            yield _FLAGS[name]
        elif name in _BOUNDS:
            yield _BOUNDS[name].format(value)
        elif name == "not_in":
            # All that is excluded anywhere is the zero value of an enum, which means that none was given.
            yield "required"
        elif name == "items":
            yield from (f"each {sentence}" for sentence in _sentences(value))
        elif hasattr(value, "ListFields"):
            yield from _sentences(value)
        else:
            raise AssertionError(f"no words for the rule {name} of {rules.DESCRIPTOR.full_name}")


def _range(least: int | None, most: int | None, unit: str) -> Iterator[str]:
    if least is not None and most is not None:
        yield f"{least:,} to {most:,}{unit}"
    elif least is not None:
        yield f"at least {least:,}{unit}"
    elif most is not None:
        yield f"at most {most:,}{unit}"


def _unit(rules: Any, unit: str) -> str:
    return " bytes" if rules.DESCRIPTOR.name == "BytesRules" else unit
