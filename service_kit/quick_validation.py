"""Sees in a fraction of protovalidate's time that a request is valid; the rest protovalidate decides.

protovalidate asks a message for every field that it could have, set or not: some ten microseconds a draft,
of which a call has thousands, and more than all else that is done for it. The rules are still written once,
in the contracts. They are read from the descriptors, and compiled into checks of the fields that are set.
The answer is only ever "surely valid" or "don't know": a rule of a kind that is not known here, and a rule
that is broken, are left to protovalidate.

A check knows two ways: of one value, and of a column, which is what one field has in all messages of a list
(`message_columns`). So the thousand drafts of a call cost few passes in C over each of their fields. Of one
value it is an expression of Python, and all expressions of a kind of message become one function, as the
standard library makes the methods of a dataclass: a call for each would cost half as much again.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import chain
from keyword import iskeyword
from typing import Any, Final, Protocol, TypeAlias

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from buf.validate import validate_pb2  # noqa: F401  # puts the rules into the pool
from service_kit.message_columns import ListedMessages, Messages, NotJoinedError, join_members

Rules: TypeAlias = Any  # buf.validate.FieldRules: its class is made when the program runs

_POOL: Final[Any] = descriptor_pool.Default()
_FIELD_RULES: Final = _POOL.FindExtensionByName("buf.validate.field")
_MESSAGE_RULES: Final = _POOL.FindExtensionByName("buf.validate.message")
_ONEOF_RULES: Final = _POOL.FindExtensionByName("buf.validate.oneof")
# Of lengths.
_NO_LIMIT: Final = 2**62


def is_surely_valid(message: Message) -> bool:
    """Whether `message` keeps all rules of its contract; False also where that can't be told here."""
    return bool(_condition_of(message.DESCRIPTOR)(message))


class _Names:
    """The names that expressions have for objects."""

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}

    def of(self, thing: Any) -> str:
        """A new name for it."""
        name = f"thing_{len(self.objects)}"
        self.objects[name] = thing
        return name


def _field_of(message: str, name: str) -> str:
    """The expression of a field; its name may be a keyword of Python."""
    return f"getattr({message}, {name!r})" if iskeyword(name) else f"{message}.{name}"


class _Check(Protocol):
    """What a value has to be. A column has at least one value; of messages it is their columns."""

    def expression(self, value: str, names: _Names) -> str:
        """An expression that is true if the value passes; `value` is an expression for that."""

    def all_pass(self, column: Any) -> bool: ...


class _Checks:
    """All that a value has to be."""

    __slots__ = ("_all",)

    def __init__(self, checks: Iterable[_Check]) -> None:
        self._all = tuple(checks)

    def expression(self, value: str, names: _Names) -> str:
        """What is true if a value passes all of them."""
        return " and ".join(check.expression(value, names) for check in self._all) or "True"

    def all_pass(self, column: Any) -> bool:
        """Whether each value of a column is; it may be empty."""
        return not column or all(check.all_pass(column) for check in self._all)

    def __bool__(self) -> bool:
        return bool(self._all)


