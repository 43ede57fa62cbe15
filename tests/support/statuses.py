"""Reading what a server refused with, as a client does."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, PreconditionFailure, RetryInfo
from google.rpc.status_pb2 import Status


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal: the code, its rich status, and the trailing metadata."""

    code: grpc.StatusCode
    message: str
    status: Status
    trailers: dict[str, str | bytes]

    @property
    def reason(self) -> str:
        """ErrorInfo.reason; "" where gRPC itself refused."""
        return self.info.reason

    @property
    def info(self) -> ErrorInfo:
        """Why, in which domain."""
        info = ErrorInfo()
        self._unpack(info)
        return info

    @property
    def fields(self) -> list[str]:
        """The paths of the fields that are wrong."""
        faults = BadRequest()
        self._unpack(faults)
        return [violation.field for violation in faults.field_violations]

    @property
    def preconditions(self) -> list[str]:
        """The types of what the state lacks."""
        faults = PreconditionFailure()
        self._unpack(faults)
        return [violation.type for violation in faults.violations]

    @property
    def retry_seconds(self) -> float | None:
        """How long to wait before a retry, None when it is no use."""
        retry = RetryInfo()
        return retry.retry_delay.ToTimedelta().total_seconds() if self._unpack(retry) else None

    def _unpack(self, detail: Any) -> bool:
        return any(packed.Unpack(detail) for packed in self.status.details)


async def refused(call: Awaitable[Any]) -> Refusal:
    """What the call is refused with; fails when it is not."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return refusal_of(caught.value)


def refusal_of(error: grpc.aio.AioRpcError) -> Refusal:
    """The refusal in an error that a call raised."""
    trailers = dict(error.trailing_metadata() or ())
    status = Status()
    status.ParseFromString(bytes(trailers.get("grpc-status-details-bin", b"")))
    return Refusal(error.code(), error.details() or "", status, trailers)
