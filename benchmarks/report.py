"""The table that a person reads, and the JSON that a program reads."""

from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks.figures import Mark, Measurement, Outcome

_PROCESSES: Final = ("client", "service", "postgres")


def print_outcome(console: Console, title: str, outcome: Outcome) -> None:
    """The rates of a part with the CPU time of each item, its marks, and its notes."""
    rates = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    rates.add_column("measured", no_wrap=True)
    for heading in ("a second", "±", *(f"{process} µs" for process in _PROCESSES)):
        rates.add_column(heading, justify="right")
    for each in outcome.measurements:
        micros = (f"{each.cpu_micros(process):,.1f}" for process in _PROCESSES)
        rates.add_row(each.name, f"{each.rate:,.0f}", f"{each.spread:.0%}", *micros)
    console.print(rates)
    for mark in outcome.marks:
        console.print(f"  {mark_line(mark)}", highlight=False, soft_wrap=True)
    for note in outcome.notes:
        console.print(f"  {note}", highlight=False, markup=False, soft_wrap=True)
    console.print()


def mark_line(mark: Mark) -> str:
    """A mark in one line."""
    relation = "at most" if mark.at_most else "at least"
    verdict = "[green]reached[/]" if mark.reached else "[yellow]missed[/]"
    return f"{verdict} {mark.name}: {mark.value:.2f}{mark.unit}, wanted {relation} {mark.wanted:g}{mark.unit}"


def document(outcomes: Mapping[str, Outcome], about: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that was measured, for a file."""
    return {
        **about,
        "parts": {
            name: {
                "measurements": [_measurement(each) for each in outcome.measurements],
                "marks": [_mark(mark) for mark in outcome.marks],
                "notes": list(outcome.notes),
            }
            for name, outcome in outcomes.items()
        },
    }


def _measurement(each: Measurement) -> dict[str, Any]:
    return {
        "name": each.name,
        "unit": each.unit,
        "batch_size": each.batch_size,
        "rate": round(each.rate, 1),
        "spread": round(each.spread, 4),
        "cpu_micros": {process: round(each.cpu_micros(process), 2) for process in _PROCESSES},
        "rounds": [
            {"items": sample.items, "seconds": round(sample.seconds, 6), "cpu_seconds": dict(sample.cpu)}
            for sample in each.samples
        ],
    }


def _mark(mark: Mark) -> dict[str, Any]:
    return {
        "name": mark.name,
        "value": round(mark.value, 4),
        "wanted": mark.wanted,
        "at_most": mark.at_most,
        "unit": mark.unit,
        "reached": mark.reached,
    }
