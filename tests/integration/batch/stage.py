"""The stage of a test: a database, an engine on it, and what a test does and sees through the service
itself.
"""

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

import asyncpg
import grpc
from google.type.date_pb2 import Date

from batch_service.settings import BatchSettings
from tallybook.audit.v1 import audit_event_pb2
from tallybook.batch.v1 import batch_pb2, batch_pb2_grpc, batch_status_pb2
from tests.integration.batch.staged_processes import Deed
from tests.support.databases import FreshDatabase

CLIENT: Final = 1
MARCH_1: Final = date(2026, 3, 1)
ENDED: Final = {2, 3, 4, 5, 6}

_KEYS: Final = itertools.count(1)
_ROOT: Final = Path(__file__).resolve().parents[3]


def key() -> str:
    """A request_id that no other call has."""
    return f"key-{next(_KEYS)}"


def batch_settings(database: FreshDatabase, **changes: Any) -> BatchSettings:
    """Settings for a test: short leases, a quick sweep."""
    values: dict[str, Any] = {
        "port": 0,
        "database_url": database.url,
        "development_principal": True,
        "workers": 2,
        "lease_seconds": 1.5,
        "sweep_seconds": 0.3,
        "redelivery_seconds": 1.0,
        "drain_seconds": 5.0,
    }
    return BatchSettings(**{**values, **changes})


