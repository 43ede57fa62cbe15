"""Measures a piece of work: the time on the clock, and the CPU time of every process that has a part in it.

On a machine with other things to do, the clock says how busy it was; CPU time stays the same.
"""

import gc
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import psutil

from benchmarks.figures import Sample

Result = TypeVar("Result")
CpuSeconds = Callable[[], float]


def own_cpu() -> float:
    """Of this process, which is the client."""
    return time.process_time()


def cpu_of(*pids: int) -> CpuSeconds:
    """Of other processes."""
    processes = [psutil.Process(pid) for pid in pids]

    def read() -> float:
        return sum(times.user + times.system for times in (process.cpu_times() for process in processes))

    return read


def cpu_of_postgres(data: Path) -> CpuSeconds:
    """Of a PostgreSQL server: all its processes, those that have ended included."""
    # The first line of the file is the process to which all others belong.
    postmaster = psutil.Process(int((data / "postmaster.pid").read_text().split()[0]))

    def read() -> float:
        own = postmaster.cpu_times()
        # children_...: of those that ended.
        seconds = own.user + own.system + own.children_user + own.children_system
        for process in postmaster.children():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                seconds += times.user + times.system
        return float(seconds)

    return read


def resident_bytes(pid: int) -> int:
    """How much memory a process has."""
    return int(psutil.Process(pid).memory_info().rss)


@contextmanager
def no_old_garbage() -> Iterator[None]:
    """What was prepared is no garbage, and to look for some in it is no part of the work that is timed."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


class Meter:
    """Measures by the clock and the CPU times of the processes that it is given, by their names."""

    def __init__(self, processes: Mapping[str, CpuSeconds]) -> None:
        self._processes = processes

    async def measure(self, items: int, work: Awaitable[Result]) -> tuple[Sample, Result]:
        """Do the work, which is of so many items; what it took, and what came out."""
        with no_old_garbage():
            before = {name: read() for name, read in self._processes.items()}
            began = time.perf_counter()
            result = await work
            seconds = time.perf_counter() - began
            after = {name: read() for name, read in self._processes.items()}
        return Sample(items, seconds, {name: after[name] - before[name] for name in before}), result
