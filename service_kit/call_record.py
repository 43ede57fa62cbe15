"""What is kept of every call: the trace id, what its line in the log says, and how to end it early."""

import asyncio
import logging
import random
import re
import time
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

import grpc
import structlog

from service_kit.call_meters import MethodMeters
from service_kit.errors import DomainError
from service_kit.principal import Principal

_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}.*")
_REQUEST_ID: Final = re.compile(r"[\w.:-]{1,128}", re.ASCII)
_NO_TRACE: Final = "0" * 32

# By the name of the code; the others are good ends, or the caller's own fault.
_LEVELS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "INTERNAL": logging.ERROR,
        "UNKNOWN": logging.ERROR,
        "DATA_LOSS": logging.ERROR,
        "UNAVAILABLE": logging.WARNING,
        "RESOURCE_EXHAUSTED": logging.WARNING,
        "DEADLINE_EXCEEDED": logging.WARNING,
        "UNIMPLEMENTED": logging.WARNING,
    }
)


class CallRecord:
    """One call, from its arrival to its end."""

    __slots__ = (
        "_log",
        "_meters",
        "_path",
        "_quiet",
        "_started",
        "_task",
        "client_no",
        "cut_for",
        "principal",
        "request_id",
        "trace_id",
    )

    def __init__(
        self,
        path: str,
        meters: MethodMeters,
        log: structlog.typing.FilteringBoundLogger,
        trace_id: str,
        *,
        quiet: bool,
    ) -> None:
        """Begin, in the task of the call. quiet: a good end is logged at level debug only (probes knock every
        few seconds).
        """
        self._path = path
        self._meters = meters
        self._log = log
        self._quiet = quiet
        self._started = time.perf_counter()
        self._task: asyncio.Task[Any] | None = asyncio.current_task()
        self.trace_id = trace_id
        self.principal: Principal | None = None
        self.client_no: int | None = None
        self.request_id: str | None = None
        self.cut_for: DomainError | None = None
        """Why it was cut, which is what its caller is told."""

    def cut(self, refusal: DomainError) -> None:
        """End it now, from outside."""
        assert self._task is not None, "calls are served in tasks"
        self.cut_for = refusal
        self._task.cancel()

    def end(
        self, code: grpc.StatusCode, refusal: DomainError | None = None, failure: BaseException | None = None
    ) -> None:
        """Count and log the end. refusal: what the caller was told; failure: what really happened."""
        seconds, name = time.perf_counter() - self._started, code.name
        self._meters.ended(name, seconds)
        is_quiet = self._quiet and code is grpc.StatusCode.OK
        level = logging.DEBUG if is_quiet else _LEVELS.get(name, logging.INFO)
        if self._log.is_enabled_for(level):
            facts = self._facts(name, seconds, refusal, failure)
            if level == logging.ERROR:
                facts["exc_info"] = failure
            self._log.log(level, "call", **facts)

    def _facts(
        self, code: str, seconds: float, refusal: DomainError | None, failure: BaseException | None
    ) -> dict[str, object]:
        facts: dict[str, object] = {
            "method": self._path,
            "code": code,
            "duration_ms": round(seconds * 1000, 3),
            "trace_id": self.trace_id,
        }
        if self.principal is not None:
            facts["principal"] = self.principal.subject
        if self.client_no is not None:
            facts["client_no"] = self.client_no
        if self.request_id:
            facts["request_id"] = self.request_id
        if refusal is not None:
            facts["reason"] = refusal.reason
            facts["message"] = refusal.message
        if failure is not None and failure is not refusal:
            facts["cause"] = f"{type(failure).__name__}: {failure}"
        return facts


def trace_id_of(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """The trace id that the caller sent (W3C `traceparent`, or `x-request-id`), or else a new one."""
    request_id = None
    for key, value in metadata:
        if key == "traceparent" and isinstance(value, str):
            match = _TRACEPARENT.fullmatch(value)
            if match and match[1] != _NO_TRACE:
                return match[1]
        elif key == "x-request-id" and isinstance(value, str) and _REQUEST_ID.fullmatch(value):
            # What a caller sends goes to the log, so only what can't disturb a log is taken over.
            request_id = value
    # Unique is enough: nobody gains anything by guessing it, and the system's randomness costs a system call.
    return request_id or f"{random.getrandbits(128):032x}"
