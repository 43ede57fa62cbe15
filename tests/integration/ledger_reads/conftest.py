"""The ledger on a database of the test's own, with books written by the test."""

from collections.abc import AsyncIterator

import asyncpg
import grpc
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from ledger_service.service import LEDGER
from ledger_service.settings import LedgerSettings
from service_kit.database import engine_on
from tallybook.ledger.v1 import account_pb2_grpc
from tests.integration.ledger_reads.books import Books
from tests.support.databases import FreshDatabase, NewDatabase
from tests.support.servers import StartServer


@pytest.fixture
async def database(new_database: NewDatabase) -> FreshDatabase:
    """An empty ledger."""
    return await new_database("ledger_service")


@pytest.fixture
async def books(database: FreshDatabase) -> AsyncIterator[Books]:
    """Its books, to be written."""
    connection = await asyncpg.connect(database.owner_url)
    try:
        yield Books(connection)
    finally:
        await connection.close()


@pytest.fixture
async def engine(database: FreshDatabase) -> AsyncIterator[AsyncEngine]:
    """What reads them, with the rights that the service has."""
    engine = engine_on(database.url, name="ledger")
    yield engine
    await engine.dispose()


@pytest.fixture
async def channel(database: FreshDatabase, start_server: StartServer) -> grpc.aio.Channel:
    """A channel to the ledger, which serves these books."""
    return await start_server(
        LEDGER, LedgerSettings(port=0, database_url=database.url, development_principal=True)
    )


@pytest.fixture
def accounts(channel: grpc.aio.Channel) -> "account_pb2_grpc.AccountServiceAsyncStub":
    """Calls AccountService."""
    return account_pb2_grpc.AccountServiceStub(channel)
