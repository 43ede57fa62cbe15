"""Errors in one line, and the exit codes that they deserve."""

from pathlib import Path

import grpc
import pytest

from console.errors import (
    BadDataError,
    ConsoleError,
    error_line,
    exit_code_of,
    is_refusal,
    reason_of,
    root_error,
)
from console.exit_codes import ExitCode
from service_kit.error_status import STATUS_DETAILS_KEY, to_status
from service_kit.errors import DomainError, ErrorKind, FieldViolation, invalid_field


def rpc_error(error: DomainError) -> grpc.aio.AioRpcError:
    """What the client sees when a service refuses with `error`."""
    status = to_status(error, "ledger.tallybook")
    code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
    trailers = grpc.aio.Metadata((STATUS_DETAILS_KEY, status.SerializeToString()))
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailers, status.message)


def bare_error(code: grpc.StatusCode, details: str) -> grpc.aio.AioRpcError:
    """What the client sees when no service had the word."""
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details)


def test_a_refusal_is_its_reason_and_its_message() -> None:
    refused = rpc_error(DomainError(ErrorKind.NOT_FOUND, "ACCOUNT_NOT_FOUND", "client 1 has no account 7"))
    assert error_line(refused) == "ACCOUNT_NOT_FOUND: client 1 has no account 7"
    assert reason_of(refused) == "ACCOUNT_NOT_FOUND"


def test_a_field_is_named_once() -> None:
    assert error_line(rpc_error(invalid_field("page_size", "must not be negative"))) == (
        "INVALID_REQUEST: page_size: must not be negative"
    )
    unnamed = DomainError(
        ErrorKind.INVALID_ARGUMENT,
        "INVALID_REQUEST",
        "the request breaks a rule of its contract",
        field_violations=(FieldViolation("client_no", "must be greater than 0"),),
    )
    assert error_line(rpc_error(unnamed)).endswith("(field: client_no)")


@pytest.mark.parametrize(
    ("kind", "exit_code"),
    [
        (ErrorKind.INVALID_ARGUMENT, ExitCode.BAD_DATA),
        (ErrorKind.NOT_FOUND, ExitCode.FOUND_WRONG),
        (ErrorKind.FAILED_PRECONDITION, ExitCode.FOUND_WRONG),
        (ErrorKind.PERMISSION_DENIED, ExitCode.NO_PERMISSION),
        (ErrorKind.UNAUTHENTICATED, ExitCode.NO_PERMISSION),
        (ErrorKind.UNAVAILABLE, ExitCode.UNAVAILABLE),
        (ErrorKind.DEADLINE_EXCEEDED, ExitCode.UNAVAILABLE),
        (ErrorKind.INTERNAL, ExitCode.INTERNAL),
    ],
)
def test_the_exit_code_says_what_kind_of_refusal_it_was(kind: ErrorKind, exit_code: ExitCode) -> None:
    assert exit_code_of(rpc_error(DomainError(kind, "ANY", "any"))) is exit_code


def test_when_nobody_answers_the_line_says_how_to_start() -> None:
    line = error_line(
        bare_error(grpc.StatusCode.UNAVAILABLE, "failed to connect\n to ipv4:127.0.0.1:50051: refused")
    )
    assert "tallybook up" in line
    assert "127.0.0.1:50051" in line
    assert "\n" not in line


def test_a_host_that_is_not_there_and_a_service_that_is_another_one_are_not_faults_of_tallybook() -> None:
    nobody = bare_error(
        grpc.StatusCode.UNAVAILABLE, "errors resolving nowhere:1: [field:hostname lookup error:not found]"
    )
    assert error_line(nobody) == "UNAVAILABLE: there is no host nowhere:1: see --ledger, --batch and --audit"
    another = bare_error(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
    assert "another service answers there" in error_line(another)
    assert exit_code_of(nobody) is exit_code_of(another) is ExitCode.UNAVAILABLE


def test_a_row_may_be_refused_but_an_outage_is_not_the_fault_of_a_row() -> None:
    assert is_refusal(rpc_error(DomainError(ErrorKind.ALREADY_EXISTS, "EXTERNAL_ID_TAKEN", "taken")))
    assert not is_refusal(bare_error(grpc.StatusCode.UNAVAILABLE, ""))


def test_errors_of_tasks_that_ran_together_come_out_of_their_groups() -> None:
    error = BadDataError("no")
    assert root_error(ExceptionGroup("outer", [ExceptionGroup("inner", [error])])) is error


def test_errors_of_the_command_itself(tmp_path: Path) -> None:
    assert error_line(ConsoleError("no", ExitCode.FOUND_WRONG, "REASON")) == "REASON: no"
    assert exit_code_of(BadDataError("no")) is ExitCode.BAD_DATA
    missing = FileNotFoundError(2, "No such file or directory", str(tmp_path / "a.csv"))
    assert error_line(missing) == f"{tmp_path}/a.csv: No such file or directory"
    assert exit_code_of(missing) is ExitCode.BAD_DATA


def test_a_fault_of_our_own_is_admitted() -> None:
    assert exit_code_of(ZeroDivisionError("division by zero")) is ExitCode.INTERNAL
    assert "a fault of Tallybook itself (ZeroDivisionError" in error_line(
        ZeroDivisionError("division by zero")
    )
