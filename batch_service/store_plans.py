"""The SQL of client profiles, recurring plans and their changes. Many rows are one statement (unnest)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from batch_service.arrays import columns
from batch_service.billing_setup import ClientProfile, ScheduledChange
from batch_service.rules.billing_periods import BillingCycle, BillingTiming, DayRange
from batch_service.rules.plan_changes import (
    AppliedChange,
    PlanChange,
    PlanChangeKind,
    PlanState,
    PlanStatus,
)
from batch_service.rules.plan_setup import PlanDates, RecurringPlan
from service_kit.database import raw_connection
from service_kit.money import Money


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """A plan as it is set, with the dates that the service keeps of it."""

    plan: RecurringPlan
    dates: PlanDates


_PROFILE: Final = "SELECT name, time_zone FROM client_profile WHERE client_no = $1"

_SET_PROFILE: Final = """
    INSERT INTO client_profile (client_no, name, time_zone) VALUES ($1, $2, $3)
    ON CONFLICT (client_no) DO UPDATE SET name = excluded.name, time_zone = excluded.time_zone
"""

_PLAN_COLUMNS: Final = """
    acct_no, plan_instance_no, description, price_minor, currency, timing, period_months, anchor_day,
    start_date, activation_minor, tax_percent, status, suspended_on, cancelled_on, unbilled_from,
    next_bill_date, billed
"""

# In the order of their numbers, as every statement that locks plans does: so no two wait for each other.
_LOCK_PLANS: Final = f"""
    SELECT {_PLAN_COLUMNS}
    FROM (SELECT unnest($2::bigint[]) AS wanted ORDER BY 1) AS ordered
    CROSS JOIN LATERAL (
        SELECT * FROM recurring_plan WHERE client_no = (SELECT $1::bigint) AND plan_instance_no = wanted
        OFFSET 0 FOR NO KEY UPDATE
    ) AS plan
"""  # noqa: S608  # the columns are ours

_SET_PLANS: Final = f"""
    INSERT INTO recurring_plan (client_no, {_PLAN_COLUMNS})
    SELECT $1, given.* FROM unnest(
        $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::text[], $7::smallint[], $8::integer[],
        $9::integer[], $10::date[], $11::bigint[], $12::numeric[], $13::smallint[], $14::date[], $15::date[],
        $16::date[], $17::date[], $18::boolean[]
    ) AS given ({_PLAN_COLUMNS})
    ON CONFLICT (client_no, plan_instance_no) DO UPDATE SET
        acct_no = excluded.acct_no, description = excluded.description, price_minor = excluded.price_minor,
        currency = excluded.currency, timing = excluded.timing, period_months = excluded.period_months,
        anchor_day = excluded.anchor_day, start_date = excluded.start_date,
        activation_minor = excluded.activation_minor, tax_percent = excluded.tax_percent,
        status = excluded.status, suspended_on = excluded.suspended_on, cancelled_on = excluded.cancelled_on,
        unbilled_from = excluded.unbilled_from, next_bill_date = excluded.next_bill_date
"""  # noqa: S608

_LIST_PLANS: Final = f"""
    SELECT {_PLAN_COLUMNS} FROM recurring_plan
    WHERE client_no = $1 AND ($2::bigint = 0 OR acct_no = $2) AND (acct_no, plan_instance_no) > ($3, $4)
    ORDER BY acct_no, plan_instance_no LIMIT $5
"""  # noqa: S608

_PLAN_ACCOUNTS: Final = """
    SELECT plan_instance_no, acct_no
    FROM unnest($2::bigint[]) AS wanted
    CROSS JOIN LATERAL (
        SELECT * FROM recurring_plan
        WHERE client_no = (SELECT $1::bigint) AND plan_instance_no = wanted
        OFFSET 0
    ) AS plan
"""

_ADD_SUSPENSIONS: Final = """
    INSERT INTO plan_suspension (client_no, plan_instance_no, suspended_on, resumed_on)
    SELECT $1, given.* FROM unnest($2::bigint[], $3::date[], $4::date[]) AS given
    ON CONFLICT (client_no, plan_instance_no, suspended_on) DO UPDATE
    SET resumed_on = greatest(plan_suspension.resumed_on, excluded.resumed_on)
"""

_SCHEDULE: Final = """
    INSERT INTO plan_change
        (client_no, plan_instance_no, kind, effective_date, new_price_minor, currency, origin)
    SELECT $1, given.plan_instance_no, given.kind, given.effective_date, given.new_price_minor,
           given.currency, $2
    FROM unnest($3::bigint[], $4::smallint[], $5::date[], $6::bigint[], $7::text[]) WITH ORDINALITY
        AS given (plan_instance_no, kind, effective_date, new_price_minor, currency, place)
    ORDER BY given.place
