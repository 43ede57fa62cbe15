"""How busy a loop is said to be."""

import time

import pytest

from ledger_service import loop_load
from ledger_service.loop_load import LoopLoad


class _Clocks:
    """Two clocks that go as they are told."""

    def __init__(self) -> None:
        self.now = self.worked = 100.0

    def perf_counter(self) -> float:
        """The one on the wall."""
        return self.now

    def thread_time(self) -> float:
        """That of the processor."""
        return self.worked


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> _Clocks:
    clocks = _Clocks()
    monkeypatch.setattr(loop_load, "time", clocks)
    return clocks


def _load(clocks: _Clocks, share: float) -> LoopLoad:
    # The fields' own clocks are those of the module as it was imported.
    return LoopLoad(share, clocks.now, clocks.worked)


def _pass(clocks: _Clocks, load: LoopLoad, seconds: float, work: float) -> float:
    clocks.now += seconds
    clocks.worked += work
    load.look()
    return load.share


def test_a_thread_that_works_becomes_busy_little_by_little(clocks: _Clocks) -> None:
    load = _load(clocks, 0.0)
    shares = [_pass(clocks, load, 0.01, 0.01) for _ in range(30)]
    assert shares[0] == pytest.approx(0.22, abs=0.01)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0, abs=0.01)


def test_a_thread_that_works_half_of_the_time_is_half_busy(clocks: _Clocks) -> None:
    load = _load(clocks, 0.0)
    for _ in range(60):
        _pass(clocks, load, 0.01, 0.005)
    assert load.share == pytest.approx(0.5, abs=0.01)


def test_a_long_rest_counts_as_long_as_it_was(clocks: _Clocks) -> None:
    assert _pass(clocks, _load(clocks, 1.0), 3_600.0, 0.01) < 0.001


def test_a_moment_changes_little_and_nobody_is_more_than_busy(clocks: _Clocks) -> None:
    load = _load(clocks, 0.5)
    assert _pass(clocks, load, 0.00001, 0.00009) == pytest.approx(0.5, abs=0.001)
    assert _pass(clocks, load, 0.0, 0.001) == pytest.approx(0.5, abs=0.001)
    assert _pass(clocks, load, 10.0, 11.0) == pytest.approx(1.0)


def test_the_clocks_are_those_of_the_thread_it_is_made_in() -> None:
    load = LoopLoad()
    time.sleep(0.1)
    load.look()
    assert load.share < 0.2
