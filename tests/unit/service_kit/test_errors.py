"""What a refusal looks like on the wire."""

from datetime import timedelta
from typing import TypeVar

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, PreconditionFailure, RetryInfo
from google.rpc.status_pb2 import Status

from service_kit.error_status import STATUS_CODES, to_status
from service_kit.errors import (
    DomainError,
    ErrorKind,
    FieldViolation,
    PreconditionViolation,
    SharedReason,
    invalid_field,
)

Detail = TypeVar("Detail", bound=Message)


def detail(status: Status, kind: type[Detail]) -> Detail:
    """The one detail of a kind."""
    found = kind()
    (unpacked,) = [
        each.Unpack(found) for each in status.details if each.TypeName() == found.DESCRIPTOR.full_name
    ]
    assert unpacked
    return found


def test_every_kind_has_a_canonical_code_of_its_own() -> None:
    assert set(STATUS_CODES) == set(ErrorKind)
    assert len(set(STATUS_CODES.values())) == len(ErrorKind)


@pytest.mark.parametrize("kind", ErrorKind)
def test_a_kind_is_named_like_its_code(kind: ErrorKind) -> None:
    assert STATUS_CODES[kind].name == kind.name


@pytest.mark.parametrize("code", [grpc.StatusCode.OK, grpc.StatusCode.UNKNOWN, grpc.StatusCode.CANCELLED])
def test_no_kind_can_mean_ok_unknown_or_cancelled(code: grpc.StatusCode) -> None:
    assert code not in STATUS_CODES.values()


def test_every_status_says_why_in_which_domain() -> None:
    error = DomainError(
        ErrorKind.FAILED_PRECONDITION, "ALREADY_VOIDED", "17 is void", metadata={"event_no": "17"}
    )
    status = to_status(error, "ledger.tallybook")
    assert status.code == grpc.StatusCode.FAILED_PRECONDITION.value[0]
    assert status.message == "17 is void"
    info = detail(status, ErrorInfo)
    assert (info.reason, info.domain, dict(info.metadata)) == (
        "ALREADY_VOIDED",
        "ledger.tallybook",
        {"event_no": "17"},
    )
    assert len(status.details) == 1


def test_faults_of_fields_are_told_field_by_field() -> None:
    error = DomainError(
        ErrorKind.INVALID_ARGUMENT,
        "X",
        "m",
        field_violations=(
            FieldViolation("drafts[3].amount", "must be positive", "INT64_GT"),
            FieldViolation("b", "c"),
        ),
    )
    violations = detail(to_status(error, "d"), BadRequest).field_violations
    assert [(each.field, each.description, each.reason) for each in violations] == [
        ("drafts[3].amount", "must be positive", "INT64_GT"),
        ("b", "c", ""),
    ]


def test_faults_of_the_state_are_told_as_preconditions() -> None:
    error = DomainError(
        ErrorKind.FAILED_PRECONDITION,
        "X",
        "m",
        precondition_violations=(PreconditionViolation("LIVE_REFUND", "transactions/18", "void it first"),),
    )
    (violation,) = detail(to_status(error, "d"), PreconditionFailure).violations
    assert (violation.type, violation.subject, violation.description) == (
        "LIVE_REFUND",
        "transactions/18",
        "void it first",
    )


def test_a_retry_that_helps_has_its_delay() -> None:
    error = DomainError(ErrorKind.UNAVAILABLE, "X", "m", retry_after=timedelta(milliseconds=1500))
    assert detail(to_status(error, "d"), RetryInfo).retry_delay.ToTimedelta() == timedelta(seconds=1.5)


def test_a_status_fits_into_trailers_however_much_is_wrong() -> None:
    violations = tuple(
        FieldViolation(f"drafts[{n}].amount.minor_units", "must be greater than 0", "INT64_GT")
        for n in range(8000)
    )
    error = DomainError(
        ErrorKind.INVALID_ARGUMENT,
        "X",
        "é" * 5000,
        field_violations=violations,
        retry_after=timedelta(seconds=1),
    )
    status = to_status(error, "ledger.tallybook")
    # As base64, beside the message in percent encoding, in trailers of at most 8 KiB.
    assert status.ByteSize() * 4 / 3 + 3 * len(status.message.encode()) < 8 * 1024
    told = len(detail(status, BadRequest).field_violations)
    assert told > 10
    assert detail(status, ErrorInfo).metadata["violations_left_out"] == str(8000 - told)
    assert status.message.endswith("...")


def test_a_single_fault_is_told_even_when_it_is_long() -> None:
    error = invalid_field("comment", "x" * 3500)
    assert len(detail(to_status(error, "d"), BadRequest).field_violations) == 1


def test_an_invalid_field_names_itself_in_the_message() -> None:
    error = invalid_field("page_size", "-1 is negative")
    assert (error.kind, error.reason) == (ErrorKind.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert error.message == str(error) == "page_size: -1 is negative"


def test_a_reason_is_spelled_as_it_is_named() -> None:
    assert all(reason.value == reason.name for reason in SharedReason)