@dataclass(slots=True)
class _Plan:
    """The checks of messages of one kind.

    values: fields that always have a value, and what it must be.
    messages: fields that may be absent, whether they must not, and their checks.
    alternatives: by oneof, the checks of each of its fields.
    lists: fields that have several values, and what the list must be.
    members: fields that have several messages, and what each of them must be.
    """

    known: bool = True
    values: list[tuple[str, _Checks]] = field(default_factory=list)
    messages: list[tuple[str, bool, _Checks]] = field(default_factory=list)
    alternatives: list[tuple[str, dict[str, _Checks]]] = field(default_factory=list)
    lists: list[tuple[str, _Checks]] = field(default_factory=list)
    members: list[tuple[str, _Checks]] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to check."""
        return self == _Plan()

    def condition(self) -> Callable[[Any], object]:
        """What is true of a message if every check passes, as one function."""
        names = _Names()
        alternatives = [
            (name, False, checks)
            for _, by_name in self.alternatives
            for name, checks in by_name.items()
            if checks
        ]
        terms = [
            checks.expression(_field_of("message", name), names)
            for name, checks in (*self.values, *self.lists)
        ]
        for name, required, checks in (*self.messages, *alternatives):
            is_there = f"message.HasField({name!r})"
            passes = checks.expression(_field_of("message", name), names)
            terms.append(f"{is_there} and {passes}" if required else f"(not {is_there} or {passes})")
        for name, checks in self.members:
            terms.append(f"{names.of(partial(_members_pass, checks))}(message, {name!r})")
        expression = " and ".join(terms) or "True"
        # Names of fields, numbers, and names of our own objects: nothing in it comes from outside.
        condition: Callable[[Any], object] = eval(  # noqa: S307
            f"lambda message: {expression if self.known else False}", names.objects
        )
        return condition

    def is_kept_by_all(self, messages: Messages) -> bool:
        """Whether every check passes for every message. NotJoinedError where that can't be told."""
        return (
            self.known
            and all(checks.all_pass(messages.values(name)) for name, checks in self.values)
            and all(
                checks.all_pass(present) and not (required and len(present) < len(messages))
                for name, required, checks in self.messages
                for present in [messages.present(name)]
            )
            and all(
                by_name[name].all_pass(present)
                for oneof, by_name in self.alternatives
                for name, present in messages.alternatives(oneof)
            )
            and all(checks.all_pass(messages.lists(name)) for name, checks in self.lists)
            and all(checks.all_pass(messages.members(name)) for name, checks in self.members)
        )


# protobuf finds the Python objects of the messages that are in use in one table. With those of a call of
# thousands at once, the table outgrows the processor's caches, and each access to a message takes longer.
_PART: Final = 250


def _members_pass(checks: _Checks, message: Any, name: str) -> bool:
    """Whether each message of a list passes."""
    try:
        return checks.all_pass(join_members(message, name))
    except NotJoinedError:
        members = getattr(message, name)
        parts = (members[first : first + _PART] for first in range(0, len(members), _PART))
        return all(checks.all_pass(ListedMessages(part)) for part in parts)


@cache
def _condition_of(descriptor: Descriptor) -> Callable[[Any], object]:
    return _plan_of(descriptor).condition()


@cache
def _plan_of(descriptor: Descriptor) -> _Plan:
    alternatives = [each for oneof in descriptor.oneofs for each in oneof.fields]
    if (
        descriptor.GetOptions().HasExtension(_MESSAGE_RULES)
        or any(oneof.GetOptions().HasExtension(_ONEOF_RULES) for oneof in descriptor.oneofs)
        or any(_rules_of(each).required for each in alternatives)
    ):
        return _Plan(known=False)
    plan = _Plan()
    for oneof in descriptor.oneofs:
        by_name = {each.name: _Checks(_value_checks(each, _rules_of(each))) for each in oneof.fields}
        plan.alternatives.append((oneof.name, by_name))
    for each in descriptor.fields:
        if each.containing_oneof is None:
            _add_field(plan, each, _rules_of(each))
    return plan


def _add_field(plan: _Plan, descriptor: FieldDescriptor, rules: Rules) -> None:
    if descriptor.is_repeated:
        _add_list(plan, descriptor, rules)
        return
    checks = _value_checks(descriptor, rules)
    if descriptor.has_presence:
        if checks or rules.required:
            plan.messages.append((descriptor.name, rules.required, _Checks(checks)))
        return
    if rules.required:
        checks.append(_IsSet())
    if checks:
        plan.values.append((descriptor.name, _Checks(checks)))


def _add_list(plan: _Plan, descriptor: FieldDescriptor, rules: Rules) -> None:
    checks = _list_checks(descriptor, rules)
    of_each = _Checks(_value_checks(descriptor, rules.repeated.items))
    if rules.required:
        checks.append(_IsSet())
    if of_each and descriptor.message_type is not None:
        plan.members.append((descriptor.name, of_each))
    elif of_each:
        checks.append(_Each(of_each))
    if checks:
        plan.lists.append((descriptor.name, _Checks(checks)))


