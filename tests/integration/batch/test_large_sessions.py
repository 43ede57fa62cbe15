"""Many records: the selection is copied, a chunk is settled in few statements."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from datetime import date

import pytest
from sqlalchemy import event

from batch_service.delivery import InProcessDelivery
from batch_service.engine import running_engine
from batch_service.processes.contract import (
    BatchProcess,
    ProcessContext,
    RecordResult,
    SelectedRecord,
    WorkRecord,
)
from batch_service.processes.registry import ProcessRegistry, ProcessResources
from batch_service.queueing import SessionQueue
from batch_service.rules.statuses import ENDED
from batch_service.store_sessions import find_session
from service_kit.clock import SystemClock
from service_kit.database import engine_on
from tests.integration.batch.stage import batch_settings
from tests.support.databases import NewDatabase

RECORDS = 20_000


class Counting(BatchProcess):
    """Does nothing, to many records; every thousandth fails."""

    code = "counting"
    batch_no = 1
    name = "Counting"
    purpose = "counts"

    async def select(self, context: ProcessContext) -> AsyncIterator[SelectedRecord]:
        """Select many."""
        for number in range(1, RECORDS + 1):
            yield SelectedRecord(f"account:{number}", number, b"x" * 40)

    async def work(self, context: ProcessContext, records: Sequence[WorkRecord]) -> Sequence[RecordResult]:
        """Succeed, as a rule."""
        return [
            RecordResult.ok(record)
            if record.acct_no % 1000
            else RecordResult.failed(record, "ROUND", "round")
            for record in records
        ]


@pytest.mark.slow
async def test_a_session_of_many_records_takes_few_statements(new_database: NewDatabase) -> None:
    database = await new_database("batch_service")
    engine = engine_on(database.url, name="test", pool_size=10)
    resources = ProcessResources(
        engine=engine, clock=SystemClock(), ledger_channel=None, gateway_channel=None
    )
    processes = ProcessRegistry([Counting()])
    statements = 0

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def count(*_: object) -> None:
        nonlocal statements
        statements += 1

    settings = batch_settings(database, workers=2, sweep_seconds=60, lease_seconds=60)
    started = time.monotonic()
    async with running_engine(settings, resources, processes, InProcessDelivery()) as running:
        async with running.units.begin() as unit:
            session = await SessionQueue(processes).run_process(
                unit, 1, date(2026, 3, 1), "counting", rerun=False, actor="test"
            )
        ended = None
        while ended is None or ended.status not in ENDED:
            await asyncio.sleep(0.05)
            async with running.units.read() as connection:
                ended = await find_session(connection, session.id)
    seconds = time.monotonic() - started
    await engine.dispose()
    assert (ended.records_total, ended.records_ok, ended.records_failed) == (20_000, 19_980, 20)
    looking = 2 * seconds / 0.05
    assert statements - looking < 12 * RECORDS / Counting.chunk_size + 200
    assert seconds < 60