@dataclass(slots=True)
class Stage:
    """What a test does and sees. `stub` calls the service; `admin` is a connection to its database."""

    database: FreshDatabase
    admin: asyncpg.Connection
    stub: "batch_pb2_grpc.BatchServiceAsyncStub"
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    async def records(self, process_code: str, deeds: Sequence[Deed]) -> None:
        """Stage the records of a process: "account:1" does the first deed."""
        await self.admin.copy_records_to_table(
            "stage_record",
            columns=("process_code", "record_key", "deed"),
            records=[(process_code, f"account:{number}", deed) for number, deed in enumerate(deeds, 1)],
        )

    async def step(self, process_code: str, step: str, deed: Deed) -> None:
        """Stage what a step of a process does."""
        await self.admin.execute(
            "INSERT INTO stage_step VALUES ($1, $2, $3)"
            " ON CONFLICT (process_code, step) DO UPDATE SET deed = $3",
            process_code,
            step,
            deed,
        )

    async def restage(self, before: Deed, after: Deed) -> None:
        """Mend records."""
        await self.admin.execute("UPDATE stage_record SET deed = $2 WHERE deed = $1", before, after)

    async def mark(self, name: str) -> None:
        """Set a mark that deeds wait for: "open", "back"."""
        await self.admin.execute("INSERT INTO stage_mark VALUES ($1) ON CONFLICT DO NOTHING", name)

    async def until_marked(self, pattern: str) -> None:
        """Wait for a mark that deeds leave."""

        async def marked() -> bool:
            return bool(await self.admin.fetchval("SELECT 1 FROM stage_mark WHERE name LIKE $1", pattern))

        await until(marked)

    async def run(
        self,
        process_code: str,
        *,
        business_date: date = MARCH_1,
        rerun: bool = False,
        client_no: int = CLIENT,
    ) -> batch_pb2.BatchSession:
        """Queue a process."""
        response = await self.stub.RunBatchProcess(
            batch_pb2.RunBatchProcessRequest(
                client_no=client_no,
                request_id=key(),
                process_code=process_code,
                business_date=_date(business_date),
                rerun=rerun,
            )
        )
        return response.session

    async def run_cycle(
        self, business_date: date = MARCH_1, client_no: int = CLIENT
    ) -> list[batch_pb2.BatchSession]:
        """Queue the daily cycle."""
        response = await self.stub.RunDailyCycle(
            batch_pb2.RunDailyCycleRequest(
                client_no=client_no, request_id=key(), business_date=_date(business_date)
            )
        )
        return list(response.sessions)

    async def session(self, session_no: int, client_no: int = CLIENT) -> batch_pb2.BatchSession:
        """A session as it is now."""
        request = batch_pb2.GetBatchSessionRequest(client_no=client_no, session_no=session_no)
        return (await self.stub.GetBatchSession(request)).session

    async def ended(
        self, session: batch_pb2.BatchSession, *, seconds: float = 30.0
    ) -> batch_pb2.BatchSession:
        """The session once it has ended."""
        return await self.until_status(session, ENDED, seconds=seconds)

    async def until_status(
        self, session: batch_pb2.BatchSession, statuses: set[int], *, seconds: float = 30.0
    ) -> batch_pb2.BatchSession:
        """The session once it has one of the statuses."""
        seen = session

        async def has_it() -> bool:
            nonlocal seen
            seen = await self.session(session.session_no, session.client_no)
            return seen.status in statuses

        await until(has_it, seconds=seconds, what=lambda: f"still {seen}")
        return seen

    async def until_counted(self, session: batch_pb2.BatchSession, *, ok: int) -> None:
        """Wait until so many records of a session have succeeded."""

        async def counted() -> bool:
            return (await self.session(session.session_no, session.client_no)).records_ok >= ok

        await until(counted)

    async def outcomes(self, session: batch_pb2.BatchSession) -> list[batch_pb2.BatchRecord]:
        """The records of a session."""
        request = batch_pb2.ListBatchRecordsRequest(
            client_no=session.client_no, session_no=session.session_no, page_size=1000
        )
        return list((await self.stub.ListBatchRecords(request)).records)

    async def effects(self, process_code: str) -> dict[str, int]:
        """How often each record was worked to its effect."""
        rows = await self.admin.fetch(
            "SELECT record_key, worked FROM stage_effect WHERE process_code = $1", process_code
        )
        return {row["record_key"]: row["worked"] for row in rows}

    async def interrupt(self, session: batch_pb2.BatchSession, comment: str = "") -> batch_pb2.BatchSession:
        """Interrupt a session."""
        request = batch_pb2.InterruptBatchSessionRequest(
            client_no=session.client_no, request_id=key(), session_no=session.session_no, comment=comment
        )
        return (await self.stub.InterruptBatchSession(request)).session

    async def resume(self, session: batch_pb2.BatchSession) -> batch_pb2.BatchSession:
        """Resume a session."""
        request = batch_pb2.ResumeBatchSessionRequest(
            client_no=session.client_no, request_id=key(), session_no=session.session_no
        )
        return (await self.stub.ResumeBatchSession(request)).session

    async def retry(self, session: batch_pb2.BatchSession) -> batch_pb2.BatchSession:
        """Retry the failed records of a session."""
        request = batch_pb2.RetryFailedRecordsRequest(
            client_no=session.client_no, request_id=key(), session_no=session.session_no
        )
        return (await self.stub.RetryFailedRecords(request)).session

    async def suspend(self, process_code: str, comment: str = "") -> batch_pb2.SuspendBatchProcessResponse:
        """Suspend a process."""
        return await self.stub.SuspendBatchProcess(
            batch_pb2.SuspendBatchProcessRequest(
                client_no=CLIENT, request_id=key(), process_code=process_code, comment=comment
            )
        )

    async def lift(self, process_code: str) -> batch_pb2.ResumeBatchProcessResponse:
        """Lift the suspension of a process."""
        return await self.stub.ResumeBatchProcess(
            batch_pb2.ResumeBatchProcessRequest(client_no=CLIENT, request_id=key(), process_code=process_code)
        )

    async def events(self, event_type: str) -> list[audit_event_pb2.AuditEvent]:
        """The audit events that wait in the outbox, oldest first."""
        rows = await self.admin.fetch("SELECT payload FROM audit_outbox ORDER BY outbox_no")
        parsed = [audit_event_pb2.AuditEvent.FromString(row["payload"]) for row in rows]
        return [event for event in parsed if event.event_type == event_type]

    def start_worker(self, **changes: str) -> subprocess.Popen[bytes]:
        """A worker in a process of its own."""
        return self._start("worker_process", changes)

    def start_service(self, **changes: str) -> subprocess.Popen[bytes]:
        """Another batch service on the same database, with workers of its own."""
        return self._start("service_process", changes, "serve")

    def _start(self, module: str, changes: dict[str, str], *arguments: str) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
            "TALLYBOOK_BATCH_DATABASE_URL": self.database.url,
            "TALLYBOOK_BATCH_PORT": "0",
            "TALLYBOOK_BATCH_DEVELOPMENT_PRINCIPAL": "true",
            "TALLYBOOK_BATCH_WORKERS": "2",
            "TALLYBOOK_BATCH_LEASE_SECONDS": "1.5",
            "TALLYBOOK_BATCH_SWEEP_SECONDS": "0.3",
            "TALLYBOOK_BATCH_REDELIVERY_SECONDS": "1",
            **changes,
        }
        worker = subprocess.Popen(
            [sys.executable, "-m", f"tests.integration.batch.{module}", *arguments],
            cwd=_ROOT,
            env=environment,
        )
        self.workers.append(worker)
        return worker

    def stop_workers(self) -> None:
        """Kill what is left of them."""
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGKILL)
            worker.wait()


@asynccontextmanager
async def opened_stage(
    database: FreshDatabase, channel: grpc.aio.Channel, schema: str
) -> AsyncIterator[Stage]:
    """A stage on a database whose service answers on the channel."""
    owner = await asyncpg.connect(database.owner_url)
    try:
        await owner.execute(schema)
    finally:
        await owner.close()
    admin = await asyncpg.connect(database.admin_url)
    stage = Stage(database, admin, batch_pb2_grpc.BatchServiceStub(channel))
    try:
        yield stage
    finally:
        stage.stop_workers()
        await admin.close()


async def until(
    condition: Callable[[], Awaitable[bool]],
    *,
    seconds: float = 30.0,
    what: Callable[[], str] = lambda: "not yet",
) -> None:
    """Wait until the condition holds; AssertionError when it does not in time."""
    give_up_at = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < give_up_at, what()
        await asyncio.sleep(0.03)


def status_name(session: batch_pb2.BatchSession) -> str:
    """ "OK", "PARTIAL" ..."""
    return batch_status_pb2.BatchStatus.Name(session.status).removeprefix("BATCH_STATUS_")


def _date(day: date) -> Date:
    return Date(year=day.year, month=day.month, day=day.day)
