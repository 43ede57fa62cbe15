"""The SQL of usage: rates, records, and the pending lines that they and others are billed through."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from batch_service.arrays import columns
from batch_service.billing_setup import NewPendingLine, UsageRate, UsageRecord
from batch_service.rules.rating import RatedUsage, UsageGroup
from service_kit.database import raw_connection

_SET_RATES: Final = """
    INSERT INTO usage_rate (client_no, usage_type, currency, unit_price)
    SELECT $1, given.* FROM unnest($2::text[], $3::text[], $4::numeric[]) AS given
    ON CONFLICT (client_no, usage_type, currency) DO UPDATE SET unit_price = excluded.unit_price
"""

_RATES: Final = "SELECT usage_type, currency, unit_price FROM usage_rate WHERE client_no = $1"

# Of a usage_id that is there twice, in the table or in the same statement, the first one stays.
_RECORD_USAGE: Final = """
    INSERT INTO usage_record
        (client_no, usage_id, acct_no, plan_instance_no, usage_type, quantity, used_at, origin)
    SELECT $1, given.* FROM unnest(
        $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::numeric[], $7::timestamptz[], $8::text[]
    ) AS given
    ON CONFLICT (client_no, usage_id) DO NOTHING
    RETURNING usage_id, origin
"""

_USAGE_ORIGINS: Final = """
    SELECT usage_id, origin FROM usage_record WHERE client_no = $1 AND usage_id = ANY($2::text[])
"""

_LIST_USAGE: Final = """
    SELECT usage_id, acct_no, plan_instance_no, usage_type, quantity, used_at, origin,
           pending_line_no IS NOT NULL AS rated
    FROM usage_record
    WHERE client_no = $1 AND acct_no = $2
      AND ($3::timestamptz IS NULL OR (used_at, usage_id) < ($3, $4))
    ORDER BY used_at DESC, usage_id DESC LIMIT $5
"""

# What housekeeping has to do: plan instances with a change that is due, or usage that is not rated.
_PLAN_INSTANCES_TO_PREPARE: Final = """
    WITH due AS (
        SELECT plan_instance_no FROM plan_change
        WHERE client_no = $1 AND applied_on IS NULL AND effective_date <= $2
        UNION
        SELECT plan_instance_no FROM usage_record
        WHERE client_no = $1 AND pending_line_no IS NULL AND used_at < $3
    )
    SELECT due.plan_instance_no, coalesce(plan.acct_no, 0) AS acct_no
    FROM due LEFT JOIN recurring_plan AS plan
      ON plan.client_no = $1 AND plan.plan_instance_no = due.plan_instance_no
    ORDER BY due.plan_instance_no
"""

# The rows stay locked until they are marked: usage that comes meanwhile is of the next run.
_UNRATED: Final = """
    WITH unrated AS (
        SELECT plan_instance_no, usage_id, usage_type, quantity
        FROM unnest($2::bigint[]) AS wanted
        CROSS JOIN LATERAL (
            SELECT * FROM usage_record
            WHERE client_no = (SELECT $1::bigint) AND plan_instance_no = wanted
              AND pending_line_no IS NULL AND used_at < $3
            ORDER BY usage_id OFFSET 0 FOR NO KEY UPDATE
        ) AS usage
    )
    SELECT plan_instance_no, usage_type, sum(quantity) AS quantity, array_agg(usage_id) AS usage_ids
    FROM unrated GROUP BY plan_instance_no, usage_type ORDER BY plan_instance_no, usage_type
"""

_ADD_LINES: Final = """
    INSERT INTO pending_line
        (client_no, line_id, acct_no, plan_instance_no, line_type, description, amount_minor, currency)
    SELECT $1, given.line_id, given.acct_no, given.plan_instance_no, given.line_type, given.description,
           given.amount_minor, given.currency
    FROM unnest(
        $2::text[], $3::bigint[], $4::bigint[], $5::smallint[], $6::text[], $7::bigint[], $8::text[]
    ) WITH ORDINALITY AS given
        (line_id, acct_no, plan_instance_no, line_type, description, amount_minor, currency, place)
    ORDER BY given.place
    ON CONFLICT (client_no, line_id) DO NOTHING
    RETURNING line_no
"""

_NEW_LINE_NUMBERS: Final = """
    SELECT nextval(pg_get_serial_sequence('pending_line', 'line_no')) FROM generate_series(1, $1::integer)
"""

_ADD_RATED_LINES: Final = """
    INSERT INTO pending_line
        (client_no, line_no, acct_no, plan_instance_no, line_type, description, amount_minor, currency)
    SELECT $1, given.line_no, given.acct_no, given.plan_instance_no, 6, given.description, given.amount_minor,
           given.currency
    FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::text[])
        AS given (line_no, acct_no, plan_instance_no, description, amount_minor, currency)
"""

_MARK_RATED: Final = """
    UPDATE usage_record AS usage SET pending_line_no = given.line_no
    FROM (
        SELECT $1::bigint AS client_no, one.*
        FROM unnest($2::text[], $3::bigint[]) AS one (usage_id, line_no)
        OFFSET 0
    ) AS given
    WHERE usage.client_no = given.client_no AND usage.usage_id = given.usage_id
      AND usage.pending_line_no IS NULL
