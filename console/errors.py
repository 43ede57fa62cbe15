"""Errors as a person reads them: one line that says what was wrong, why and in which field. Never a
traceback.
"""

import re
from collections.abc import Iterator
from typing import Final, cast

import grpc
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from console.exit_codes import ExitCode
from console.own_name import own_name
from service_kit.errors import DomainError


class ConsoleError(Exception):
    """What the command itself refuses or found; `message` is for the person at the terminal."""

    def __init__(self, message: str, exit_code: ExitCode, reason: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code
        self.reason = reason


class BadDataError(ConsoleError):
    """Something that was handed in can't be used: a file, a column, a date."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ExitCode.BAD_DATA)


_EXIT_CODES: Final = {
    grpc.StatusCode.INVALID_ARGUMENT: ExitCode.BAD_DATA,
    grpc.StatusCode.OUT_OF_RANGE: ExitCode.BAD_DATA,
    grpc.StatusCode.NOT_FOUND: ExitCode.FOUND_WRONG,
    grpc.StatusCode.ALREADY_EXISTS: ExitCode.FOUND_WRONG,
    grpc.StatusCode.FAILED_PRECONDITION: ExitCode.FOUND_WRONG,
    grpc.StatusCode.ABORTED: ExitCode.FOUND_WRONG,
    grpc.StatusCode.UNAVAILABLE: ExitCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: ExitCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ExitCode.UNAVAILABLE,
    grpc.StatusCode.UNAUTHENTICATED: ExitCode.NO_PERMISSION,
    grpc.StatusCode.PERMISSION_DENIED: ExitCode.NO_PERMISSION,
    grpc.StatusCode.CANCELLED: ExitCode.INTERRUPTED,
    grpc.StatusCode.UNIMPLEMENTED: ExitCode.UNAVAILABLE,
    grpc.StatusCode.INTERNAL: ExitCode.INTERNAL,
    grpc.StatusCode.UNKNOWN: ExitCode.INTERNAL,
    grpc.StatusCode.DATA_LOSS: ExitCode.INTERNAL,
}

# gRPC says which address it tried in the middle of a long sentence of its own.
_TRIED_ADDRESS: Final = re.compile(r"ipv[46]:([^ ]+?):? ")
_UNKNOWN_HOST: Final = re.compile(r"errors resolving ([^ ]+): ")


def root_error(error: Exception) -> Exception:
    """The error itself, out of the groups in which tasks that ran together wrap it."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def exit_code_of(error: Exception) -> ExitCode:
    """The exit code that an error deserves."""
    if isinstance(error, ConsoleError):
        return error.exit_code
    if isinstance(error, DomainError | OSError):
        return ExitCode.BAD_DATA
    if isinstance(error, grpc.RpcError):
        return _EXIT_CODES.get(_code_of(error), ExitCode.INTERNAL)
    return ExitCode.INTERNAL


def error_line(error: Exception) -> str:
    """The error in one line: "REASON: message (field: name)"."""
    if isinstance(error, grpc.RpcError):
        return _rpc_line(error)
    if isinstance(error, ConsoleError):
        return _joined(error.reason, error.message)
    if isinstance(error, DomainError):
        return _joined(error.reason, error.message)
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    return f"a fault of Tallybook itself ({type(error).__name__}: {error}); TALLYBOOK_TRACEBACK=1 shows where"


def status_line(status: Status) -> str:
    """A status that came inside of an answer (a refused draft of a bulk call), in one line."""
    reason = ""
    fields: list[str] = []
    for detail in _details(status):
        if isinstance(detail, ErrorInfo):
            reason = detail.reason
        elif isinstance(detail, BadRequest):
            fields = [violation.field for violation in detail.field_violations]
    unnamed = [field for field in fields if field and field not in status.message]
    message = status.message + (f" (field: {', '.join(unnamed)})" if unnamed else "")
    return _joined(reason, message)


def reason_of(error: grpc.RpcError) -> str:
    """The stable reason of a refusal, for example "ACCOUNT_NOT_FOUND"; empty when there is none."""
    status = _status_of(error)
    details = _details(status) if status else iter(())
    return next((detail.reason for detail in details if isinstance(detail, ErrorInfo)), "")


def is_refusal(error: grpc.RpcError) -> bool:
    """Whether the request itself was refused, so that sending it again is no use and its neighbours may do
    better.
    """
    return exit_code_of(error) in {ExitCode.BAD_DATA, ExitCode.FOUND_WRONG}


def _rpc_line(error: grpc.RpcError) -> str:
    status = _status_of(error)
    if status is not None:
        return status_line(status)
    code = _code_of(error)
    if code is grpc.StatusCode.UNAVAILABLE:
        return f"UNAVAILABLE: {_who_does_not_answer(_details_of(error))}"
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return (
            "UNIMPLEMENTED: another service answers there, or another version: see --ledger, --batch, --audit"
        )
    return _joined(code.name, _details_of(error))


def _who_does_not_answer(details: str) -> str:
    unknown = _UNKNOWN_HOST.search(details)
    if unknown is not None:
        return f"there is no host {unknown[1]}: see --ledger, --batch and --audit"
    tried = _TRIED_ADDRESS.search(details + " ")
    if tried is None:
        return f"a service does not answer: {details}"
    return f"the service at {tried[1]} does not answer. Start all of them with: {own_name()} up"


def _status_of(error: grpc.RpcError) -> Status | None:
    if not isinstance(error, grpc.aio.AioRpcError):
        return None
    try:
        # It reads code, details and trailing metadata; this error has them as calls do.
        status: Status | None = rpc_status.from_call(cast(grpc.Call, error))
    except ValueError:
        return None
    return status


def _details(status: Status) -> Iterator[Message]:
    for packed in status.details:
        for message in (ErrorInfo(), BadRequest()):
            if packed.Unpack(message):
                yield message


def _code_of(error: grpc.RpcError) -> grpc.StatusCode:
    return error.code() if isinstance(error, grpc.aio.AioRpcError) else grpc.StatusCode.UNKNOWN


def _details_of(error: grpc.RpcError) -> str:
    details = error.details() if isinstance(error, grpc.aio.AioRpcError) else str(error)
    return " ".join((details or "").split())


def _joined(reason: str, message: str) -> str:
    return f"{reason}: {message}" if reason else message
