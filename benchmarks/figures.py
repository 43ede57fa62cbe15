"""What was measured, and the arithmetic on it: rates, medians, spreads, ratios and marks.

Two things are compared round by round: they take turns, so that each ratio is of two rounds that saw the same
moods of the machine. The median of these ratios is what counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

MICRO: Final = 1e6


@dataclass(frozen=True, slots=True)
class Sample:
    """One round: so many items in so many seconds. cpu: the seconds that each of the processes used."""

    items: int
    seconds: float
    cpu: Mapping[str, float]

    @property
    def rate(self) -> float:
        """Items a second."""
        return self.items / self.seconds


@dataclass(frozen=True, slots=True)
class Measurement:
    """The rounds of one thing. batch_size: how many items a call or commit has, where a plot shows it."""

    name: str
    unit: str
    samples: Sequence[Sample]
    batch_size: int | None = None

    @property
    def rate(self) -> float:
        """Items a second: the median of the rounds."""
        return median(sample.rate for sample in self.samples)

    @property
    def spread(self) -> float:
        """Half of the way from the slowest round to the fastest, as a part of the median."""
        rates = [sample.rate for sample in self.samples]
        return (max(rates) - min(rates)) / 2 / self.rate

    def cpu_micros(self, process: str) -> float:
        """Microseconds of CPU for an item in one of the processes: the median of the rounds."""
        return median(sample.cpu.get(process, 0.0) / sample.items * MICRO for sample in self.samples)


@dataclass(frozen=True, slots=True)
class Mark:
    """A value that is wanted to be at least, or at most, something."""

    name: str
    value: float
    wanted: float
    at_most: bool = False
    unit: str = ""

    @property
    def reached(self) -> bool:
        """Whether it is."""
        return self.value <= self.wanted if self.at_most else self.value >= self.wanted


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a part measured. notes: lines for a person, for what is no rate."""

    measurements: Sequence[Measurement]
    marks: Sequence[Mark] = ()
    notes: Sequence[str] = field(default=())


def ratio(product: Measurement, limit: Measurement) -> float:
    """The median of the ratios of the rounds that took turns."""
    return median(one.rate / other.rate for one, other in zip(product.samples, limit.samples, strict=True))


def ratio_mark(product: Measurement, limit: Measurement, wanted: float) -> Mark:
    """The mark that one thing is at least so fast as a part of another."""
    return Mark(f"{product.name} / {limit.name}", ratio(product, limit), wanted)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of the values that so many percent of them do not exceed."""
    assert values, "of nothing"
    ordered = sorted(values)
    # Negated, because // rounds down, and the place of a percentile is rounded up.
    place = -(-len(ordered) * percent // 100)
    return ordered[max(int(place), 1) - 1]
