"""All of Tallybook as a user runs it: PostgreSQL and three processes, for tests of the whole.

Fixture: `tallybook` (module scope): everything on free ports, with a development principal and no tokens.
"""

import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import grpc
import pytest_asyncio

from service_kit.launcher import TALLYBOOK, Launched, launched
from tests.support.servers import free_port


@dataclass(frozen=True, slots=True)
class RunningTallybook:
    """Everything that runs, and a channel to each service by its name: "ledger", "batch", "audit"."""

    launched: Launched
    channels: Mapping[str, grpc.aio.Channel]

    def target(self, name: str) -> str:
        """The address of a service, as "127.0.0.1:port"."""
        return self.launched.services[name].target

    async def kill_and_restart(self, name: str) -> None:
        """Kill a service without warning, start it again, and return once it serves."""
        service = self.launched.services[name]
        await service.kill()
        await service.start()
        await service.wait_until_serving()


@asynccontextmanager
async def running_tallybook(environment: Mapping[str, str] | None = None) -> AsyncIterator[RunningTallybook]:
    """All services, each a process, with their data in a directory that is thrown away."""
    directory = Path(tempfile.mkdtemp(prefix="tallybook-"))
    plans = [replace(plan, port=free_port()) for plan in TALLYBOOK]
    try:
        async with launched(directory, plans=plans, environment=environment) as running:
            channels = {
                name: grpc.aio.insecure_channel(service.target) for name, service in running.services.items()
            }
            try:
                yield RunningTallybook(running, channels)
            finally:
                for channel in channels.values():
                    await channel.close()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def tallybook() -> AsyncIterator[RunningTallybook]:
    """All services, shared by the tests of a module."""
    async with running_tallybook() as running:
        yield running
