"""Sees in a fraction of protovalidate's time that a request is valid; the rest protovalidate decides.

protovalidate asks a message for every field that it could have, set or not: some ten microseconds a draft,
of which a call has thousands, and more than all else that is done for it. The rules are still written once,
in the contracts. They are read from the descriptors, and compiled into checks of the fields that are set.
The answer is only ever "surely valid" or "don't know": a rule of a kind that is not known here, and a rule
that is broken, are left to protovalidate.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from operator import attrgetter
from typing import Any, Final, TypeAlias

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from buf.validate import validate_pb2  # noqa: F401  # puts the rules into the pool

Check: TypeAlias = Callable[[Any], bool]
Rules: TypeAlias = Any  # buf.validate.FieldRules: its class is made when the program runs

_POOL: Final[Any] = descriptor_pool.Default()
_FIELD_RULES: Final = _POOL.FindExtensionByName("buf.validate.field")
_MESSAGE_RULES: Final = _POOL.FindExtensionByName("buf.validate.message")
_ONEOF_RULES: Final = _POOL.FindExtensionByName("buf.validate.oneof")


def is_surely_valid(message: Message) -> bool:
    """Whether `message` keeps all rules of its contract; False also where that can't be told here."""
    return _plan_of(message.DESCRIPTOR).is_kept_by(message)


@dataclass(slots=True)
class _Plan:
    """The checks of a message.

    scalars: fields that always have a value, and what it must be.
    messages: fields that may be absent, whether they must not, and their checks.
    alternatives: by oneof, the checks of each of its fields.
    """

    known: bool = True
    scalars: list[tuple[Callable[[Any], Any], Check]] = field(default_factory=list)
    messages: list[tuple[str, bool, tuple[Check, ...]]] = field(default_factory=list)
    alternatives: list[tuple[str, dict[str, tuple[Check, ...]]]] = field(default_factory=list)

    def is_kept_by(self, message: Any) -> bool:
        """Whether every check passes."""
        if not self.known:
            return False
        for value_of, check in self.scalars:
            if not check(value_of(message)):
                return False
        for name, required, checks in self.messages:
            if message.HasField(name):
                if not _passes(getattr(message, name), checks):
                    return False
            elif required:
                return False
        for oneof, by_name in self.alternatives:
            name = message.WhichOneof(oneof)
            if name is not None and not _passes(getattr(message, name), by_name[name]):
                return False
        return True


def _passes(value: Any, checks: tuple[Check, ...]) -> bool:
    for check in checks:  # noqa: SIM110  # a generator would cost as much as the checks
        if not check(value):
            return False
    return True


@cache
def _plan_of(descriptor: Descriptor) -> _Plan:
    if descriptor.GetOptions().HasExtension(_MESSAGE_RULES) or any(
        oneof.GetOptions().HasExtension(_ONEOF_RULES) for oneof in descriptor.oneofs
    ):
        return _Plan(known=False)
    plan = _Plan()
    for oneof in descriptor.oneofs:
        by_name = {each.name: tuple(_value_checks(each, _rules_of(each))) for each in oneof.fields}
        plan.alternatives.append((oneof.name, by_name))
    for each in descriptor.fields:
        rules = _rules_of(each)
        if each.containing_oneof is not None:
            continue
        if each.has_presence:
            plan.messages.append((each.name, rules.required, tuple(_value_checks(each, rules))))
            continue
        checks = _repeated_checks(each, rules) if each.is_repeated else _value_checks(each, rules)
        if rules.required:
            checks.append(bool)
        plan.scalars += [(attrgetter(each.name), check) for check in checks]
    return plan


def _rules_of(descriptor: FieldDescriptor) -> Rules:
    return descriptor.GetOptions().Extensions[_FIELD_RULES]


def _dont_know(_value: Any) -> bool:
    return False


def _value_checks(descriptor: FieldDescriptor, rules: Rules) -> list[Check]:
    """The checks of the value of a field, or of each of its values where it has several."""
    if rules.ignore or rules.cel_expression:
        return [_dont_know]
    checks: list[Check] = [_expression_check(rule.expression) for rule in rules.cel]
    if descriptor.message_type is not None:
        checks.append(partial(_keeps_rules_of, descriptor.message_type))
    kind = rules.WhichOneof("type")
    if kind is not None and kind != "repeated":
        checks += _rule_checks(kind, getattr(rules, kind), descriptor.enum_type)
    return checks


