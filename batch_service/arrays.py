"""Rows as the arrays that one statement takes: `unnest` turns them into rows again.

How statements look up many rows by their keys: every table leads with `client_no`, and as long as the planner
knows nothing of a table it takes a client for one of two hundred. In a table that grew a hundredfold since it
was analysed it would read all of the client for each chunk, and a night would grow with the square of the
accounts. So what is looked up stands in a lateral sub-select, or the client in one beside the keys, and
`OFFSET 0` keeps the planner from looking through that: one look-up by the whole key for each row is all that
is left to it. And a client that is new since a table was analysed it takes for one without rows, so that any
index that begins with the client looks as good as the key: so look-ups name the client as `(SELECT $1)`,
which it can't look into.
"""

from collections.abc import Sequence
from typing import Any, Final

LOOK_UP_BY_INDEX: Final = """
    SET enable_seqscan = off;
    SET enable_hashjoin = off;
    SET enable_mergejoin = off;
    SET plan_cache_mode = force_custom_plan
"""
"""For every connection of the engine. A plan that was made for a small table is not kept for a large one."""


def columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    """One array for each of the `width` columns, also when there are no rows."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]
