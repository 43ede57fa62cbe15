"""How much is measured: enough for figures to trust, or just enough to see that everything works."""

from dataclasses import dataclass
from typing import Final

MOST_VERIFIED: Final = 1_000_000
"""To verify more takes longer than to measure it, and proves no more than the same with less."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The sizes of all parts."""

    rounds: int
    accounts: int
    """Over which postings are spread."""
    drafts: int
    """Of a round of bulk calls."""
    calls: int
    """Of a round of single calls with 64 in flight; of one at a time it is a quarter."""
    cycle_accounts: tuple[int, ...]
    """Over which the daily cycle runs, one night after the other."""
    book_transactions: int
    book_accounts: int
    reads: int
    """Of each kind, from the big book."""
    memory_postings: int
    """Over which the memory of the ledger is watched."""


FULL: Final = Scale(
    rounds=5,
    accounts=1_000,
    drafts=96_000,
    calls=8_000,
    cycle_accounts=(1_000, 10_000, 100_000),
    book_transactions=10_000_000,
    book_accounts=10_000,
    reads=2_000,
    memory_postings=1_000_000,
)
LONG_MEMORY_POSTINGS: Final = 10_000_000
"""What --long takes instead."""

QUICK: Final = Scale(
    rounds=2,
    accounts=200,
    drafts=8_000,
    calls=400,
    cycle_accounts=(200, 1_000),
    book_transactions=50_000,
    book_accounts=200,
    reads=100,
    memory_postings=40_000,
)
