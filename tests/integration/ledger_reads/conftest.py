"""The ledger on a database of the test's own, with books written by the test."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from service_kit.database import engine_on
from tests.integration.ledger_reads.books import Books
from tests.support.databases import FreshDatabase, NewDatabase


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
