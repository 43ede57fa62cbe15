"""The pages of docs/reference, as text: what the contracts say, and what the story showed."""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from service_kit.authorisation import Rule
from service_kit.errors import SharedReason
from service_kit.server import ServiceDefinition
from service_kit.settings import ServiceSettings
from tests.reference.contracts import OURS, Contracts, Enumeration, Message, Method
from tests.reference.replay import Exchange
from tests.reference.story import Json

_MADE: Final = (
    "<!-- Made by `make reference` from the comments of the contracts and from tests/reference/story.py:"
    " change those. -->\n"
)
_WIDTH: Final = 110
_PORTS: Final = {"ledger": 50051, "batch": 50052, "audit": 50053}
_REQUEST_ID: Final = "The same `request_id` with the same request returns the first answer."


@dataclass(frozen=True, slots=True)
class Served:
    """A package of contracts and the service that serves it."""

    package: str
    definition: ServiceDefinition[Any, Any]

    @property
    def directory(self) -> str:
        """The directory of its pages: "ledger"."""
        return self.package.split(".")[1]

    def rule(self, method: Method) -> Rule:
        """Who may call it."""
        return dict(self.definition.authorisation)[method.path]

    def time_limit(self, method: Method) -> str:
        """How long a call may take."""
        fields = ServiceSettings.model_fields
        streams = method.client_streams or method.server_streams
        default = fields["default_stream_deadline_seconds" if streams else "default_deadline_seconds"].default
        seconds = self.definition.deadlines.get(method.path, default)
        return "none: it ends when the caller or the server ends it" if seconds is None else f"{seconds:g} s"


