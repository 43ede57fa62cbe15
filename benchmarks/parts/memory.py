"""Memory: whether the ledger service has as much of it after many postings as after some."""

from collections.abc import Sequence
from statistics import median
from typing import Final

from benchmarks.figures import Mark, Measurement, Outcome
from benchmarks.meter import resident_bytes
from benchmarks.postings import bulk_round
from benchmarks.requests import check_calls
from benchmarks.scale import MOST_VERIFIED, Scale
from benchmarks.stand import running_stand

_DRAFTS: Final = 1_000
_IN_FLIGHT: Final = 8
_STAGES: Final = 20
_WANTED_GROWTH: Final = 1.1


async def measure(scale: Scale) -> Outcome:
    """Post, and look how much memory the ledger has after each twentieth of it."""
    calls = -(-scale.memory_postings // (_DRAFTS * _STAGES))
    async with running_stand() as stand:
        books = await stand.open_books(scale.accounts)
        post = bulk_round(stand.meter, stand.ledger, lambda: check_calls(books, calls, _DRAFTS), _IN_FLIGHT)
        samples, sizes = [], []
        for _ in range(_STAGES):
            samples.append(await post())
            sizes.append(resident_bytes(stand.ledger_pid))
        if scale.memory_postings <= MOST_VERIFIED:
            await stand.verify()
    name = f"{_STAGES * calls * _DRAFTS:,} postings, {_DRAFTS:,} a call, {_IN_FLIGHT} in flight"
    mark = Mark("memory of the last quarter / of the second", growth(sizes), _WANTED_GROWTH, at_most=True)
    mebibytes = ", ".join(f"{size / 2**20:.0f}" for size in sizes)
    return Outcome(
        [Measurement(name, "transactions", samples)],
        [mark],
        [f"resident memory of the ledger after each {100 // _STAGES} %: {mebibytes} MiB"],
    )


def growth(sizes: Sequence[int]) -> float:
    """What the last quarter has, as a part of what the second had: the first fills caches."""
    quarter = len(sizes) // 4
    return median(sizes[-quarter:]) / median(sizes[quarter : 2 * quarter])
