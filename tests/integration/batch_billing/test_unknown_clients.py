"""A client that is new since a table was analysed is looked up by its keys all the same, row by row."""

from collections.abc import AsyncIterator
from datetime import date

import asyncpg
import pytest

from batch_service import store_invoicing, store_payments
from batch_service.arrays import LOOK_UP_BY_INDEX
from tests.support.databases import NewDatabase

DAY = date(2026, 3, 1)
KNOWN, UNKNOWN = 1, 2
ROWS = 500

_ADD_PLANS = """
    INSERT INTO recurring_plan
        (client_no, plan_instance_no, acct_no, description, price_minor, currency, timing, period_months,
         anchor_day, start_date, status, unbilled_from, next_bill_date)
    SELECT $1, number, number, 'Plan', 1990, 'USD', 1, 1, 1, $2, 1, $2, $2
      FROM generate_series(1, $3::bigint) AS number
"""

_ADD_ATTEMPTS = """
    INSERT INTO payment_attempt
        (client_no, attempt_id, fact, acct_no, business_date, method_kind, method_version, payment_token,
         amount_minor, currency, status)
    SELECT $1, 'attempt-' || number, 'fact-' || number, number, $2, 1, 1, 'tok', 1990, 'USD', $4
      FROM generate_series(1, $3::bigint) AS number
"""

_SETTLED, _APPROVED = 5, 4


@pytest.fixture
async def connection(new_database: NewDatabase) -> AsyncIterator[asyncpg.Connection]:
    """Tables that were analysed when they had nothing of the second client."""
    database = await new_database("batch_service")
    connection = await asyncpg.connect(database.url)
    try:
        await connection.execute(_ADD_PLANS, KNOWN, DAY, ROWS)
        await connection.execute(_ADD_ATTEMPTS, KNOWN, DAY, ROWS, _SETTLED)
        await connection.execute("ANALYZE recurring_plan")
        await connection.execute("ANALYZE payment_attempt")
        await connection.execute(_ADD_PLANS, UNKNOWN, DAY, ROWS)
        await connection.execute(_ADD_ATTEMPTS, UNKNOWN, DAY, ROWS, _APPROVED)
        await connection.execute(LOOK_UP_BY_INDEX)
        yield connection
    finally:
        await connection.close()


async def _plan(connection: asyncpg.Connection, statement: str, *values: object) -> str:
    return "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {statement}", *values))


async def test_its_plans_are_locked_by_their_numbers(connection: asyncpg.Connection) -> None:
    numbers = list(range(1, ROWS + 1))
    plan = await _plan(connection, store_invoicing._LOCK_DUE, UNKNOWN, numbers, DAY)
    assert "Index Scan using recurring_plan_pkey" in plan


async def test_what_became_of_its_attempts_is_stored_by_their_names(connection: asyncpg.Connection) -> None:
    answered = (
        [f"attempt-{number}" for number in range(1, ROWS + 1)],
        [_SETTLED] * ROWS,
        ["reference"] * ROWS,
        [""] * ROWS,
        [1990] * ROWS,
        [1] * ROWS,
    )
    plan = await _plan(connection, store_payments._SAVE_ATTEMPTS, UNKNOWN, *answered)
    assert "Index Scan using payment_attempt_pkey" in plan
    assert "Index Cond: ((client_no = given.client_no) AND (attempt_id = given.attempt_id))" in plan
