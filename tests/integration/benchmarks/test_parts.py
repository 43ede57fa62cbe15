"""Every part of the benchmarks runs, on next to nothing, and leaves right books."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from rich.console import Console

from benchmarks.__main__ import PARTS
from benchmarks.report import document, print_outcome
from benchmarks.scale import Scale
from benchmarks.stand import Stand, running_stand

LEAST = Scale(rounds=1, accounts=3, drafts=1, calls=64)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stand() -> AsyncIterator[Stand]:
    """A ledger for all parts."""
    async with running_stand(postgres_options={"fsync": "off"}) as running:
        yield running


@pytest.mark.parametrize("name", PARTS)
async def test_a_part_measures_and_compares(stand: Stand, name: str) -> None:
    outcome = await PARTS[name](stand, LEAST)

    assert all(len(each.samples) == LEAST.rounds and each.rate > 0 for each in outcome.measurements)
    assert all(mark.value > 0 for mark in outcome.marks)
    console = Console(record=True, width=200)
    print_outcome(console, name, outcome)
    report = console.export_text()
    assert all(each.name in report for each in outcome.measurements)
    assert all(mark.name in report for mark in outcome.marks)
    written = json.loads(json.dumps(document({name: outcome}, {"rounds": 1})))
    assert len(written["parts"][name]["marks"]) == len(outcome.marks)


async def test_the_books_are_right_after_all_of_them(stand: Stand) -> None:
    assert await stand.verify() > 0
