"""The ledger, served on a database of the test's own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import grpc
import pytest

from ledger_service.service import LEDGER
from ledger_service.settings import LedgerSettings
from tests.integration.ledger.caller import Ledger
from tests.support.databases import FreshDatabase, NewDatabase
from tests.support.servers import StartServer

Serve = Callable[..., Awaitable[grpc.aio.Channel]]


@pytest.fixture
async def database(new_database: NewDatabase) -> FreshDatabase:
    """An empty ledger."""
    return await new_database("ledger_service")


@pytest.fixture
def serve(database: FreshDatabase, start_server: StartServer) -> Serve:
    """Start a server on the database; several are several posters."""

    async def serve(**settings: Any) -> grpc.aio.Channel:
        return await start_server(
            LEDGER,
            LedgerSettings(database_url=database.url, port=0, development_principal=True, **settings),
        )

    return serve


@pytest.fixture
async def ledger(serve: Serve) -> Ledger:
    """The ledger, for client 1."""
    return Ledger(await serve(), client_no=1)


@pytest.fixture
async def other(serve: Serve) -> Ledger:
    """The same books, through a server of their own."""
    return Ledger(await serve(), client_no=1)


@pytest.fixture
async def sql(database: FreshDatabase) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """The database itself."""
    connection = await asyncpg.connect(database.owner_url)
    try:
        yield connection
    finally:
        await connection.close()