def _has_no_rules(descriptor: Descriptor) -> bool:
    """Whether messages of a kind are valid whatever is in them, like a date; False where that isn't plain."""
    holds_messages = any(each.message_type is not None for each in descriptor.fields)
    return not holds_messages and _plan_of(descriptor).is_empty


def _rules_of(descriptor: FieldDescriptor) -> Rules:
    return descriptor.GetOptions().Extensions[_FIELD_RULES]


def _value_checks(descriptor: FieldDescriptor, rules: Rules) -> list[_Check]:
    """The checks of the value of a field, or of each of its values where it has several."""
    if rules.ignore or rules.cel_expression:
        return [_Unknown()]
    checks: list[_Check] = [_expression_check(rule.expression) for rule in rules.cel]
    if descriptor.message_type is not None and not _has_no_rules(descriptor.message_type):
        checks.append(_KeepsRules(descriptor.message_type))
    kind = rules.WhichOneof("type")
    if kind is not None and kind != "repeated":
        checks += _rule_checks(kind, getattr(rules, kind), descriptor.enum_type)
    return checks


def _list_checks(descriptor: FieldDescriptor, rules: Rules) -> list[_Check]:
    is_map = descriptor.message_type is not None and descriptor.message_type.GetOptions().map_entry
    if is_map or rules.ignore or rules.cel or rules.cel_expression:
        return [_Unknown()]
    given = {rule.name: bound for rule, bound in rules.repeated.ListFields()}
    checks: list[_Check] = []
    if not given.keys().isdisjoint({"min_items", "max_items"}):
        checks.append(_Length(given.get("min_items", 0), given.get("max_items", _NO_LIMIT)))
    if rules.repeated.unique:
        checks.append(_AreUnique())
    return checks


def _rule_checks(kind: str, rules: Message, enum_type: EnumDescriptor | None) -> list[_Check]:
    given: dict[str, Any] = {rule.name: bound for rule, bound in rules.ListFields()}
    if kind in {"int32", "int64", "uint32", "uint64"}:
        return [_range_check(given)]
    if kind == "enum":
        return [_enum_check(given, enum_type)]
    if kind == "string" and "pattern" in given:
        return [_pattern_check(given.pop("pattern")), *([_length_check(given)] if given else [])]
    return [_length_check(given) if kind in {"string", "bytes"} else _Unknown()]


def _range_check(given: dict[str, int]) -> _Check:
    if not given.keys() <= {"gt", "gte", "lt", "lte"}:
        return _Unknown()
    least = given.get("gte", given.get("gt", -(2**64)) + 1)
    most = given.get("lte", given.get("lt", 2**64 + 1) - 1)
    if most < least:  # which means, in the contract: outside of the range
        return _Unknown()
    return _Range(least, most)


def _length_check(given: dict[str, int]) -> _Check:
    if not given.keys() <= {"len", "min_len", "max_len"}:
        return _Unknown()
    exactly = given.get("len")
    if exactly is not None:
        return _Length(exactly, exactly)
    return _Length(given.get("min_len", 0), given.get("max_len", _NO_LIMIT))


def _pattern_check(pattern: str) -> _Check:
    """Only for patterns that mean the same in Python as in RE2, which the contracts are written for."""
    if not re.fullmatch(r"\^(\[[^\\\[\]^][^\\\[\]]*\]|[A-Za-z0-9_-]|\{\d+(,\d+)?\})+\$", pattern):
        return _Unknown()
    return _Matches(re.compile(pattern[1:-1]))


def _enum_check(given: dict[str, Any], enum_type: EnumDescriptor | None) -> _Check:
    if enum_type is None or not given.get("defined_only") or not given.keys() <= {"defined_only", "not_in"}:
        return _Unknown()
    return _OneOf(frozenset(enum_type.values_by_number) - frozenset(given.get("not_in", ())))


def _expression_check(expression: str) -> _Check:
    """Only for a lower bound of an integer: `this > 0`, `this.minor_units > 0`."""
    comparison = re.fullmatch(r"this(?:\.(\w+))? (>=?) (-?\d+)", expression)
    if comparison is None:
        return _Unknown()
    name, sign, bound = comparison[1], comparison[2], int(comparison[3])
    bounded = _IsAtLeast(bound if sign == ">=" else bound + 1)
    return _Of(name, bounded) if name else bounded


