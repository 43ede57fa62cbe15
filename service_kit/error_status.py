"""How a refusal looks on the wire: the one mapping from `DomainError` to google.rpc.Status (AIP-193)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, PreconditionFailure, RetryInfo
from google.rpc.status_pb2 import Status

from service_kit.errors import DomainError, ErrorKind, FieldViolation

STATUS_CODES: Final[Mapping[ErrorKind, grpc.StatusCode]] = MappingProxyType(
    {
        ErrorKind.INVALID_ARGUMENT: grpc.StatusCode.INVALID_ARGUMENT,
        ErrorKind.OUT_OF_RANGE: grpc.StatusCode.OUT_OF_RANGE,
        ErrorKind.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
        ErrorKind.ALREADY_EXISTS: grpc.StatusCode.ALREADY_EXISTS,
        ErrorKind.FAILED_PRECONDITION: grpc.StatusCode.FAILED_PRECONDITION,
        ErrorKind.ABORTED: grpc.StatusCode.ABORTED,
        ErrorKind.PERMISSION_DENIED: grpc.StatusCode.PERMISSION_DENIED,
        ErrorKind.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
        ErrorKind.RESOURCE_EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
        ErrorKind.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
        ErrorKind.DEADLINE_EXCEEDED: grpc.StatusCode.DEADLINE_EXCEEDED,
        ErrorKind.UNIMPLEMENTED: grpc.StatusCode.UNIMPLEMENTED,
        ErrorKind.INTERNAL: grpc.StatusCode.INTERNAL,
    }
)

STATUS_DETAILS_KEY: Final = "grpc-status-details-bin"

# A status travels in HTTP/2 trailers, and gRPC implementations refuse trailers above 8 KiB. There the details
# are in base64, and beside them the message is percent-encoded, with up to three bytes for one of UTF-8.
_LARGEST_DETAILS_BYTES: Final = 3 * 1024
_LARGEST_MESSAGE_BYTES: Final = 768
_SHORT_MESSAGE_BYTES: Final = 160


def to_status(error: DomainError, domain: str) -> Status:
    """The rich status of `error`; `domain` names the service, e.g. "ledger.tallybook".

    Details: ErrorInfo always; BadRequest, PreconditionFailure and RetryInfo where the error has something to
    say. A status too large for trailers would reach nobody, so the last field violations are left out of a
    long list, and ErrorInfo.metadata says how many (`violations_left_out`).
    """
    status = Status(code=STATUS_CODES[error.kind].value[0], message=_shortened(error.message))
    info = ErrorInfo(reason=error.reason, domain=domain, metadata=error.metadata)
    details: list[Message] = []
    if error.precondition_violations:
        details.append(_precondition_failure(error))
    if error.retry_after is not None:
        delay = Duration()
        delay.FromTimedelta(error.retry_after)
        details.append(RetryInfo(retry_delay=delay))
    if error.field_violations:
        room = _LARGEST_DETAILS_BYTES - info.ByteSize() - sum(detail.ByteSize() for detail in details)
        bad_request = _bad_request(error.field_violations, room)
        left_out = len(error.field_violations) - len(bad_request.field_violations)
        if left_out:
            info.metadata["violations_left_out"] = str(left_out)
        details.insert(0, bad_request)
    for detail in (info, *details):
        packed = Any()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def shorten_status(status: Status) -> None:
    """Leave of a status what a program must know: the code, the reason, and the beginning of the message.

    At most some 300 bytes, for lists of thousands of refusals in one answer.
    """
    info = ErrorInfo()
    status.details[0].Unpack(info)
    del status.details[:]
    status.details.add().Pack(ErrorInfo(reason=info.reason, domain=info.domain))
    status.message = _shortened(status.message, _SHORT_MESSAGE_BYTES)


def _bad_request(violations: tuple[FieldViolation, ...], room: int) -> BadRequest:
    bad_request = BadRequest()
    for violation in violations:
        bad_request.field_violations.add(
            field=violation.field, description=violation.description, reason=violation.reason
        )
        if bad_request.ByteSize() > room and len(bad_request.field_violations) > 1:
            del bad_request.field_violations[-1]
            break
    return bad_request


def _precondition_failure(error: DomainError) -> PreconditionFailure:
    return PreconditionFailure(
        violations=[
            PreconditionFailure.Violation(type=each.type, subject=each.subject, description=each.description)
            for each in error.precondition_violations
        ]
    )


def _shortened(message: str, largest: int = _LARGEST_MESSAGE_BYTES) -> str:
    encoded = message.encode(errors="replace")
    if len(encoded) <= largest:
        return encoded.decode()
    return encoded[: largest - 3].decode(errors="ignore") + "..."
