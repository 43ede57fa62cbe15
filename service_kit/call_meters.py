"""The numbers of calls that dashboards are made of, by RPC.

They are plain numbers, and become metrics when somebody asks for them. A counter and a histogram of
prometheus_client take several locks for each call, which costs more than to verify who calls.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from itertools import accumulate
from typing import Final

from prometheus_client import REGISTRY, Gauge
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

IN_FLIGHT: Final = Gauge("grpc_server_in_flight", "Calls that have begun and not ended.")

_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_BOUNDS: Final = [*(str(float(bound)) for bound in _BUCKETS), "+Inf"]
_METHOD: Final = ("grpc_service", "grpc_method")


class MethodMeters:
    """What is counted of one RPC. Only the thread of the event loop counts; any may read."""

    def __init__(self, path: str) -> None:
        """Of the RPC with this path; see `meters_of`."""
        self._method = tuple(path.lstrip("/").split("/"))
        self._handled: defaultdict[str, int] = defaultdict(int)
        self._in_bucket = [0] * len(_BOUNDS)
        self._seconds = 0.0

    def ended(self, code: str, seconds: float) -> None:
        """Count a call that ended, with a code of gRPC by its name."""
        self._handled[code] += 1
        self._in_bucket[bisect_left(_BUCKETS, seconds)] += 1
        self._seconds += seconds

    def add_to(self, handled: CounterMetricFamily, seconds: HistogramMetricFamily) -> None:
        """Add what was counted until now."""
        for code, count in list(self._handled.items()):
            handled.add_metric((*self._method, code), count)
        buckets = list(zip(_BOUNDS, accumulate(self._in_bucket.copy()), strict=True))
        seconds.add_metric(self._method, buckets, self._seconds)


class _CallCollector(Collector):
    """Tells prometheus_client what was counted of all RPCs, named as gRPC servers in other languages name it
    (go-grpc-middleware), so that their dashboards fit.
    """

    def __init__(self) -> None:
        self.methods: list[MethodMeters] = []

    def collect(self) -> Iterator[Metric]:
        handled = CounterMetricFamily(
            "grpc_server_handled", "Calls that ended, by their code.", labels=(*_METHOD, "grpc_code")
        )
        seconds = HistogramMetricFamily(
            "grpc_server_handling_seconds", "How long calls took, in seconds.", labels=_METHOD
        )
        for method in self.methods.copy():
            method.add_to(handled, seconds)
        yield handled
        yield seconds


_COLLECTOR: Final = _CallCollector()
REGISTRY.register(_COLLECTOR)


@cache
def meters_of(path: str) -> MethodMeters:
    """The meters of an RPC, the same for all servers of a process."""
    meters = MethodMeters(path)
    _COLLECTOR.methods.append(meters)
    return meters
