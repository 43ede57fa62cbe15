"""Delivery by Procrastinate, a job queue in PostgreSQL: to any worker on any host, at once through
LISTEN/NOTIFY.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import structlog
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ProcrastinateException
from procrastinate.jobs import Status
from procrastinate.types import JSONValue

from batch_service.chunks import ChunkTicket
from batch_service.delivery import TakeTicket

_log = structlog.get_logger()

_QUEUE: Final = "chunks"
_TASK: Final = "work_chunk"
# Notifications make delivery immediate, but one that comes while a worker looks for jobs may pass it
# unnoticed.
_POLL_SECONDS: Final = 1.0
# A worker that died leaves its jobs behind as "doing". The table of chunks has given them to others long
# before.
_ABANDONED_AFTER_SECONDS: Final = 300.0
_TIDY_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 1.0

# It tells of each job in several lines; what matters of a chunk we log ourselves.
logging.getLogger("procrastinate").setLevel(logging.WARNING)


class ProcrastinateDelivery:
    """A ticket is a job; a job is deleted when its ticket has been taken, whatever came of it."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._stopped = asyncio.Event()
        self._take: TakeTicket | None = None
        self._task = app.task(name=_TASK, queue=_QUEUE)(self._work)

    async def defer(self, tickets: Sequence[ChunkTicket]) -> None:
        """Add a job for each ticket, in one statement."""
        jobs: list[dict[str, JSONValue]] = [
            {
                "client_no": ticket.client_no,
                "session_no": ticket.session_no,
                "chunk_no": ticket.chunk_no,
                "epoch": ticket.epoch,
            }
            for ticket in tickets
        ]
        if jobs:
            await self._task.batch_defer_async(*jobs)

    async def run(self, take: TakeTicket, concurrency: int) -> None:
        """Fetch jobs until `stop`."""
        self._stopped.clear()
        self._take = take
        worker = asyncio.ensure_future(self._fetch(concurrency))
        tidying = asyncio.ensure_future(self._tidy())
        stopped = asyncio.ensure_future(self._stopped.wait())
        try:
            await asyncio.wait({worker, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            tidying.cancel()
            stopped.cancel()
            # Cancelling it is Procrastinate's way to be told to stop: it fetches no more and waits for what
            # runs.
            worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await worker

    async def _fetch(self, concurrency: int) -> None:
        """Procrastinate's worker ends when the database is away, or for a fault of its own; then another
        takes its place: this process must not live on without working.
        """
        while True:
            try:
                await self._app.run_worker_async(
                    queues=[_QUEUE],
                    concurrency=concurrency,
                    delete_jobs="always",
                    install_signal_handlers=False,
                    fetch_job_polling_interval=_POLL_SECONDS,
                )
            except ProcrastinateException as failure:
                _log.warning("chunks can't be fetched now", cause=str(failure))
            except Exception:  # noqa: BLE001  # whatever it is
                _log.exception("fetching chunks failed, it begins anew")
            await asyncio.sleep(_PAUSE_SECONDS)

    def stop(self) -> None:
        """Fetch no more jobs."""
        self._stopped.set()

    async def _work(self, client_no: int, session_no: int, chunk_no: int, epoch: int) -> None:
        assert self._take is not None, "a job was fetched by who does not run"
        await self._take(ChunkTicket(client_no, session_no, chunk_no, epoch))

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(_TIDY_SECONDS)
            try:
                jobs = self._app.job_manager
                for job in await jobs.get_stalled_jobs(
                    queue=_QUEUE, seconds_since_heartbeat=_ABANDONED_AFTER_SECONDS
                ):
                    assert job.id is not None
                    await jobs.finish_job_by_id_async(job.id, Status.ABORTED, delete_job=True)
            except ProcrastinateException:
                _log.warning("abandoned jobs could not be deleted now", exc_info=True)


@asynccontextmanager
async def procrastinate_delivery(
    database_url: str, *, name: str, pool_size: int = 4
) -> AsyncIterator[ProcrastinateDelivery]:
    """Open a delivery on the database of the batch service, where the migrations put Procrastinate's
    tables.
    """
    connector = PsycopgConnector(
        conninfo=database_url, min_size=1, max_size=pool_size, kwargs={"application_name": name}
    )
    app = App(connector=connector)
    async with app.open_async():
        yield ProcrastinateDelivery(app)
