"""The batch engine, put together: what the server and a worker of its own both run."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from batch_service.coordinator import Coordinator
from batch_service.delivery import ChunkDelivery
from batch_service.processes.registry import ProcessRegistry, ProcessResources
from batch_service.settings import BatchSettings
from batch_service.unit_of_work import UnitsOfWork
from batch_service.worker import Worker, new_worker_name


@dataclass(frozen=True, slots=True)
class BatchEngine:
    """A running engine: through `units` sessions are queued and steered, the rest happens by itself."""

    units: UnitsOfWork
    processes: ProcessRegistry


@asynccontextmanager
async def running_engine(
    settings: BatchSettings,
    resources: ProcessResources,
    processes: ProcessRegistry,
    delivery: ChunkDelivery,
    *,
    wake_relay: Callable[[], None] = lambda: None,
) -> AsyncIterator[BatchEngine]:
    """Coordinate, sweep and, unless `settings.workers` is 0, work chunks while the block runs.

    At its end no more chunks are taken; those that are claimed are finished, or given back after
    `settings.drain_seconds`.
    """
    units = UnitsOfWork(
        resources.engine,
        resources.clock,
        delivery,
        redelivery=settings.redelivery_seconds,
        wake_relay=wake_relay,
    )
    coordinator = Coordinator(units, processes, settings)
    units.on_commit = coordinator.look_at
    worker = Worker(units, processes, delivery, resources, settings, new_worker_name())
    async with coordinator.running(), _working(worker, settings.workers):
        yield BatchEngine(units, processes)


@asynccontextmanager
async def _working(worker: Worker, concurrency: int) -> AsyncIterator[None]:
    if not concurrency:
        yield
        return
    task = asyncio.create_task(worker.run(), name="batch worker")
    try:
        yield
    finally:
        worker.stop()
        await task
