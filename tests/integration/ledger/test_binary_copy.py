"""The rows that are written for COPY are what PostgreSQL itself would write."""

import io
from datetime import UTC, date, datetime, timedelta, timezone
from random import Random
from typing import Any

import asyncpg
import pytest
from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
)

from ledger_service.binary_copy import FORMS, rows_in_binary
from ledger_service.store_round_trips import FORMS_IN_ARRAYS, Append, write_together

TYPES = [BigInteger, Integer, SmallInteger, Text, LargeBinary, Date, DateTime]
# The last two of the instants are the same, told differently.
VALUES: list[list[Any]] = [
    [0, 1, -1, 2**63 - 1, -(2**63)],
    [0, 1, -1, 2**31 - 1, -(2**31)],
    [0, 1, -1, 2**15 - 1, -(2**15)],
    ["", "a", "b", "é", "check 4711", "x" * 300],
    [b"", b"a", b"\0\xff", bytes(32)],
    [date(1, 1, 1), date(1999, 12, 31), date(2000, 1, 1), date(2026, 3, 1), date(9999, 12, 31)],
    [
        datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 3, 1, 12, 30, 0, 1, tzinfo=UTC),
        datetime(2026, 3, 1, 13, 30, 0, 1, tzinfo=timezone(timedelta(hours=1))),
    ],
]
_CREATE = """
    CREATE TEMPORARY TABLE written
        (b bigint, i integer, s smallint, t text, y bytea, d date, z timestamptz)
"""


def _columns(random: Random, count: int) -> list[list[Any]]:
    """Of each type a column: of one value, of two, of all, or of some that are NULL."""
    return [
        random.choices(random.choice([values[:1], values[1:3], values, [*values, None], [None]]), k=count)
        for values in VALUES
    ]


@pytest.mark.parametrize("seed", range(40))
async def test_rows_are_as_the_database_writes_them(
    sql: "asyncpg.Connection[asyncpg.Record]", seed: int
) -> None:
    random = Random(seed)
    rows = list(zip(*_columns(random, random.choice([1, 2, 65, 200])), strict=True))
    await sql.execute(_CREATE)
    await sql.copy_records_to_table("written", records=rows)
    expected = io.BytesIO()
    await sql.copy_from_table("written", output=expected, format="binary")

    assert rows_in_binary(TYPES, rows) == expected.getvalue()


@pytest.mark.parametrize("seed", range(20))
async def test_few_rows_are_written_by_a_statement_as_many_are_by_copy(
    sql: "asyncpg.Connection[asyncpg.Record]", seed: int
) -> None:
    random = Random(seed)
    rows = list(zip(*_columns(random, random.choice([1, 2, 64])), strict=True))
    await sql.execute(_CREATE)
    names = "bistydz"
    written = Table("written", MetaData(), *map(Column, names, TYPES))
    await sql.copy_records_to_table("written", records=rows)
    by_copy = await sql.fetch("SELECT * FROM written")
    await sql.execute("TRUNCATE written")

    await write_together(sql, [Append(written, rows)])

    assert await sql.fetch("SELECT * FROM written") == by_copy
    ends = "SELECT count(*) FROM written WHERE d IN ('infinity', '-infinity')"
    assert await sql.fetchval(ends) == sum(row[5] in {date.min, date.max} for row in rows)


def test_all_types_that_a_statement_takes_are_known_to_copy() -> None:
    assert FORMS.keys() == FORMS_IN_ARRAYS.keys() == set(TYPES)


@pytest.mark.parametrize(
    ("place", "value"), [(0, 2**63), (1, 2**31), (2, -(2**15) - 1)], ids=["bigint", "integer", "smallint"]
)
@pytest.mark.parametrize("others", [0, 1], ids=["alone", "with another"])
def test_a_number_that_does_not_fit_is_refused(place: int, value: int, others: int) -> None:
    row = [values[0] for values in VALUES]
    large = [*row[:place], value, *row[place + 1 :]]
    with pytest.raises(OverflowError):
        rows_in_binary(TYPES, [large, *[row] * others])
