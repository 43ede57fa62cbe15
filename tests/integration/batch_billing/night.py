"""A client's nightly processes, run one by one in the test's own process."""

import itertools
from dataclasses import dataclass
from datetime import UTC, date, datetime

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from batch_service.processes.contract import ProcessContext, RecordOutcome, RecordResult, WorkRecord
from batch_service.processes.registry import ProcessRegistry
from service_kit.clock import VirtualClock
from tests.integration.batch_billing.books import Books
from tests.integration.batch_billing.caller import Caller

_SESSIONS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a record, as a test compares it."""

    ok: bool
    reason: str
    message: str


@dataclass(slots=True)
class Night:
    """A client with its setup, its books and its processes. `admin` sees the batch service's database."""

    client_no: int
    caller: Caller
    books: Books
    processes: ProcessRegistry
    engine: AsyncEngine
    admin: asyncpg.Connection

    async def run(self, code: str, business_date: str) -> dict[str, Outcome]:
        """Run a process for a date; the outcomes by record."""
        process = self.processes.require(code)
        context = self._context(business_date)
        await process.prepare(context)
        records = [
            WorkRecord(number, each.record_key, each.acct_no, each.payload, 0)
            for number, each in enumerate([each async for each in process.select(context)], start=1)
        ]
        results: list[RecordResult] = []
        for start in range(0, len(records), process.chunk_size):
            results += await process.work(context, records[start : start + process.chunk_size])
        await process.finish(context)
        assert sorted(result.record_no for result in results) == [record.record_no for record in records]
        keys = {record.record_no: record.record_key for record in records}
        return {
            keys[result.record_no]: Outcome(result.outcome is RecordOutcome.OK, result.reason, result.message)
            for result in results
        }

    async def reasons(self, code: str, business_date: str) -> list[str]:
        """Run a process for a date; the reasons of its records, "" for success, by record key."""
        outcomes = await self.run(code, business_date)
        return [outcome.reason for _, outcome in sorted(outcomes.items())]

    def _context(self, business_date: str) -> ProcessContext:
        return ProcessContext(
            client_no=self.client_no,
            session_no=next(_SESSIONS),
            business_date=date.fromisoformat(business_date),
            attempt=1,
            file_name="",
            actor="tester",
            clock=VirtualClock(datetime(2026, 1, 1, tzinfo=UTC)),
            engine=self.engine,
            interrupted=lambda: False,
        )