"""

_DUE_CHANGES: Final = """
    SELECT plan_instance_no, change_no, kind, effective_date, new_price_minor, currency
    FROM unnest($2::bigint[]) AS wanted
    CROSS JOIN LATERAL (
        SELECT * FROM plan_change
        WHERE client_no = (SELECT $1::bigint) AND plan_instance_no = wanted AND applied_on IS NULL
        OFFSET 0 FOR NO KEY UPDATE
    ) AS change
    WHERE effective_date <= $3
    ORDER BY change_no
"""

_SAVE_STATES: Final = """
    UPDATE recurring_plan AS plan
    SET status = given.status, price_minor = given.price_minor, currency = given.currency,
        suspended_on = given.suspended_on, cancelled_on = given.cancelled_on
    FROM (
        SELECT $1::bigint AS client_no, one.*
        FROM unnest($2::bigint[], $3::smallint[], $4::bigint[], $5::text[], $6::date[], $7::date[])
            AS one (plan_instance_no, status, price_minor, currency, suspended_on, cancelled_on)
        OFFSET 0
    ) AS given
    WHERE plan.client_no = given.client_no AND plan.plan_instance_no = given.plan_instance_no
"""

_MARK_APPLIED: Final = """
    UPDATE plan_change AS change
    SET applied_on = $2, former_price_minor = given.former_price_minor,
        former_currency = given.former_currency
    FROM (
        SELECT $1::bigint AS client_no, one.*
        FROM unnest($3::bigint[], $4::bigint[], $5::text[])
            AS one (change_no, former_price_minor, former_currency)
        OFFSET 0
    ) AS given
    WHERE change.client_no = given.client_no AND change.change_no = given.change_no
"""

# Dunning suspends what is active of an account; the change is kept beside those that were scheduled.
_SUSPEND_ACCOUNTS: Final = """
    WITH suspended AS (
        UPDATE recurring_plan SET status = 2, suspended_on = $3
        WHERE client_no = $1 AND acct_no = ANY($2::bigint[]) AND status = 1
        RETURNING plan_instance_no
    )
    INSERT INTO plan_change (client_no, plan_instance_no, kind, effective_date, origin, applied_on)
    SELECT $1, plan_instance_no, 3, $3, $4, $3 FROM suspended