@dataclass(frozen=True, slots=True)
class Reference:
    """Everything that the pages are made of."""

    contracts: Contracts
    served: Sequence[Served]
    exchanges: Sequence[Exchange]
    precedence: Mapping[str, Sequence[str]]
    """By operation: the reasons with which it was seen to refuse, the first that applies first."""

    def pages(self) -> dict[str, str]:
        """Every page by its path below docs/reference."""
        pages = {"README.md": self._index()}
        for each in self.served:
            for method in self.contracts.methods(each.package):
                pages[f"{each.directory}/{method.short_name}.md"] = self._operation(each, method)
            pages[f"{each.directory}/types.md"] = self._types(each)
            pages[f"{each.directory}/errors.md"] = self._errors(each)
        return {path: _MADE + text for path, text in pages.items()}

    # ------------------------------------------------------------------------------------------ the pages

    def _index(self) -> str:
        parts = [_INTRODUCTION]
        for each in self.served:
            for service in self.contracts.services.values():
                if not service.name.startswith(f"{each.package}."):
                    continue
                parts.append(f"## {service.name.rpartition('.')[2]}\n\n{service.comment}")
                rows = [
                    (
                        f"[{method.name}]({each.directory}/{method.short_name}.md)",
                        _first_sentence(method.comment),
                    )
                    for method in service.methods
                ]
                parts.append(_table(("Operation", "What it does"), rows))
            parts.append(
                f"The messages and enums that these operations share are in"
                f" [{each.directory}/types.md]({each.directory}/types.md), the reasons of refusals in"
                f" [{each.directory}/errors.md]({each.directory}/errors.md)."
            )
        return _joined(parts)

    def _operation(self, served: Served, method: Method) -> str:
        request = self.contracts.messages[method.request]
        parts = [f"# {method.short_name}", method.comment, _table(("", ""), self._facts(served, method))]
        parts += self._message_section("Request", request, served)
        parts += self._message_section("Answer", self.contracts.messages[method.answer], served)
        parts += self._own_parts(served, method)
        parts += self._refusals(served, method)
        examples = [each for each in self.exchanges if each.call.operation == method.short_name]
        if examples:
            parts.append("## Examples")
        for example in examples:
            parts += self._example(served, method, example)
        return _joined(parts)

    def _types(self, served: Served) -> str:
        parts = [f"# Messages and enums of {served.package}"]
        for name in self._shared_types(served):
            parts += self._type_section("##", name, served)
        return _joined(parts)

    def _errors(self, served: Served) -> str:
        by_reason: dict[str, list[str]] = {}
        for method in self.contracts.methods(served.package):
            for reason in self.reasons_of(served, method):
                by_reason.setdefault(reason, []).append(f"[{method.short_name}]({method.short_name}.md)")
        rows = [
            (f"`{reason}`", meaning, ", ".join(by_reason.get(reason, ())))
            for reason, meaning in self.reasons(served).items()
        ]
        shared = ", ".join(f"`{reason.value}`" for reason in SharedReason)
        return _joined(
            [
                f"# Why {served.directory} refuses",
                f"The reasons of `google.rpc.ErrorInfo` in the domain `{served.definition.error_domain}`."
                " The list only ever grows. Beside them, any operation may answer with one of those that all"
                f" services share: {shared}.",
                _table(("Reason", "Meaning", "Named by"), rows),
            ]
        )

    # --------------------------------------------------------------------------------- parts of the pages

    def _facts(self, served: Served, method: Method) -> Iterator[tuple[str, str]]:
        rule = served.rule(method)
        yield "Path", f"`{method.path}`"
        yield "Roles", ", ".join(f"`{role}`" for role in sorted(rule.roles)) + ": one of them"
        yield "Time limit", served.time_limit(method)
        names = {field.name for field in self.contracts.messages[method.request].fields}
        if "request_id" in names:
            yield "Sent again", _REQUEST_ID
        if method.client_streams:
            yield "Request", "a stream of messages"
        if method.server_streams:
            yield "Answer", "a stream of messages"

    def _message_section(self, title: str, message: Message, served: Served) -> list[str]:
        name = message.name.rpartition(".")[2]
        parts = [f"## {title}: `{name}`", message.comment]
        if message.rules:
            parts.append(f"Rule: {message.rules}.")
        parts.append(self._fields(message, served) if message.fields else "It has no fields.")
        return parts

    def _type_section(self, level: str, name: str, served: Served) -> list[str]:
        short = name.rpartition(".")[2]
        if name in self.contracts.enums:
            enum = self.contracts.enums[name]
            return [f"{level} {short}", enum.comment, _values(enum)]
        message = self.contracts.messages[name]
        fields = self._fields(message, served) if message.fields else "It has no fields."
        return [f"{level} {short}", message.comment, fields]

    def _own_parts(self, served: Served, method: Method) -> list[str]:
        """The messages and enums that only this operation uses."""
        own = [name for name in self._parts_of(method) if name not in self._shared_types(served)]
        return [part for name in own for part in self._type_section("###", name, served)]

    def _fields(self, message: Message, served: Served) -> str:
        rows = []
        for field in message.fields:
            rules = [rule for rule in (f"one of `{field.oneof}`" if field.oneof else "", field.rules) if rule]
            rows.append((f"`{field.name}`", self._type_of(field, served), "; ".join(rules), field.comment))
        return _table(("Field", "Type", "Rules", "Meaning"), rows)

    def _type_of(self, field: Any, served: Served) -> str:
        if not field.refers_to.startswith(OURS):
            return f"`{field.type}`"
        short = field.refers_to.rpartition(".")[2]
        prefix = field.type.rpartition(" ")[0]
        text = f"{prefix} {short}".strip()
        page = "types.md" if field.refers_to in self._shared_types(served) else ""
        return f"[{text}]({page}#{short.lower()})"

    def _refusals(self, served: Served, method: Method) -> list[str]:
        reasons = self.reasons_of(served, method)
        parts = ["## Refusals"]
        if reasons:
            meanings = self.reasons(served)
            parts.append(_table(("Reason", "Meaning"), [(f"`{name}`", meanings[name]) for name in reasons]))
        parts.append(f"{'Also' if reasons else 'Only'} the reasons that [every operation](errors.md) shares.")
        if method.short_name in self.precedence:
            parts.append("Of several faults [one wins](../../error_precedence.md).")
        return parts

    def _example(self, served: Served, method: Method, exchange: Exchange) -> list[str]:
        target = f"127.0.0.1:{_PORTS[served.directory]} {method.path.removeprefix('/')}"
        command = f"grpcurl -plaintext -d @ {target} <<'EOF'\n{_json(exchange.request)}\nEOF"
        shown = [_shortened(each, exchange.call.shows) for each in exchange.answers]
        if exchange.call.messages:
            shown = [*shown[: exchange.call.messages], shown[-1]]
        parts = [f"### {exchange.call.says}", f"```sh\n{command}\n```"]
        if exchange.refused:
            parts.append(f"Refused with `{exchange.reason}`:")
        parts.append("```json\n" + "\n".join(_json(each) for each in shown) + "\n```")
        for name, count in exchange.call.shows.items():
            parts.append(f"Of `{name}`, the first {count} of {len(exchange.answers[0][name])} are shown.")
        if exchange.call.messages:
            parts.append(f"Of {len(exchange.answers)} messages, the first and the last are shown.")
        return parts

    # ------------------------------------------------------------------------------------------ what is where

    def _parts_of(self, method: Method) -> list[str]:
        """What its request and answer are made of, these two left out."""
        tops = (method.request, method.answer)
        return [name for name in self.contracts.reachable_from(tops) if name not in tops]

    def _shared_types(self, served: Served) -> list[str]:
        """What more than one operation of the package uses, in the order of the contracts."""
        users: dict[str, int] = {}
        for method in self.contracts.methods(served.package):
            for name in self._parts_of(method):
                users[name] = users.get(name, 0) + 1
        everything = [*self.contracts.messages, *self.contracts.enums]
        return [name for name in everything if users.get(name, 0) > 1]

    def reasons(self, served: Served) -> dict[str, str]:
        """The reasons of a package and their meanings."""
        (enum,) = (
            each
            for each in self.contracts.enums.values()
            if each.name.startswith(f"{served.package}.") and each.name.endswith("ErrorReason")
        )
        prefix = enum.values[0].name.removesuffix("UNSPECIFIED")
        return {value.name.removeprefix(prefix): value.comment for value in enum.values if value.number}

    def reasons_of(self, served: Served, method: Method) -> list[str]:
        """The reasons of the package with which an operation is seen or said to refuse: first those of which
        it is known that the first that applies wins, in that order.
        """
        seen = [
            each.reason
            for each in self.exchanges
            if each.refused and each.call.operation == method.short_name
        ]
        said = re.findall(r"\b[A-Z][A-Z0-9_]+\b", self._all_comments(method))
        named = dict.fromkeys([*self.precedence.get(method.short_name, ()), *seen, *said])
        reasons = self.reasons(served)
        return [reason for reason in named if reason in reasons]

    def _all_comments(self, method: Method) -> str:
        messages = [
            self.contracts.messages[name]
            for name in (method.request, method.answer, *self._parts_of(method))
            if name in self.contracts.messages
        ]
        texts = [method.comment]
        for message in messages:
            texts += [message.comment, *(field.comment for field in message.fields)]
        return "\n".join(texts)


