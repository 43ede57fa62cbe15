"""The reference codes of checks: an index says whether one is free (rule 11), also after voids."""

import importlib

import asyncpg
import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection

from service_kit.database import engine_on
from tests.integration.ledger.caller import Ledger, check
from tests.support.databases import FreshDatabase

# What the migration to 0010 made.
WITHOUT_0010 = """
    DROP INDEX external_payments_reference_code_key;
    ALTER TABLE external_payments DROP COLUMN reuse;
    CREATE INDEX external_payments_reference_code_idx
        ON external_payments (client_no, acct_no, reference_code)
"""
USES = "SELECT reference_code, reuse FROM external_payments ORDER BY reference_code, event_no"


async def give_again_and_again(ledger: Ledger, acct: int, code: str, times: int) -> None:
    for time in range(times):
        (event_no,) = await ledger.posted(check(acct, 10, code))
        assert await ledger.refusals(check(acct, 10, code)) == ["REFERENCE_CODE_TAKEN"]
        if time < times - 1:
            await ledger.void(event_no)


async def test_a_code_is_free_after_each_void_of_the_check_that_had_it(
    ledger: Ledger, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    acct = await ledger.account()
    await give_again_and_again(ledger, acct, "one", 3)
    assert [tuple(row) for row in await sql.fetch(USES)] == [("one", None), ("one", 1), ("one", 2)]
    assert await ledger.findings() == []


async def test_the_index_refuses_a_code_that_nobody_asked_for(
    ledger: Ledger, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    acct = await ledger.account()
    await ledger.posted(check(acct, 10, "one"))
    with pytest.raises(asyncpg.UniqueViolationError):
        await sql.execute(
            "INSERT INTO external_payments SELECT client_no, payment_id + 1, event_no, acct_no,"
            " reference_code, received_date, reuse FROM external_payments"
        )


async def test_the_migration_numbers_the_checks_that_had_one_code(
    ledger: Ledger, database: FreshDatabase, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    acct, other = await ledger.account(), await ledger.account()
    await give_again_and_again(ledger, acct, "one", 3)
    await give_again_and_again(ledger, acct, "two", 1)
    await give_again_and_again(ledger, other, "one", 1)
    before = await sql.fetch(USES)
    await sql.execute(WITHOUT_0010)

    revision = importlib.import_module("ledger_service.migrations.versions.0010_reference_codes")

    def upgrade(connection: Connection) -> None:
        with Operations.context(MigrationContext.configure(connection)):
            revision.upgrade()

    engine = engine_on(database.owner_url, name="test", pool_size=1)
    async with engine.begin() as connection:
        await connection.run_sync(upgrade)
    await engine.dispose()
    assert await sql.fetch(USES) == before
    assert sorted(row["reuse"] or 0 for row in before) == [0, 0, 0, 1, 2]