def _keeps_rules_of(descriptor: Descriptor, message: Any) -> bool:
    # Looked up when there is a message to check, since rules may lead back to where they began.
    return _plan_of(descriptor).is_kept_by(message)


def _repeated_checks(descriptor: FieldDescriptor, rules: Rules) -> list[Check]:
    is_map = descriptor.message_type is not None and descriptor.message_type.GetOptions().map_entry
    if is_map or rules.ignore or rules.cel or rules.cel_expression:
        return [_dont_know]
    checks: list[Check] = []
    if rules.repeated.HasField("min_items"):
        checks.append(_Length(least=rules.repeated.min_items))
    if rules.repeated.HasField("max_items"):
        checks.append(_Length(most=rules.repeated.max_items))
    if rules.repeated.unique:
        checks.append(_are_unique)
    of_each = tuple(_value_checks(descriptor, rules.repeated.items))
    if of_each:
        checks.append(partial(_each_passes, of_each))
    return checks


def _each_passes(checks: tuple[Check, ...], values: Any) -> bool:
    return all(_passes(value, checks) for value in values)


def _are_unique(values: Any) -> bool:
    return len(set(values)) == len(values)


@dataclass(frozen=True, slots=True)
class _Length:
    """Of a text in code points, of bytes, or of a list."""

    least: int = 0
    most: float = float("inf")

    def __call__(self, value: Any) -> bool:
        return self.least <= len(value) <= self.most


def _rule_checks(kind: str, rules: Message, enum_type: EnumDescriptor | None) -> list[Check]:
    given: dict[str, Any] = {rule.name: bound for rule, bound in rules.ListFields()}
    if kind in {"int32", "int64", "uint32", "uint64"}:
        return [_range_check(given)]
    if kind == "enum":
        return [_enum_check(given, enum_type)]
    if kind == "string" and "pattern" in given:
        return [_pattern_check(given.pop("pattern")), *([_length_check(given)] if given else [])]
    return [_length_check(given) if kind in {"string", "bytes"} else _dont_know]


def _range_check(given: dict[str, int]) -> Check:
    if not given.keys() <= {"gt", "gte", "lt", "lte"}:
        return _dont_know
    least = given.get("gte", given.get("gt", -(2**64)) + 1)
    most = given.get("lte", given.get("lt", 2**64 + 1) - 1)
    if most < least:  # which means, in the contract: outside of the range
        return _dont_know
    return lambda value: bool(least <= value <= most)


def _length_check(given: dict[str, int]) -> Check:
    if not given.keys() <= {"len", "min_len", "max_len"}:
        return _dont_know
    exactly = given.get("len")
    if exactly is not None:
        return _Length(exactly, exactly)
    return _Length(given.get("min_len", 0), given.get("max_len", float("inf")))


def _pattern_check(pattern: str) -> Check:
    """Only for patterns that mean the same in Python as in RE2, which the contracts are written for."""
    if not re.fullmatch(r"\^(\[[^\\\[\]^][^\\\[\]]*\]|[A-Za-z0-9_-]|\{\d+(,\d+)?\})+\$", pattern):
        return _dont_know
    matches = re.compile(pattern[1:-1]).fullmatch
    return lambda value: matches(value) is not None


def _enum_check(given: dict[str, Any], enum_type: EnumDescriptor | None) -> Check:
    if enum_type is None or not given.get("defined_only") or not given.keys() <= {"defined_only", "not_in"}:
        return _dont_know
    allowed = frozenset(enum_type.values_by_number) - frozenset(given.get("not_in", ()))
    return allowed.__contains__


def _expression_check(expression: str) -> Check:
    """Only for a bound of a number: `this > 0`, `this.minor_units > 0`."""
    comparison = re.fullmatch(r"this((?:\.\w+)*) (>=?) (-?\d+)", expression)
    if comparison is None:
        return _dont_know
    path, sign, bound = comparison[1].lstrip("."), comparison[2], int(comparison[3])
    least = bound if sign == ">=" else bound + 1
    if not path:
        return lambda value: type(value) is int and value >= least
    value_of = attrgetter(path)
    return lambda message: type(value := value_of(message)) is int and value >= least
