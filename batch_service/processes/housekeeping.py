"""Pre-invoice housekeeping (3): due changes of plans take effect, unrated usage becomes pending lines (rule
29).

All that happens to a chunk is one local transaction: changes are marked, and usage is bound to its line,
together with their effects. So whatever is repeated finds nothing left to do.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import ClassVar
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from batch_service import store_plans, store_usage
from batch_service.processes.contract import (
    BatchProcess,
    JobNames,
    ProcessContext,
    RecordResult,
    SelectedRecord,
    WorkRecord,
)
from batch_service.rules.plan_changes import AppliedChange, PlanState, apply_changes
from batch_service.rules.rating import AmountTooLarge, MissingRates, RatedUsage, rate
from batch_service.store_usage import UnratedUsage


class Housekeeping(BatchProcess):
    """Makes the plan instances ready to be invoiced. A record is a plan instance."""

    code: ClassVar[str] = "housekeeping"
    batch_no: ClassVar[int] = 3
    name: ClassVar[str] = "Pre-invoice housekeeping"
    purpose: ClassVar[str] = (
        "Lets due plan changes, cancellations and suspensions take effect, and rates usage into pending lines"
    )
    jobs: ClassVar[JobNames] = JobNames(
        select="Select plan instances with due changes or unrated usage",
        work="Apply the changes and rate the usage",
    )

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def select(self, context: ProcessContext) -> AsyncIterator[SelectedRecord]:
        """The plan instances with a change that is due, or with usage of the business date or before."""
        async with self._engine.connect() as connection:
            plan_instances = await store_usage.plan_instances_to_prepare(
                connection, context.client_no, context.business_date, await _day_end(connection, context)
            )
        for number, acct_no in plan_instances:
            yield SelectedRecord(f"plan_instance:{number}", acct_no, str(number).encode())

    async def work(self, context: ProcessContext, records: Sequence[WorkRecord]) -> Sequence[RecordResult]:
        """Apply changes and rate usage, all of the chunk in one transaction."""
        by_number = {int(record.payload): record for record in records}
        async with self._engine.begin() as connection:
            plans = await store_plans.lock_plans(connection, context.client_no, list(by_number))
            states = await self._apply_changes(connection, context, plans)
            outcomes = await self._rate_usage(connection, context, plans, states)
        return [
            _result(record, outcomes.get(number), known=number in plans)
            for number, record in by_number.items()
        ]

    async def _apply_changes(
        self,
        connection: AsyncConnection,
        context: ProcessContext,
        plans: Mapping[int, store_plans.StoredPlan],
    ) -> dict[int, PlanState]:
        due = await store_plans.due_changes(connection, context.client_no, list(plans), context.business_date)
        states = {number: store_plans.plan_state(stored) for number, stored in plans.items()}
        applied: list[tuple[int, AppliedChange]] = []
        for number, changes in due.items():
            states[number], effects = apply_changes(states[number], changes)
            applied += [(number, effect) for effect in effects]
        changed = [(number, states[number]) for number in due]
        await store_plans.save_changes(connection, context.client_no, context.business_date, changed, applied)
        return states

    async def _rate_usage(
        self,
        connection: AsyncConnection,
        context: ProcessContext,
        plans: Mapping[int, store_plans.StoredPlan],
        states: Mapping[int, PlanState],
    ) -> dict[int, MissingRates | AmountTooLarge]:
        """Rate what can be rated; what can't stays unrated, by plan instance with the reason."""
        rates = await store_usage.find_rates(connection, context.client_no)
        unrated = await store_usage.unrated_usage(
            connection, context.client_no, list(plans), await _day_end(connection, context)
        )
        failures: dict[int, MissingRates | AmountTooLarge] = {}
        lines: list[tuple[int, int, RatedUsage, list[str]]] = []
        for number, usage in unrated.items():
            outcome = _rate(usage, rates, states[number].price.currency)
            if isinstance(outcome, tuple):
                acct_no = plans[number].plan.acct_no
                lines += [(acct_no, number, line, usage.usage_ids[line.usage_type]) for line in outcome]
            else:
                failures[number] = outcome
        await store_usage.save_rated_usage(connection, context.client_no, lines)
        return failures


def _rate(
    usage: UnratedUsage, rates: Mapping[str, Mapping[str, Decimal]], currency: str
) -> tuple[RatedUsage, ...] | MissingRates | AmountTooLarge:
    return rate(usage.groups, rates.get(currency, {}), currency)


async def _day_end(connection: AsyncConnection, context: ProcessContext) -> datetime:
    """The first instant after the business date, where the client lives."""
    profile = await store_plans.find_profile(connection, context.client_no)
    next_day = context.business_date + timedelta(days=1)
    return datetime.combine(next_day, time(), tzinfo=ZoneInfo(profile.time_zone))


def _result(
    record: WorkRecord, failure: MissingRates | AmountTooLarge | None, *, known: bool
) -> RecordResult:
    if not known:
        return RecordResult.failed(
            record, "RECURRING_PLAN_NOT_FOUND", "there is no recurring plan for this plan instance: set one"
        )
    match failure:
        case MissingRates(currency, usage_types):
            return RecordResult.failed(
                record,
                "RATE_MISSING",
                f"no rate in {currency} for {', '.join(usage_types)}: set it, and retry the failed records",
            )
        case AmountTooLarge(usage_type):
            return RecordResult.failed(
                record, "AMOUNT_OUT_OF_RANGE", f"the usage of {usage_type} costs more than a line can hold"
            )
        case None:
            return RecordResult.ok(record)