"""


async def set_profile(connection: AsyncConnection, profile: ClientProfile) -> None:
    """Set the profile of a client."""
    driver = await raw_connection(connection)
    await driver.execute(_SET_PROFILE, profile.client_no, profile.name, profile.time_zone)


async def find_profile(connection: AsyncConnection, client_no: int) -> ClientProfile:
    """The profile of a client; one that was never set lives in UTC."""
    driver = await raw_connection(connection)
    row = await driver.fetchrow(_PROFILE, client_no)
    return (
        ClientProfile(client_no, row["name"], row["time_zone"])
        if row
        else ClientProfile(client_no, "", "UTC")
    )


async def lock_plans(
    connection: AsyncConnection, client_no: int, plan_instance_nos: Sequence[int]
) -> dict[int, StoredPlan]:
    """The plans of these plan instances that there are, locked until the end of the transaction."""
    driver = await raw_connection(connection)
    rows = await driver.fetch(_LOCK_PLANS, client_no, plan_instance_nos)
    return {row["plan_instance_no"]: _stored_plan(row) for row in rows}


async def set_plans(connection: AsyncConnection, client_no: int, plans: Sequence[StoredPlan]) -> None:
    """Insert or replace plans. What was billed of a plan that is known stays as it was."""
    driver = await raw_connection(connection)
    await driver.execute(_SET_PLANS, client_no, *columns([_plan_values(stored) for stored in plans], 17))


async def list_plans(
    connection: AsyncConnection, client_no: int, acct_no: int, after: tuple[int, int], limit: int
) -> list[StoredPlan]:
    """Plans by account and plan instance, after the pair `after`; `acct_no` 0 lists those of all accounts."""
    driver = await raw_connection(connection)
    return [_stored_plan(row) for row in await driver.fetch(_LIST_PLANS, client_no, acct_no, *after, limit)]


async def plan_accounts(
    connection: AsyncConnection, client_no: int, plan_instance_nos: Sequence[int]
) -> dict[int, int]:
    """The account of each of these plan instances that has a recurring plan."""
    driver = await raw_connection(connection)
    rows = await driver.fetch(_PLAN_ACCOUNTS, client_no, plan_instance_nos)
    return {row["plan_instance_no"]: row["acct_no"] for row in rows}


async def add_suspensions(
    connection: AsyncConnection, client_no: int, suspensions: Sequence[tuple[int, DayRange]]
) -> None:
    """Remember days without service, by plan instance."""
    driver = await raw_connection(connection)
    rows = [(number, days.first_day, days.end) for number, days in suspensions]
    await driver.execute(_ADD_SUSPENSIONS, client_no, *columns(rows, 3))


async def schedule_changes(
    connection: AsyncConnection, client_no: int, changes: Sequence[ScheduledChange], origin: str
) -> None:
    """Add changes, in this order; `origin` says who asked for them."""
    driver = await raw_connection(connection)
    rows = [
        (
            change.plan_instance_no,
            change.kind,
            change.effective_date,
            change.new_price.minor_units if change.new_price else None,
            change.new_price.currency if change.new_price else None,
        )
        for change in changes
    ]
    await driver.execute(_SCHEDULE, client_no, origin, *columns(rows, 5))


async def due_changes(
    connection: AsyncConnection, client_no: int, plan_instance_nos: Sequence[int], business_date: date
) -> dict[int, list[PlanChange]]:
    """The changes of these plan instances that are due and were not applied, locked."""
    driver = await raw_connection(connection)
    changes: dict[int, list[PlanChange]] = {}
    for row in await driver.fetch(_DUE_CHANGES, client_no, plan_instance_nos, business_date):
        price = None if row["new_price_minor"] is None else Money(row["new_price_minor"], row["currency"])
        change = PlanChange(row["change_no"], PlanChangeKind(row["kind"]), row["effective_date"], price)
        changes.setdefault(row["plan_instance_no"], []).append(change)
    return changes


async def save_changes(
    connection: AsyncConnection,
    client_no: int,
    business_date: date,
    states: Sequence[tuple[int, PlanState]],
    applied: Sequence[tuple[int, AppliedChange]],
) -> None:
    """Store what plans are after their changes, and that these took effect; both by plan instance."""
    driver = await raw_connection(connection)
    state_rows = [
        (
            number,
            state.status,
            state.price.minor_units,
            state.price.currency,
            state.suspended_on,
            state.cancelled_on,
        )
        for number, state in states
    ]
    await driver.execute(_SAVE_STATES, client_no, *columns(state_rows, 6))
    change_rows = [
        (
            effect.change.change_no,
            effect.former_price.minor_units if effect.former_price else None,
            effect.former_price.currency if effect.former_price else None,
        )
        for _, effect in applied
    ]
    await driver.execute(_MARK_APPLIED, client_no, business_date, *columns(change_rows, 3))
    ended = [(number, DayRange(*effect.suspended)) for number, effect in applied if effect.suspended]
    await add_suspensions(connection, client_no, ended)


async def suspend_accounts(
    connection: AsyncConnection, client_no: int, acct_nos: Sequence[int], business_date: date, origin: str
) -> None:
    """Suspend the active plans of accounts from a business date on."""
    driver = await raw_connection(connection)
    await driver.execute(_SUSPEND_ACCOUNTS, client_no, acct_nos, business_date, origin)


def plan_state(stored: StoredPlan) -> PlanState:
    """What changes can change of a plan."""
    return PlanState(
        stored.plan.status, stored.plan.price, stored.dates.cancelled_on, stored.dates.suspended_on
    )


def _plan_values(stored: StoredPlan) -> tuple[Any, ...]:
    plan, dates = stored.plan, stored.dates
    return (
        plan.acct_no,
        plan.plan_instance_no,
        plan.description,
        plan.price.minor_units,
        plan.price.currency,
        plan.timing,
        plan.cycle.period_months,
        plan.cycle.anchor_day,
        plan.cycle.start_date,
        plan.activation_charge.minor_units,
        plan.tax_percent,
        plan.status,
        dates.suspended_on,
        dates.cancelled_on,
        dates.unbilled_from,
        dates.next_bill_date,
        dates.billed,
    )


def _stored_plan(row: Any) -> StoredPlan:
    currency = row["currency"]
    return StoredPlan(
        RecurringPlan(
            acct_no=row["acct_no"],
            plan_instance_no=row["plan_instance_no"],
            description=row["description"],
            price=Money(row["price_minor"], currency),
            timing=BillingTiming(row["timing"]),
            cycle=BillingCycle(row["start_date"], row["anchor_day"], row["period_months"]),
            activation_charge=Money(row["activation_minor"], currency),
            tax_percent=row["tax_percent"],
            status=PlanStatus(row["status"]),
        ),
        PlanDates(
            suspended_on=row["suspended_on"],
            cancelled_on=row["cancelled_on"],
            unbilled_from=row["unbilled_from"],
            next_bill_date=row["next_bill_date"],
            billed=row["billed"],
        ),
    )
