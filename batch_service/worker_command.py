"""`python -m batch_service worker`: works chunks until SIGTERM, without serving anything; any number, on any
hosts.
"""

import asyncio
import os
import sys
from typing import Final

import structlog
import uvloop

from batch_service.processes.registry import batch_processes
from batch_service.service import BuildProcesses, wired_engine
from batch_service.settings import BatchSettings
from service_kit.database import DatabaseUnavailableError, create_engine, wait_for_database
from service_kit.migrations import MigrationError, require_head
from service_kit.server import EX_UNAVAILABLE, StopSignals
from service_kit.settings import EX_CONFIG

_log: Final = structlog.get_logger()


def run_worker(
    settings: BatchSettings, arguments: list[str], *, build: BuildProcesses = batch_processes
) -> int:
    """Work until a signal, and return the exit status: EX_CONFIG or EX_UNAVAILABLE when it can't start."""
    if arguments:
        return _refuse(os.EX_USAGE, f"worker takes no arguments, not {' '.join(arguments)}")
    if not settings.workers:
        return _refuse(EX_CONFIG, f"{settings.variable('workers')}=0 leaves a worker nothing to do")
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_work(settings, build))
    except MigrationError as fault:
        return _refuse(EX_CONFIG, str(fault))
    except DatabaseUnavailableError as fault:
        return _refuse(EX_UNAVAILABLE, f"{settings.variable('database_url')}: {fault}")


async def _work(settings: BatchSettings, build: BuildProcesses) -> int:
    with StopSignals(watch_parent=settings.stop_with_parent) as stop:
        try:
            await _require_schema(settings)
            async with wired_engine(settings, build):
                stop.cancels_nothing_from_now_on()
                _log.info("working", concurrency=settings.workers)
                await stop.wait()
        except asyncio.CancelledError:
            if not stop.requested:
                raise
    _log.info("stopped")
    return 0


async def _require_schema(settings: BatchSettings) -> None:
    engine = create_engine(settings, name="batch worker start", pool_size=1)
    try:
        await wait_for_database(engine, settings.database_wait_seconds)
        await require_head("batch_service", engine)
    finally:
        await engine.dispose()


def _refuse(exit_status: int, reason: str) -> int:
    sys.stderr.write(f"batch: {reason}\n")
    return exit_status
