"""What is kept of every call: one log line when it ends, and the numbers that dashboards are made of."""

import random
import re
import time
from collections.abc import Iterable
from typing import Final

import grpc
import structlog
from prometheus_client import Counter, Gauge, Histogram

from service_kit.errors import DomainError
from service_kit.principal import Principal

# As gRPC servers in other languages name them (go-grpc-middleware), so that their dashboards fit.
_HANDLED: Final = Counter(
    "grpc_server_handled",
    "Calls that ended, by their code.",
    ("grpc_service", "grpc_method", "grpc_code"),
)
_HANDLING_SECONDS: Final = Histogram(
    "grpc_server_handling_seconds",
    "How long calls took, in seconds.",
    ("grpc_service", "grpc_method"),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
IN_FLIGHT: Final = Gauge("grpc_server_in_flight", "Calls that have begun and not ended.")

_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}.*")
_REQUEST_ID: Final = re.compile(r"[\w.:-]{1,128}", re.ASCII)
_NO_TRACE: Final = "0" * 32

_FAULTS_OF_OURS: Final = frozenset(
    {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS}
)
_WORTH_A_LOOK: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)


class MethodMeters:
    """The counters and the logger of one RPC, looked up once: looking up costs more than using them."""

    def __init__(self, path: str) -> None:
        self.log: structlog.typing.FilteringBoundLogger = structlog.get_logger().bind()
        self._labels = tuple(path.lstrip("/").split("/"))
        self._handled: dict[grpc.StatusCode, Counter] = {}
        self._seconds = _HANDLING_SECONDS.labels(*self._labels)

    def ended(self, code: grpc.StatusCode, seconds: float) -> None:
        """Count a call that ended."""
        handled = self._handled.get(code)
        if handled is None:
            handled = self._handled[code] = _HANDLED.labels(*self._labels, code.name)
        handled.inc()
        self._seconds.observe(seconds)


class CallRecord:
    """One call, from its arrival to its end."""

    __slots__ = ("_meters", "_path", "_quiet", "_started", "client_no", "principal", "request_id", "trace_id")

    def __init__(self, path: str, meters: MethodMeters, trace_id: str, *, quiet: bool) -> None:
        """Begin. quiet: a good end is logged at level debug only (probes knock every few seconds)."""
        self._path = path
        self._meters = meters
        self._quiet = quiet
        self._started = time.perf_counter()
        self.trace_id = trace_id
        self.principal: Principal | None = None
        self.client_no: int | None = None
        self.request_id: str | None = None

    def end(
        self, code: grpc.StatusCode, refusal: DomainError | None = None, failure: BaseException | None = None
    ) -> None:
        """Count and log the end. refusal: what the caller was told; failure: what really happened."""
        seconds = time.perf_counter() - self._started
        self._meters.ended(code, seconds)
        facts: dict[str, object] = {
            "method": self._path,
            "code": code.name,
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
        log = self._meters.log
        if code in _FAULTS_OF_OURS:
            log.error("call", **facts, exc_info=failure)
        elif code in _WORTH_A_LOOK:
            log.warning("call", **facts)
        elif self._quiet and code is grpc.StatusCode.OK:
            log.debug("call", **facts)
        else:
            log.info("call", **facts)


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
