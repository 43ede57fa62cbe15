"""What the migrations make is what tables.py says, with the reference data and the least rights."""

import asyncpg
import pytest

from ledger_service import tables
from ledger_service.rules.gl_accounts import CHART
from ledger_service.rules.invoice_line_types import INVOICE_LINE_TYPES
from ledger_service.rules.transaction_types import TRANSACTION_TYPES
from service_kit import migrations
from tests.support.databases import FreshDatabase


async def test_the_schema_is_that_of_the_tables(database: FreshDatabase) -> None:
    assert await migrations.check("ledger_service", database.owner_url) == []


@pytest.mark.parametrize(
    ("table", "rows"),
    [
        ("transaction_type", TRANSACTION_TYPES),
        ("invoice_line_type", INVOICE_LINE_TYPES),
        ("gl_account", CHART),
    ],
)
async def test_the_reference_data_is_that_of_the_program(
    sql: "asyncpg.Connection[asyncpg.Record]", table: str, rows: dict[object, object]
) -> None:
    stored = await sql.fetch(f"SELECT * FROM {table}")
    assert {row["code"] for row in stored} == set(rows)
    for row in stored:
        for column, value in row.items():
            assert getattr(rows[row["code"]], column) == value


@pytest.mark.parametrize(
    "table", [table for table in tables.metadata.sorted_tables if table.info["grants"] == "SELECT, INSERT"],
    ids=str,
)  # fmt: skip
async def test_the_service_can_neither_change_nor_remove_a_fact(
    database: FreshDatabase, table: object
) -> None:
    service = await asyncpg.connect(database.url)
    try:
        for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET client_no = 0", f"TRUNCATE {table}"):
            with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.UndefinedColumnError)):
                await service.execute(statement)
    finally:
        await service.close()


async def test_the_service_can_take_numbers_but_never_turn_them_back(database: FreshDatabase) -> None:
    service = await asyncpg.connect(database.url)
    try:
        reserve = "SELECT reserve_numbers($1::text[], $2::bigint[])"
        assert await service.fetchval(reserve, ["event_no", "payments"], [10, 1]) == [1, 1]
        assert await service.fetchval(reserve, ["event_no", "payments"], [1, 1]) == [11, 2]
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute("SELECT setval('event_no_seq', 1)")
        for names, counts in ((["event_no"], [0]), (["nothing"], [1]), (["acct_no; --"], [1])):
            with pytest.raises(asyncpg.PostgresError):
                await service.fetchval(reserve, names, counts)
        # The lock was given back each time.
        assert await service.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0
        assert await service.fetchval(reserve, ["event_no"], [1]) == [12]
    finally:
        await service.close()


async def test_a_transaction_can_have_one_void_only_whatever_the_program_does(
    sql: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    insert = """
        INSERT INTO acct_transaction
        VALUES (1, $1, 1, NULL, $2, 1, 5, 'USD', '2026-01-01', now(), $3, NULL, NULL)
    """
    await sql.execute(insert, 1, 2, None)
    await sql.execute(insert, 2, -2, 1)
    with pytest.raises(asyncpg.UniqueViolationError):
        await sql.execute(insert, 3, -2, 1)
