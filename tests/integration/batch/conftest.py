"""The stage on which the tests of the batch engine play."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from batch_service.service import batch_definition
from tests.integration.batch.stage import Stage, batch_settings, opened_stage
from tests.integration.batch.staged_processes import SCHEMA, staged_processes
from tests.support.databases import NewDatabase
from tests.support.servers import StartServer

NewStage = Callable[..., Awaitable[Stage]]


@pytest.fixture
async def new_stage(new_database: NewDatabase, start_server: StartServer) -> AsyncIterator[NewStage]:
    """A factory of stages: a batch service with the staged processes, with settings of its own."""
    async with AsyncExitStack() as stack:

        async def make(**changes: Any) -> Stage:
            database = await new_database("batch_service")
            channel = await start_server(
                batch_definition(staged_processes), batch_settings(database, **changes)
            )
            return await stack.enter_async_context(opened_stage(database, channel, SCHEMA))

        yield make


@pytest.fixture
async def stage(new_stage: NewStage) -> Stage:
    """A stage whose service has two workers of its own."""
    return await new_stage()
