"""What the statements of a service read, as PostgreSQL itself says: EXPLAIN (ANALYZE, BUFFERS) of each
statement that runs meanwhile, by the module auto_explain. COPY has no plan.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.stand import Stand

EXPLAINABLE: Final[Mapping[str, str]] = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_format": "json",
    "auto_explain.log_parameter_max_length": "0",
}
"""Options of PostgreSQL for a stand whose statements can be explained. Nothing is before it is asked for."""

# The line that announces a plan, and the plan, which is JSON on lines that begin with a tab.
_LOGGED: Final = re.compile(r"duration: (?P<milliseconds>[\d.]+) ms  plan:\n(?P<plan>(?:\t.*\n)+)")
_RELOAD: Final = "SELECT pg_reload_conf()"
_SECONDS_TO_RELOAD: Final = 0.5


@dataclass(frozen=True, slots=True)
class Explained:
    """A statement that ran, with its plan."""

    statement: str
    milliseconds: float
    plan: Mapping[str, Any]

    @property
    def rows(self) -> int:
        """How many rows it read from tables and indexes, those included that it did not want."""
        return sum(
            round((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])
            for _, node in _nodes(self.plan)
            if "Relation Name" in node and "Actual Rows" in node
        )

    @property
    def buffers(self) -> int:
        """How many pages of 8 KiB it looked at, in memory or not."""
        return int(self.plan["Shared Hit Blocks"] + self.plan["Shared Read Blocks"])

    def lines(self) -> Iterator[str]:
        """The plan for a person: a line for each node."""
        for depth, node in _nodes(self.plan):
            source = node.get("Index Name") or node.get("Relation Name") or ""
            rows = (
                f"{node['Actual Rows']:g} rows x {node['Actual Loops']:g}, " if "Actual Rows" in node else ""
            )
            pages = node["Shared Hit Blocks"] + node["Shared Read Blocks"]
            yield f"{'  ' * depth}{node['Node Type']} {source} ({rows}{pages} pages)"


@asynccontextmanager
async def explained(stand: Stand) -> AsyncIterator[list[Explained]]:
    """What the statements within the block read; the list has them when the block has ended."""
    found: list[Explained] = []
    await _explain(stand, "SET auto_explain.log_min_duration = 0")
    begin = stand.postgres.log_file.stat().st_size
    yield found
    await _explain(stand, "RESET auto_explain.log_min_duration")
    with stand.postgres.log_file.open() as log:
        log.seek(begin)
        for logged in _LOGGED.finditer(log.read()):
            plan = json.loads(logged["plan"])
            if plan["Query Text"] != _RELOAD:
                found.append(Explained(plan["Query Text"], float(logged["milliseconds"]), plan["Plan"]))


async def _explain(stand: Stand, setting: str) -> None:
    """Change a setting for the connections that there are."""
    async with stand.connection() as connection:
        await connection.execute(f"ALTER SYSTEM {setting}")
        await connection.execute(_RELOAD)
    # Each hears of it in its own time.
    await asyncio.sleep(_SECONDS_TO_RELOAD)


def _nodes(plan: Mapping[str, Any], depth: int = 0) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The nodes of a plan with their depth, from the top."""
    yield depth, plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child, depth + 1)
