"""What a refusal looks like to a caller."""

from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status


@contextmanager
def refused(reason: str, code: grpc.StatusCode | None = None) -> Iterator[None]:
    """The block is refused with this reason of the batch service."""
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        yield
    status = rpc_status.from_call(refusal.value)  # type: ignore[arg-type]  # it has what is read
    assert status is not None, refusal.value
    info = ErrorInfo()
    assert any(detail.Unpack(info) for detail in status.details)
    assert (info.domain, info.reason) == ("batch.tallybook", reason), refusal.value.details()
    if code is not None:
        assert refusal.value.code() is code