_INTRODUCTION: Final = """# The operations

One page for each operation of the contracts: what it does, what it takes and answers, who may call it, why
it refuses, and calls as they went. The fields and comments are those of the contracts in `protos`. The
examples are one story, played against a ledger that was empty; a test plays it again. In answers every
instant is the same one, since that is all that differs from one time to the next. Fields with their default
value are not shown. grpcurl prints the names of fields in camel case; it takes them in both forms.

Amounts are in minor units: 10000 of USD are 100.00 dollars. In JSON an int64 is a string."""


def _first_sentence(comment: str) -> str:
    return re.split(r"(?<=[.:])\s", comment, maxsplit=1)[0].rstrip(":.") + "."


def _values(enum: Enumeration) -> str:
    rows = [(f"`{value.name}`", str(value.number), value.comment) for value in enum.values]
    return _table(("Value", "Number", "Meaning"), rows)


def _table(heads: Sequence[str], rows: Collection[tuple[str, ...]] | Iterator[tuple[str, ...]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("\n\n", " ").replace("|", "\\|")


def _json(value: Any, indent: str = "", room: int = _WIDTH) -> str:
    """JSON for people: what fits on a line stands on one."""
    line = json.dumps(value, ensure_ascii=False)
    is_nested = isinstance(value, Mapping) and any(
        isinstance(each, Mapping | list) for each in value.values()
    )
    if not isinstance(value, Mapping | list) or (len(line) <= room and not is_nested):
        return line
    deeper = indent + "  "
    items = value.items() if isinstance(value, Mapping) else enumerate(value)
    rows = []
    for name, each in items:
        label = f"{json.dumps(name)}: " if isinstance(value, Mapping) else ""
        rows.append(f"{deeper}{label}{_json(each, deeper, _WIDTH - len(deeper) - len(label))}")
    opening, closing = "{}" if isinstance(value, Mapping) else "[]"
    return f"{opening}\n" + ",\n".join(rows) + f"\n{indent}{closing}"


def _shortened(answer: Json, shows: Mapping[str, int]) -> Json:
    return {name: value[: shows[name]] if name in shows else value for name, value in answer.items()}


def _joined(parts: Sequence[str]) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"
