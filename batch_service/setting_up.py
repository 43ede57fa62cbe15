"""What operators set up for billing: plans, changes, usage and pending lines, checked against what is there.

Every function works all rows of a request at once, inside the caller's transaction: all are stored or none.
"""

from collections.abc import Iterable, Sequence
from datetime import date

from sqlalchemy.ext.asyncio import AsyncConnection

from batch_service import store_plans, store_usage
from batch_service.billing_setup import NewPendingLine, ScheduledChange, UsageRecord
from batch_service.rules.plan_setup import RecurringPlan, set_dates
from batch_service.store_plans import StoredPlan
from service_kit.errors import DomainError, ErrorKind, FieldViolation, invalid_field
from service_kit.money import Money


async def set_recurring_plans(
    connection: AsyncConnection, client_no: int, plans: Sequence[RecurringPlan], business_date: date
) -> list[StoredPlan]:
    """Set plans, and return them with their dates, in the order given."""
    numbers = [plan.plan_instance_no for plan in plans]
    known = await store_plans.lock_plans(connection, client_no, numbers)
    stored, suspensions = [], []
    for plan in plans:
        before = known.get(plan.plan_instance_no)
        result = set_dates(plan, (before.plan.timing, before.dates) if before else None, business_date)
        stored.append(StoredPlan(plan, result.dates))
        if result.without_service is not None:
            suspensions.append((plan.plan_instance_no, result.without_service))
    await store_plans.set_plans(connection, client_no, stored)
    await store_plans.add_suspensions(connection, client_no, suspensions)
    return stored


async def schedule_changes(
    connection: AsyncConnection, client_no: int, changes: Sequence[ScheduledChange], actor: str
) -> None:
    """Schedule changes. DomainError RECURRING_PLAN_NOT_FOUND, or about a price in another currency."""
    numbers = sorted({change.plan_instance_no for change in changes})
    plans = await store_plans.lock_plans(connection, client_no, numbers)
    _require_plans(
        (f"changes[{place}].plan_instance_no", change.plan_instance_no)
        for place, change in enumerate(changes)
        if change.plan_instance_no not in plans
    )
    for place, change in enumerate(changes):
        if change.new_price is not None:
            _require_currency(plans[change.plan_instance_no], change.new_price, f"changes[{place}].new_price")
    await store_plans.schedule_changes(connection, client_no, changes, actor)


async def record_usage(connection: AsyncConnection, client_no: int, records: Sequence[UsageRecord]) -> int:
    """Record usage; how many records were new. DomainError RECURRING_PLAN_NOT_FOUND for what has no plan."""
    plan_instances = [(record.acct_no, record.plan_instance_no) for record in records]
    await _require_plans_of_accounts(connection, client_no, "records", plan_instances)
    return len(await store_usage.record_usage(connection, client_no, records))


async def add_pending_lines(
    connection: AsyncConnection, client_no: int, lines: Sequence[NewPendingLine]
) -> int:
    """Add lines; how many were new. DomainError RECURRING_PLAN_NOT_FOUND, or about an amount in another
    currency, for what could not be billed.
    """
    plan_instances = [(line.acct_no, line.plan_instance_no) for line in lines]
    await _require_plans_of_accounts(connection, client_no, "lines", plan_instances)
    plans = await store_plans.lock_plans(
        connection, client_no, sorted({number for _, number in plan_instances})
    )
    for place, line in enumerate(lines):
        _require_currency(plans[line.plan_instance_no], line.amount, f"lines[{place}].amount")
    return await store_usage.add_pending_lines(connection, client_no, lines)


def _require_currency(stored: StoredPlan, amount: Money, field: str) -> None:
    currency = stored.plan.price.currency
    if amount.currency != currency:
        raise invalid_field(
            f"{field}.currency_code",
            f"{amount.currency} is not the currency of the plan, which is billed in {currency}",
        )


async def _require_plans_of_accounts(
    connection: AsyncConnection, client_no: int, field: str, plan_instances: Sequence[tuple[int, int]]
) -> None:
    accounts = await store_plans.plan_accounts(
        connection, client_no, sorted({number for _, number in plan_instances})
    )
    _require_plans(
        (f"{field}[{place}].plan_instance_no", number)
        for place, (acct_no, number) in enumerate(plan_instances)
        if accounts.get(number) != acct_no
    )


def _require_plans(missing: Iterable[tuple[str, int]]) -> None:
    """Refuse what names plan instances without a recurring plan: (field, plan instance)."""
    faults = tuple(missing)
    if not faults:
        return
    field, number = faults[0]
    more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
    raise DomainError(
        ErrorKind.NOT_FOUND,
        "RECURRING_PLAN_NOT_FOUND",
        f"{field}: the account has no recurring plan for plan instance {number}{more}: set the plan first",
        metadata={"plan_instance_no": str(number)},
        field_violations=tuple(
            FieldViolation(fault, f"no recurring plan for plan instance {each}", "RECURRING_PLAN_NOT_FOUND")
            for fault, each in faults[:100]
        ),
    )
