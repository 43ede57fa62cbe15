"""A batch service and a ledger of a test's own, and whoever calls them."""

import itertools
from collections.abc import AsyncIterator, Callable

import asyncpg
import grpc
import pytest

from batch_service.processes.registry import ProcessResources, batch_processes
from batch_service.sandbox_gateway import serving_sandbox
from batch_service.service import BATCH
from ledger_service.service import LEDGER
from ledger_service.settings import LedgerSettings
from service_kit.channels import open_channel
from service_kit.clock import SystemClock
from service_kit.database import create_engine, create_pool
from service_kit.server import running_server
from tests.integration.batch_billing.books import Books
from tests.integration.batch_billing.caller import CLIENT, Caller, batch_settings
from tests.integration.batch_billing.night import Night
from tests.support.databases import FreshDatabase, NewDatabase
from tests.support.servers import StartServer

NewNight = Callable[[], Night]


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


@pytest.fixture
async def ledger_target(new_database: NewDatabase) -> AsyncIterator[str]:
    """Where a ledger service answers."""
    database = await new_database("ledger_service")
    settings = LedgerSettings(port=0, database_url=database.url, development_principal=True)
    async with running_server(LEDGER, settings) as server:
        yield f"127.0.0.1:{server.port}"


@pytest.fixture
async def ledger_channel(ledger_target: str) -> AsyncIterator[grpc.aio.Channel]:
    """The ledger service, as the batch service calls it."""
    async with open_channel(ledger_target) as channel:
        yield channel


@pytest.fixture
async def admin(batch_database: FreshDatabase) -> AsyncIterator[asyncpg.Connection]:
    """Who sees all of the database of the batch service."""
    connection = await asyncpg.connect(batch_database.admin_url)
    yield connection
    await connection.close()


@pytest.fixture
async def new_night(
    batch_database: FreshDatabase,
    batch_channel: grpc.aio.Channel,
    ledger_channel: grpc.aio.Channel,
    admin: asyncpg.Connection,
) -> AsyncIterator[NewNight]:
    """A factory of nights, each of another client."""
    settings = batch_settings(batch_database)
    clients = itertools.count(CLIENT)
    engine = create_engine(settings, name="night")
    async with await create_pool(settings, name="sandbox", size=4) as pool, serving_sandbox(pool) as target:
        gateway_channel = open_channel(target, retry_unavailable=False)
        processes = batch_processes(
            ProcessResources(engine, SystemClock(), ledger_channel, gateway_channel, 0.5)
        )

        def make() -> Night:
            client_no = next(clients)
            return Night(
                client_no,
                Caller(batch_channel, client_no),
                Books(ledger_channel, client_no),
                processes,
                engine,
                admin,
            )

        yield make
        await gateway_channel.close()
    await engine.dispose()


@pytest.fixture
def night(new_night: NewNight) -> Night:
    """The night of a client."""
    return new_night()
