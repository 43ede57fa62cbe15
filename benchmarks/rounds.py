"""Lets what is compared take turns, round after round."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from benchmarks.figures import Measurement, Sample


@dataclass(frozen=True, slots=True)
class Subject:
    """Something that can be measured. round: prepares one round, measures it, and checks what came out."""

    name: str
    unit: str
    round: Callable[[], Awaitable[Sample]]
    batch_size: int | None = None


async def take_turns(subjects: Sequence[Subject], rounds: int) -> list[Measurement]:
    """Measure each of the subjects so many times, in turns, after one round that does not count: it fills
    caches, opens connections and prepares statements.
    """
    samples: list[list[Sample]] = [[] for _ in subjects]
    for place in range(rounds + 1):
        for subject, taken in zip(subjects, samples, strict=True):
            sample = await subject.round()
            if place:
                taken.append(sample)
    return [
        Measurement(subject.name, subject.unit, taken, subject.batch_size)
        for subject, taken in zip(subjects, samples, strict=True)
    ]
