"""A hot account: every posting on one account, against the same postings spread over many."""

from functools import partial
from typing import Final

from benchmarks.figures import Outcome, ratio_mark
from benchmarks.postings import bulk_round, single_round
from benchmarks.requests import check_calls
from benchmarks.rounds import Subject, take_turns
from benchmarks.scale import Scale
from benchmarks.stand import Stand

_DRAFTS: Final = 1_000
_CALLS_IN_FLIGHT: Final = 8
_SINGLES_IN_FLIGHT: Final = 64
_WANTED: Final = 0.8


async def measure(stand: Stand, scale: Scale) -> Outcome:
    """Measure bulk calls and single ones."""
    places = {"hot account": await stand.open_books(1), "spread": await stand.open_books(scale.accounts)}
    calls = -(-scale.drafts // _DRAFTS)
    bulk = await take_turns(
        [
            Subject(
                f"{place}, {_DRAFTS:,} a call, {_CALLS_IN_FLIGHT} in flight",
                "transactions",
                bulk_round(
                    stand.meter, stand.ledger, partial(check_calls, books, calls, _DRAFTS), _CALLS_IN_FLIGHT
                ),
            )
            for place, books in places.items()
        ],
        scale.rounds,
    )
    single = await take_turns(
        [
            Subject(
                f"{place}, single, {_SINGLES_IN_FLIGHT} in flight",
                "calls",
                single_round(stand.meter, stand.ledger, books, scale.calls, _SINGLES_IN_FLIGHT),
            )
            for place, books in places.items()
        ],
        scale.rounds,
    )
    return Outcome([*bulk, *single], [ratio_mark(hot, spread, _WANTED) for hot, spread in (bulk, single)])