"""


class UnratedUsage:
    """The unrated usage of a plan instance: its groups, and the records that each is the sum of."""

    def __init__(self) -> None:
        self.groups: list[UsageGroup] = []
        self.usage_ids: dict[str, list[str]] = {}

    def add(self, usage_type: str, quantity: Decimal, usage_ids: list[str]) -> None:
        """Add all usage of one type."""
        self.groups.append(UsageGroup(usage_type, quantity))
        self.usage_ids[usage_type] = usage_ids


async def set_rates(connection: AsyncConnection, client_no: int, rates: Sequence[UsageRate]) -> None:
    """Insert or replace rates; each usage type and currency once."""
    driver = await raw_connection(connection)
    rows = [(rate.usage_type, rate.currency, rate.unit_price) for rate in rates]
    await driver.execute(_SET_RATES, client_no, *columns(rows, 3))


async def find_rates(connection: AsyncConnection, client_no: int) -> dict[str, dict[str, Decimal]]:
    """The price of a unit by currency and usage type."""
    driver = await raw_connection(connection)
    rates: dict[str, dict[str, Decimal]] = {}
    for row in await driver.fetch(_RATES, client_no):
        rates.setdefault(row["currency"], {})[row["usage_type"]] = row["unit_price"]
    return rates


async def record_usage(
    connection: AsyncConnection, client_no: int, records: Sequence[UsageRecord]
) -> set[tuple[str, str]]:
    """Insert the records whose usage_id is not known; their (usage_id, origin)."""
    driver = await raw_connection(connection)
    rows = [
        (
            record.usage_id,
            record.acct_no,
            record.plan_instance_no,
            record.usage_type,
            record.quantity,
            record.used_at,
            record.origin,
        )
        for record in records
    ]
    stored = await driver.fetch(_RECORD_USAGE, client_no, *columns(rows, 7))
    return {(row["usage_id"], row["origin"]) for row in stored}


async def usage_origins(
    connection: AsyncConnection, client_no: int, usage_ids: Sequence[str]
) -> dict[str, str]:
    """Where each of these records that is known came from."""
    driver = await raw_connection(connection)
    return {
        row["usage_id"]: row["origin"] for row in await driver.fetch(_USAGE_ORIGINS, client_no, usage_ids)
    }


async def list_usage(
    connection: AsyncConnection, client_no: int, acct_no: int, before: tuple[datetime, str] | None, limit: int
) -> list[UsageRecord]:
    """Usage of an account, newest first, older than the pair `before`."""
    driver = await raw_connection(connection)
    rows = await driver.fetch(_LIST_USAGE, client_no, acct_no, *(before or (None, None)), limit)
    return [UsageRecord(**dict(row)) for row in rows]


async def add_pending_lines(
    connection: AsyncConnection, client_no: int, lines: Sequence[NewPendingLine]
) -> int:
    """Add lines whose line_id is not known; how many were new."""
    driver = await raw_connection(connection)
    rows = [
        (
            line.line_id,
            line.acct_no,
            line.plan_instance_no,
            line.line_type,
            line.description,
            line.amount.minor_units,
            line.amount.currency,
        )
        for line in lines
    ]
    return len(await driver.fetch(_ADD_LINES, client_no, *columns(rows, 7)))


async def plan_instances_to_prepare(
    connection: AsyncConnection, client_no: int, business_date: date, used_before: datetime
) -> list[tuple[int, int]]:
    """The plan instances that housekeeping has to work, with their accounts (0 when there is no plan)."""
    driver = await raw_connection(connection)
    rows = await driver.fetch(_PLAN_INSTANCES_TO_PREPARE, client_no, business_date, used_before)
    return [(row["plan_instance_no"], row["acct_no"]) for row in rows]


async def unrated_usage(
    connection: AsyncConnection, client_no: int, plan_instance_nos: Sequence[int], used_before: datetime
) -> dict[int, UnratedUsage]:
    """What these plan instances used before an instant and was not rated, locked."""
    driver = await raw_connection(connection)
    unrated: dict[int, UnratedUsage] = {}
    for row in await driver.fetch(_UNRATED, client_no, plan_instance_nos, used_before):
        usage = unrated.setdefault(row["plan_instance_no"], UnratedUsage())
        usage.add(row["usage_type"], row["quantity"], row["usage_ids"])
    return unrated


async def save_rated_usage(
    connection: AsyncConnection, client_no: int, rated: Sequence[tuple[int, int, RatedUsage, list[str]]]
) -> None:
    """Store pending lines, each with its account, plan instance and the records it was made of, and mark
    these.
    """
    if not rated:
        return
    driver = await raw_connection(connection)
    numbers = [row[0] for row in await driver.fetch(_NEW_LINE_NUMBERS, len(rated))]
    lines = [
        (line_no, acct_no, plan_no, line.description, line.amount.minor_units, line.amount.currency)
        for line_no, (acct_no, plan_no, line, _) in zip(numbers, rated, strict=True)
    ]
    await driver.execute(_ADD_RATED_LINES, client_no, *columns(lines, 6))
    marks = [
        (usage_id, line_no)
        for line_no, (_, _, _, usage_ids) in zip(numbers, rated, strict=True)
        for usage_id in usage_ids
    ]
    await driver.execute(_MARK_RATED, client_no, *columns(marks, 2))
