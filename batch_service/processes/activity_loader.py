"""Universal Activity Loader: the lines of a file become usage records, each line on its own (rule 34)."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import ClassVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from batch_service import store_activities, store_plans, store_usage
from batch_service.billing_setup import UsageRecord
from batch_service.processes.contract import (
    BatchProcess,
    JobNames,
    ProcessContext,
    ProcessFault,
    RecordResult,
    SelectedRecord,
    WorkRecord,
)
from batch_service.rules.activity_files import Activity, LineFault, read_header, read_line


class ActivityLoader(BatchProcess):
    """Loads a file of activity records. A record is a line."""

    code: ClassVar[str] = "activity_loader"
    batch_no: ClassVar[int] = 0
    name: ClassVar[str] = "Universal Activity Loader"
    purpose: ClassVar[str] = "Loads files of activity (usage) records, each record on its own"
    in_daily_cycle: ClassVar[bool] = False
    needs_file: ClassVar[bool] = True
    chunk_size: ClassVar[int] = 1_000
    jobs: ClassVar[JobNames] = JobNames(select="Read the lines of the file", work="Load the lines")

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def select(self, context: ProcessContext) -> AsyncIterator[SelectedRecord]:
        """The lines below the header that are not blank."""
        async with self._engine.connect() as connection:
            lines = store_activities.activity_lines(connection, context.client_no, context.file_name)
            async for line_no, line in lines:
                if line.strip():
                    yield SelectedRecord(f"line:{line_no}", payload=line.encode())

    async def work(self, context: ProcessContext, records: Sequence[WorkRecord]) -> Sequence[RecordResult]:
        """Read each line, and store what is right and new in one statement."""
        async with self._engine.begin() as connection:
            columns = read_header(
                await store_activities.find_header(connection, context.client_no, context.file_name)
            )
            if isinstance(columns, LineFault):
                raise ProcessFault(columns.message)
            read = {record: read_line(columns, record.payload.decode()) for record in records}
            return await self._load(connection, context, read)

    async def _load(
        self,
        connection: AsyncConnection,
        context: ProcessContext,
        read: Mapping[WorkRecord, Activity | LineFault],
    ) -> list[RecordResult]:
        activities = {record: each for record, each in read.items() if isinstance(each, Activity)}
        accounts = await store_plans.plan_accounts(
            connection, context.client_no, sorted({each.plan_instance_no for each in activities.values()})
        )
        wanted = {
            record: _usage_record(each, _origin(context, record))
            for record, each in activities.items()
            if accounts.get(each.plan_instance_no) == each.acct_no
        }
        await store_usage.record_usage(connection, context.client_no, list(wanted.values()))
        origins = await store_usage.usage_origins(
            connection, context.client_no, [usage.usage_id for usage in wanted.values()]
        )
        return [_result(record, read[record], wanted.get(record), origins) for record in read]


def _origin(context: ProcessContext, record: WorkRecord) -> str:
    """What tells a line that is worked again, after a crash, from another with the same usage_id."""
    return f"{context.file_name}/{record.record_key}"


def _usage_record(activity: Activity, origin: str) -> UsageRecord:
    return UsageRecord(
        usage_id=activity.usage_id,
        acct_no=activity.acct_no,
        plan_instance_no=activity.plan_instance_no,
        usage_type=activity.usage_type,
        quantity=activity.quantity,
        used_at=activity.used_at,
        origin=origin,
    )


def _result(
    record: WorkRecord,
    read: Activity | LineFault,
    wanted: UsageRecord | None,
    origins: Mapping[str, str],
) -> RecordResult:
    if isinstance(read, LineFault):
        return RecordResult.failed(record, read.reason, read.message)
    if wanted is None:
        return RecordResult.failed(
            record,
            "PLAN_INSTANCE_UNKNOWN",
            f"account {read.acct_no} has no recurring plan for the plan instance {read.plan_instance_no}",
        )
    if origins.get(wanted.usage_id) != wanted.origin:
        return RecordResult.failed(
            record, "DUPLICATE_USAGE", f"the usage_id {wanted.usage_id!r} was recorded before"
        )
    return RecordResult.ok(record)
