"""The field rules that the contracts write on their messages (protovalidate), applied to what comes in."""

import re

import protovalidate
from google.protobuf.message import Message
from protovalidate import FieldPathElementPb, Violation

from service_kit.errors import DomainError, ErrorKind, FieldViolation, SharedReason
from service_kit.quick_validation import is_surely_valid


def require_valid(request: Message) -> None:
    """DomainError INVALID_ARGUMENT, reason INVALID_REQUEST, with a field violation for each rule broken."""
    if is_surely_valid(request):
        return
    violations = protovalidate.collect_violations(request)
    if not violations:
        return
    faults = tuple(_field_violation(violation) for violation in violations)
    first, others = faults[0], len(faults) - 1
    more = f" (and {others} more)" if others else ""
    raise DomainError(
        ErrorKind.INVALID_ARGUMENT,
        SharedReason.INVALID_REQUEST,
        f"{first.field}: {first.description}{more}" if first.field else f"{first.description}{more}",
        field_violations=faults,
    )


def _field_violation(violation: Violation) -> FieldViolation:
    facts = violation.proto
    path = ".".join(_element(element) for element in facts.field.elements) if facts.field else ""
    return FieldViolation(path, facts.message or f"breaks the rule {facts.rule_id}", _reason(facts.rule_id))


def _reason(rule_id: str) -> str:
    """The rule's name as google.rpc.BadRequest wants a reason spelled: "int64.gt" is INT64_GT."""
    return re.sub(r"\W", "_", rule_id).upper()


def _element(element: FieldPathElementPb) -> str:
    subscript = element.subscript
    if subscript is None:
        return element.field_name or ""
    key = subscript.value
    return f"{element.field_name}[{key if isinstance(key, int) else repr(key)}]"
