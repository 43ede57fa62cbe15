"""Every part of the benchmarks that needs no more than a ledger runs, on next to nothing, and leaves right
books. Those that start more are run by `make bench-quick`.
"""

import io
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from rich.console import Console

from benchmarks.__main__ import ON_A_LEDGER
from benchmarks.figures import Outcome
from benchmarks.report import document, print_outcome
from benchmarks.scale import Scale
from benchmarks.stand import Stand, running_stand

LEAST = Scale(
    rounds=1,
    accounts=3,
    drafts=1,
    calls=64,
    cycle_accounts=(2, 4),
    book_transactions=200,
    book_accounts=3,
    reads=2,
    memory_postings=1,
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stand() -> AsyncIterator[Stand]:
    """A ledger for all parts that need no more."""
    async with running_stand(postgres_options={"fsync": "off"}) as running:
        yield running


def report_of(name: str, outcome: Outcome) -> str:
    """What a person reads; what a program reads has to be a document, too."""
    page = io.StringIO()
    print_outcome(Console(file=page, width=200), name, outcome)
    written = json.loads(json.dumps(document({name: outcome}, {"rounds": 1})))
    assert len(written["parts"][name]["marks"]) == len(outcome.marks)
    return page.getvalue()


@pytest.mark.parametrize("name", ON_A_LEDGER)
async def test_a_part_measures_and_compares(stand: Stand, name: str) -> None:
    outcome = await ON_A_LEDGER[name](stand, LEAST)

    assert all(len(each.samples) == LEAST.rounds and each.rate > 0 for each in outcome.measurements)
    assert all(mark.value > 0 for mark in outcome.marks)
    report = report_of(name, outcome)
    assert all(each.name in report for each in outcome.measurements)
    assert all(mark.name in report for mark in outcome.marks)


async def test_the_books_are_right_after_all_of_them(stand: Stand) -> None:
    assert await stand.verify() > 0
