"""A batch service of a test's own, and whoever calls it."""

import grpc
import pytest

from batch_service.service import BATCH
from tests.integration.batch_billing.caller import Caller, batch_settings
from tests.support.databases import FreshDatabase, NewDatabase
from tests.support.servers import StartServer


@pytest.fixture
async def batch_database(new_database: NewDatabase) -> FreshDatabase:
    """A migrated database of the batch service."""
    return await new_database("batch_service")


@pytest.fixture
async def batch_channel(batch_database: FreshDatabase, start_server: StartServer) -> grpc.aio.Channel:
    """A batch service without workers and without a ledger: what is set up can be looked at."""
    return await start_server(BATCH, batch_settings(batch_database, workers=0))


@pytest.fixture
def caller(batch_channel: grpc.aio.Channel) -> Caller:
    """Who sets up billing."""
    return Caller(batch_channel)
