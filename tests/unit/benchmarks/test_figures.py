"""Rates, ratios and marks from rounds."""

import pytest

from benchmarks.figures import Mark, Measurement, Sample, percentile, ratio, ratio_mark
from benchmarks.parts.memory import growth


def measured(*rates: float, name: str = "posting", cpu: float = 0.0) -> Measurement:
    """A measurement of a hundred items a round, at these rates."""
    samples = [Sample(100, 100 / rate, {"service": cpu * place}) for place, rate in enumerate(rates, 1)]
    return Measurement(name, "transactions", samples)


def test_a_rate_is_the_median_of_the_rounds() -> None:
    assert measured(10, 1_000, 20).rate == pytest.approx(20)


def test_the_spread_is_half_of_the_range_as_a_part_of_the_median() -> None:
    assert measured(80, 100, 130).spread == pytest.approx(0.25)


def test_the_cpu_time_of_an_item_is_the_median_of_the_rounds() -> None:
    assert measured(10, 10, 10, cpu=0.001).cpu_micros("service") == pytest.approx(20)


def test_a_process_that_had_no_part_in_it_used_no_cpu_time() -> None:
    assert measured(10).cpu_micros("postgres") == 0


def test_a_ratio_is_of_rounds_that_took_turns() -> None:
    # The machine was ten times slower in the second round, for both.
    assert ratio(measured(50, 5, 60), measured(100, 10, 100)) == pytest.approx(0.5)


def test_a_ratio_needs_as_many_rounds_of_both() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratio(measured(1, 2), measured(1))


@pytest.mark.parametrize(("rate", "reached"), [(79, False), (80, True), (81, True)])
def test_a_mark_is_reached_from_the_wanted_part_of_the_limit_on(rate: float, reached: bool) -> None:
    mark = ratio_mark(measured(rate), measured(100, name="COPY"), 0.8)
    assert (mark.name, mark.reached) == ("posting / COPY", reached)


@pytest.mark.parametrize(("milliseconds", "reached"), [(4.9, True), (5.0, True), (5.1, False)])
def test_a_mark_for_a_duration_is_not_to_be_exceeded(milliseconds: float, reached: bool) -> None:
    assert Mark("p99", milliseconds, 5.0, at_most=True, unit=" ms").reached is reached


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, 1), (1, 1), (50, 50), (99, 99), (99.5, 100), (100, 100)]
)
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(percent: float, expected: int) -> None:
    assert percentile(range(100, 0, -1), percent) == expected


def test_memory_grows_by_what_the_last_quarter_has_more_than_the_second() -> None:
    assert growth([50, 90, 100, 100, 100, 105, 120, 120]) == pytest.approx(1.2)