# ----------------------------------------------------------------------------------------------- the checks


class _Unknown:
    """Of a rule that is not known here."""

    def expression(self, value: str, names: _Names) -> str:
        return "False"

    def all_pass(self, column: Sequence[Any]) -> bool:
        return False


class _IsSet:
    """Neither 0 nor empty."""

    def expression(self, value: str, names: _Names) -> str:
        return value

    def all_pass(self, column: Sequence[Any]) -> bool:
        return all(column)


@dataclass(frozen=True, slots=True)
class _Range:
    least: int
    most: int

    def expression(self, value: str, names: _Names) -> str:
        return f"{self.least} <= {value} <= {self.most}"

    def all_pass(self, column: Sequence[int]) -> bool:
        return self.least <= min(column) and max(column) <= self.most


@dataclass(frozen=True, slots=True)
class _IsAtLeast:
    """An integer that is at least so much: an expression does not say what it is about."""

    least: int

    def expression(self, value: str, names: _Names) -> str:
        return f"(type(number := {value}) is int and number >= {self.least})"

    def all_pass(self, column: Sequence[Any]) -> bool:
        return set(map(type, column)) == {int} and min(column) >= self.least


@dataclass(frozen=True, slots=True)
class _Length:
    """Of a text in code points, of bytes, or of a list."""

    least: int = 0
    most: int = _NO_LIMIT

    def expression(self, value: str, names: _Names) -> str:
        return f"{self.least} <= len({value}) <= {self.most}"

    def all_pass(self, column: Sequence[Any]) -> bool:
        lengths = set(map(len, column))
        return self.least <= min(lengths) and max(lengths) <= self.most


@dataclass(frozen=True, slots=True)
class _Matches:
    pattern: re.Pattern[str]

    def expression(self, value: str, names: _Names) -> str:
        return f"{names.of(self.pattern.fullmatch)}({value})"

    def all_pass(self, column: Sequence[str]) -> bool:
        # A thousand amounts have few currencies.
        return all(map(self.pattern.fullmatch, set(column)))


@dataclass(frozen=True, slots=True)
class _OneOf:
    allowed: frozenset[int]

    def expression(self, value: str, names: _Names) -> str:
        return f"{value} in {names.of(self.allowed)}"

    def all_pass(self, column: Sequence[int]) -> bool:
        return self.allowed.issuperset(column)


@dataclass(frozen=True, slots=True)
class _Of:
    """Of something within a message."""

    name: str
    check: _Check

    def expression(self, value: str, names: _Names) -> str:
        return self.check.expression(_field_of(value, self.name), names)

    def all_pass(self, column: Messages) -> bool:
        return self.check.all_pass(column.values(self.name))


@dataclass(frozen=True, slots=True)
class _KeepsRules:
    """A message that keeps the rules of its kind. They are looked up when there is a message to check, since
    they may lead back to where they began.
    """

    descriptor: Descriptor

    def expression(self, value: str, names: _Names) -> str:
        return f"{names.of(self._are_kept_by)}({value})"

    def _are_kept_by(self, message: Any) -> object:
        return _condition_of(self.descriptor)(message)

    def all_pass(self, column: Messages) -> bool:
        return _plan_of(self.descriptor).is_kept_by_all(column)


@dataclass(frozen=True, slots=True)
class _Each:
    """A list of which each value passes."""

    checks: _Checks

    def expression(self, value: str, names: _Names) -> str:
        return f"{names.of(self.checks.all_pass)}({value})"

    def all_pass(self, column: Sequence[Sequence[Any]]) -> bool:
        return self.checks.all_pass(list(chain.from_iterable(column)))


class _AreUnique:
    """A list that has nothing twice."""

    def expression(self, value: str, names: _Names) -> str:
        return f"len(set(things := {value})) == len(things)"

    def all_pass(self, column: Sequence[Any]) -> bool:
        return all(len(set(value)) == len(value) for value in column)
