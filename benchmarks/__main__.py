"""python -m benchmarks [--quick] [--rounds N] [--long] [--profile] [--explain] [part ...]

Measures Tallybook against the limits of the machine, in turns with them, and prints what it found. It asserts
that what was posted is right, never how fast it was: the figures belong to the machine.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psutil
import uvloop
from rich.console import Console

from benchmarks.explaining import EXPLAINABLE
from benchmarks.figures import Outcome
from benchmarks.hot_plans import hot_plans
from benchmarks.parts import applied, book, cycle, hot, invoices, memory, posting, single
from benchmarks.plot import plot
from benchmarks.report import document, print_outcome
from benchmarks.scale import FULL, LONG_MEMORY_POSTINGS, QUICK, Scale
from benchmarks.stand import Stand, running_stand
from service_kit.logs import configure_logs

ON_A_LEDGER: Final[Mapping[str, Callable[[Stand, Scale], Awaitable[Outcome]]]] = {
    "posting": posting.measure,
    "single": single.measure,
    "hot": hot.measure,
    "applied": applied.measure,
    "invoices": invoices.measure,
}
"""The parts that share a ledger."""

ON_THEIR_OWN: Final[Mapping[str, Callable[[Scale], Awaitable[Outcome]]]] = {
    "book": book.measure,
    "cycle": cycle.measure,
    "memory": memory.measure,
}
"""The parts that start what they need."""

PARTS: Final = (*ON_A_LEDGER, *ON_THEIR_OWN)
RESULTS: Final = Path("build") / "benchmarks"


def main(arguments: list[str] | None = None) -> int:
    """Measure the parts that are asked for."""
    given = _parser().parse_args(arguments)
    configure_logs("benchmarks", log_format="console", level="warning")
    unknown = set(given.parts) - set(PARTS)
    if unknown:
        _parser().error(f"there is no part {', '.join(sorted(unknown))}: there are {', '.join(PARTS)}")
    scale = QUICK if given.quick else FULL
    if given.rounds:
        scale = replace(scale, rounds=given.rounds)
    if given.long:
        scale = replace(scale, memory_postings=LONG_MEMORY_POSTINGS)
    uvloop.run(_measure(given, [name for name in PARTS if name in given.parts or not given.parts], scale))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n\n")[2])
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="less of everything, to see that it works")
    parser.add_argument("--rounds", type=int, help="so many rounds that count")
    parser.add_argument("--long", action="store_true", help="watch the memory over ten million postings")
    parser.add_argument("--explain", action="store_true", help="print the plans of the hot statements, too")
    parser.add_argument(
        "--profile", action="store_true", help="run the ledger under cProfile, which slows it"
    )
    return parser


async def _measure(given: argparse.Namespace, names: list[str], scale: Scale) -> None:
    console = Console(width=max(Console().width, 130))
    about = _about(scale, quick=given.quick)
    console.print(f"{about['machine']}, {scale.rounds} rounds in turns; ±: half of the range of the rounds\n")
    outcomes = {}
    if not ON_A_LEDGER.keys().isdisjoint(names):
        async with _stand(given) as stand:
            for name in (name for name in names if name in ON_A_LEDGER):
                outcomes[name] = await ON_A_LEDGER[name](stand, scale)
                print_outcome(console, name, outcomes[name])
            if given.explain:
                for line in await hot_plans(stand):
                    console.print(line, highlight=False, markup=False, soft_wrap=True)
            console.print(f"the books are right: {await stand.verify():,} transactions\n", highlight=False)
    for name in (name for name in names if name in ON_THEIR_OWN):
        outcomes[name] = await ON_THEIR_OWN[name](scale)
        print_outcome(console, name, outcomes[name])
    RESULTS.mkdir(parents=True, exist_ok=True)
    results = RESULTS / "results.json"
    results.write_text(json.dumps(document(outcomes, about), indent=2) + "\n")
    console.print(f"written: {results}")
    if "posting" in outcomes:
        # Of each size: the ledger, the limit, and what only writes.
        measured = outcomes["posting"].measurements
        picture = RESULTS / "posting.svg"
        picture.write_text(plot(f"Posting on {about['machine']}", measured[::3], measured[1::3]))
        console.print(f"written: {picture}")


def _stand(given: argparse.Namespace) -> AbstractAsyncContextManager[Stand]:
    """The stand for the parts that need no more than a ledger."""
    options = EXPLAINABLE if given.explain else None
    if not given.profile:
        return running_stand(postgres_options=options)
    RESULTS.mkdir(parents=True, exist_ok=True)
    file = {"TALLYBOOK_BENCHMARK_PROFILE": str(RESULTS.resolve() / "ledger.pstats")}
    return running_stand(
        ledger_package="benchmarks.profiled_ledger", environment=file, postgres_options=options
    )


def _about(scale: Scale, *, quick: bool) -> dict[str, Any]:
    """On what it was measured, and when."""
    memory = psutil.virtual_memory().total / 2**30
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}",
        "rounds": scale.rounds,
        "quick": quick,
    }


if __name__ == "__main__":
    sys.exit(main())
