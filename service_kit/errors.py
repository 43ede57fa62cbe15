"""The one error type that the domain raises, everywhere.

Rules and stores say *what* was refused with a `DomainError`; how that looks on the wire is written once, in
`error_status`. This module therefore imports neither gRPC nor generated code, so that rules may import it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, StrEnum, auto
from types import MappingProxyType


class ErrorKind(Enum):
    """The kinds of refusal, one for each canonical code that a service may answer with (AIP-193).

    CANCELLED, UNKNOWN and DATA_LOSS are missing on purpose: no rule can mean them.
    """

    INVALID_ARGUMENT = auto()
    """The request is wrong whatever the state: the caller must change it."""
    OUT_OF_RANGE = auto()
    """A valid request reaches past the end of what exists."""
    NOT_FOUND = auto()
    ALREADY_EXISTS = auto()
    FAILED_PRECONDITION = auto()
    """The state forbids it: the caller must change the state first, a bare retry is no use."""
    ABORTED = auto()
    """A concurrent change got in the way: the same request may succeed when it is sent again."""
    PERMISSION_DENIED = auto()
    UNAUTHENTICATED = auto()
    RESOURCE_EXHAUSTED = auto()
    UNAVAILABLE = auto()
    """Not now: the same request may succeed later."""
    DEADLINE_EXCEEDED = auto()
    UNIMPLEMENTED = auto()
    INTERNAL = auto()
    """An invariant is broken: somebody must look."""


class SharedReason(StrEnum):
    """The reasons that any service may answer with, beside those of its own contract. Only ever grows."""

    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: list[str]) -> str:
        return name  # the wire wants the name as it is written, StrEnum's default is lower case

    INVALID_REQUEST = auto()
    """A field breaks the rule that the contract writes on it."""
    INVALID_PAGE_TOKEN = auto()
    CURRENCY_UNKNOWN = auto()
    DATE_INVALID = auto()
    AMOUNT_OUT_OF_RANGE = auto()
    CREDENTIALS_MISSING = auto()
    CREDENTIALS_INVALID = auto()
    CREDENTIALS_EXPIRED = auto()
    ROLE_MISSING = auto()
    CLIENT_NOT_ALLOWED = auto()
    DEADLINE_EXCEEDED = auto()
    DATABASE_UNAVAILABLE = auto()
    DEPENDENCY_UNAVAILABLE = auto()
    CONCURRENT_CHANGE = auto()
    SERVICE_STARTING = auto()
    SERVICE_STOPPING = auto()
    INTERNAL = auto()


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One fault of one field.

    `field` is the path in the request as the contract spells it, e.g. `drafts[3].amount.minor_units`.
    """

    field: str
    description: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PreconditionViolation:
    """One thing about the state that forbids the request (google.rpc.PreconditionFailure.Violation)."""

    type: str
    subject: str
    description: str


class DomainError(Exception):
    """What was refused, why, and what the person who has to act can do about it.

    kind: decides the canonical code.
    reason: the name of a value of the service's error reason enum without its prefix, e.g. "ALREADY_VOIDED".
    message: a sentence for the person who has to act: what was wrong, which value, what would be right.
    metadata: what a program needs to act on it (google.rpc.ErrorInfo.metadata), e.g. {"event_no": "17"}.
    retry_after: how long to wait before the same request has a chance; None when waiting is no help.
    """

    def __init__(
        self,
        kind: ErrorKind,
        reason: str,
        message: str,
        *,
        metadata: Mapping[str, str] = MappingProxyType({}),
        field_violations: tuple[FieldViolation, ...] = (),
        precondition_violations: tuple[PreconditionViolation, ...] = (),
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.reason = str(reason)
        self.message = message
        self.metadata = metadata
        self.field_violations = field_violations
        self.precondition_violations = precondition_violations
        self.retry_after = retry_after

    def __repr__(self) -> str:
        return f"DomainError({self.kind.name}, {self.reason!r}, {self.message!r})"


def invalid_field(field: str, description: str, reason: str = SharedReason.INVALID_REQUEST) -> DomainError:
    """An INVALID_ARGUMENT about one field, to be raised; `description` goes on after the field's name."""
    return DomainError(
        ErrorKind.INVALID_ARGUMENT,
        reason,
        f"{field}: {description}",
        field_violations=(FieldViolation(field, description, str(reason)),),
    )
