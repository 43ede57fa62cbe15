"""Batch processes that do what the test wrote into the database, so that workers in other processes do it
too.

`stage_record` says which records a process selects and what working each of them does (`Deed`). The effect of
a record is a row of `stage_effect`, idempotent as the contract of a process wants it; each time it is worked
is counted too.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from enum import StrEnum
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from batch_service.processes.contract import (
    BatchProcess,
    JobNames,
    ProcessContext,
    ProcessFault,
    RecordResult,
    SelectedRecord,
    TransientFault,
    WorkRecord,
)
from batch_service.processes.registry import ProcessRegistry, ProcessResources

SCHEMA: Final = """
    CREATE TABLE stage_record (process_code text, record_key text, deed text, place serial);
    CREATE TABLE stage_step (process_code text, step text, deed text, PRIMARY KEY (process_code, step));
    CREATE TABLE stage_effect (
        client_no bigint, process_code text, business_date date, record_key text, worked int DEFAULT 1, pid
        int, PRIMARY KEY (client_no, process_code, business_date, record_key)
    );
    CREATE TABLE stage_mark (name text PRIMARY KEY);
    GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC;
    GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO PUBLIC;
"""


class Deed(StrEnum):
    """What working a record, or doing a step, comes to."""

    OK = "ok"
    FAIL = "fail"
    """The record fails, with a reason."""
    RAISE = "raise"
    """An exception that nobody foresaw."""
    FAULT = "fault"
    """A fault of the process, said by it."""
    AWAY = "away"
    """What it needs can't be reached, until the mark "back" is set."""
    KILL = "kill"
    """The worker dies, every time."""
    KILL_ONCE = "kill-once"
    """The worker dies, the first time."""
    GATE = "gate"
    """Waits until the mark "open" is set."""
    SLOW = "slow"
    """Takes a while."""


class Staged(BatchProcess):
    """A process that does what was staged."""

    purpose = "does what a test staged"
    chunk_size = 5
    jobs = JobNames(select="Select what was staged")

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def prepare(self, context: ProcessContext) -> None:
        """Do what was staged for it."""
        await self._step("prepare")

    async def select(self, context: ProcessContext) -> AsyncIterator[SelectedRecord]:
        """Select what was staged."""
        await self._step("select")
        async with self._engine.connect() as connection:
            rows = await connection.execute(
                text(
                    "SELECT record_key, deed, place FROM stage_record"
                    " WHERE process_code = :code ORDER BY place"
                ),
                {"code": self.code},
            )
        for row in rows:
            yield SelectedRecord(row.record_key, row.place, row.deed.encode())

    async def work(self, context: ProcessContext, records: Sequence[WorkRecord]) -> Sequence[RecordResult]:
        """Do each deed, in order; the effects of those that succeed stay, whatever the others do."""
        return [await self._work(context, record) for record in records]

    async def finish(self, context: ProcessContext) -> None:
        """Do what was staged for it."""
        await self._step("finish")

    async def _work(self, context: ProcessContext, record: WorkRecord) -> RecordResult:
        deed = await self._restaged(record)
        await self._do(deed, record.record_key)
        if deed is Deed.FAIL:
            return RecordResult.failed(record, "STAGED", f"{record.record_key} was staged to fail")
        async with self._engine.begin() as connection:
            await connection.execute(
                text("""
                    INSERT INTO stage_effect (client_no, process_code, business_date, record_key, pid)
                    VALUES (:client_no, :code, :business_date, :record_key, :pid)
                    ON CONFLICT (client_no, process_code, business_date, record_key)
                    DO UPDATE SET worked = stage_effect.worked + 1
                """),
                {
                    "client_no": context.client_no,
                    "code": self.code,
                    "business_date": context.business_date,
                    "record_key": record.record_key,
                    "pid": os.getpid(),
                },
            )
        return RecordResult.ok(record)

    async def _restaged(self, record: WorkRecord) -> Deed:
        """What is staged for the record now: a test may mend a record before it is retried."""
        async with self._engine.connect() as connection:
            deed = await connection.scalar(
                text("SELECT deed FROM stage_record WHERE place = :place"), {"place": record.acct_no}
            )
        return Deed(deed)

    async def _step(self, step: str) -> None:
        async with self._engine.connect() as connection:
            deed = await connection.scalar(
                text("SELECT deed FROM stage_step WHERE process_code = :code AND step = :step"),
                {"code": self.code, "step": step},
            )
        await self._do(Deed(deed or Deed.OK), f"{self.code} {step}")

    async def _do(self, deed: Deed, what: str) -> None:
        match deed:
            case Deed.RAISE:
                raise RuntimeError(f"{what} was staged to raise")
            case Deed.FAULT:
                raise ProcessFault(f"{what} was staged to be a fault")
            case Deed.AWAY if not await self._is_marked("back"):
                raise TransientFault(f"{what} was staged to be away")
            case Deed.KILL:
                os.kill(os.getpid(), signal.SIGKILL)
            case Deed.KILL_ONCE if await self._mark(f"killed {what}"):
                os.kill(os.getpid(), signal.SIGKILL)
            case Deed.GATE:
                await self._mark(f"at the gate: {what}")
                while not await self._is_marked("open"):  # noqa: ASYNC110  # another process sets it
                    await asyncio.sleep(0.02)
            case Deed.SLOW:
                await asyncio.sleep(0.05)

    async def _mark(self, name: str) -> bool:
        async with self._engine.begin() as connection:
            result = await connection.execute(
                text("INSERT INTO stage_mark VALUES (:name) ON CONFLICT DO NOTHING"), {"name": name}
            )
        return bool(result.rowcount)

    async def _is_marked(self, name: str) -> bool:
        async with self._engine.connect() as connection:
            return bool(
                await connection.scalar(text("SELECT 1 FROM stage_mark WHERE name = :name"), {"name": name})
            )


class First(Staged):
    """Depends on nothing."""

    code = "first"
    batch_no = 3
    name = "First process"


class Second(Staged):
    """Depends on the first."""

    code = "second"
    batch_no = 22
    name = "Second process"
    chunk_size = 20
    depends_on = ("first",)


class Third(Staged):
    """Depends on the second."""

    code = "third"
    batch_no = 23
    name = "Third process"
    depends_on = ("second",)


class Loader(Staged):
    """Starts with a file."""

    code = "loader"
    batch_no = 0
    name = "File loader"
    in_daily_cycle = False
    needs_file = True


def staged_processes(resources: ProcessResources) -> ProcessRegistry:
    """All of them."""
    return ProcessRegistry([process(resources.engine) for process in (First, Second, Third, Loader)])
