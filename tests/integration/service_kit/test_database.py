"""The database as services reach it, with restarts and limits."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from service_kit.database import (
    DatabaseUnavailableError,
    create_engine,
    create_pool,
    engine_on,
    raw_connection,
    wait_for_database,
)
from service_kit.failures import as_domain_error, is_database_unavailable
from service_kit.postgres_server import PostgresServer
from tests.support.databases import FreshDatabase, NewDatabase
from tests.support.echo_service.service import EchoSettings


@pytest.fixture
async def database(new_database: NewDatabase) -> FreshDatabase:
    return await new_database("tests.support.echo_service")


def settings(database: FreshDatabase, **given: Any) -> EchoSettings:
    return EchoSettings(database_url=database.url, **given)


async def test_an_engine_says_who_it_is_and_how_long_it_waits(database: FreshDatabase) -> None:
    engine = create_engine(settings(database, statement_timeout_seconds=7), name="echo")
    async with engine.connect() as connection:
        shown = [
            await connection.scalar(text(f"SHOW {name}"))
            for name in ("application_name", "statement_timeout", "timezone")
        ]
    await engine.dispose()
    assert shown == ["echo", "7s", "UTC"]


async def test_a_statement_that_takes_too_long_is_cancelled_by_the_server(database: FreshDatabase) -> None:
    engine = create_engine(settings(database, statement_timeout_seconds=0.2), name="echo")
    began = time.monotonic()
    async with engine.connect() as connection:
        with pytest.raises(DBAPIError) as failure:
            await connection.execute(text("SELECT pg_sleep(30)"))
    await engine.dispose()
    assert time.monotonic() - began < 5
    assert as_domain_error(failure.value).reason == "DEADLINE_EXCEEDED"


async def test_more_callers_than_connections_wait_for_each_other(database: FreshDatabase) -> None:
    engine = create_engine(settings(database, database_pool_size=2), name="echo")

    async def work() -> None:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT pg_sleep(0.05)"))

    await asyncio.gather(*(work() for _ in range(10)))
    await engine.dispose()


@pytest.fixture
def own_postgres(data_directory: Path) -> Iterator[PostgresServer]:
    """A PostgreSQL that this test may stop and start."""
    server = PostgresServer(data_directory, options={"fsync": "off"})
    server.start()
    yield server
    server.stop()


async def test_connections_that_a_restart_closed_are_replaced_unnoticed(own_postgres: PostgresServer) -> None:
    engine = engine_on(own_postgres.url(), name="test")
    pool = await create_pool(EchoSettings(database_url=own_postgres.url()), name="test", size=2)
    async with engine.connect() as first, engine.connect() as second:
        await first.execute(text("SELECT 1"))
        await second.execute(text("SELECT 1"))
    assert await pool.fetchval("SELECT 1") == 1
    await asyncio.to_thread(own_postgres.stop)
    await asyncio.to_thread(own_postgres.start)
    await asyncio.sleep(0.05)
    for _ in range(3):
        async with engine.connect() as connection:
            assert await connection.scalar(text("SELECT 2")) == 2
        assert await pool.fetchval("SELECT 2") == 2
    await pool.close()
    await engine.dispose()


async def test_a_database_that_is_down_is_unavailable_whoever_asks(own_postgres: PostgresServer) -> None:
    engine = engine_on(own_postgres.url(), name="test")
    pool = await create_pool(EchoSettings(database_url=own_postgres.url()), name="test", size=2)
    async with engine.connect() as open_connection:
        await open_connection.execute(text("SELECT 1"))
        await asyncio.to_thread(own_postgres.stop)
        with pytest.raises(Exception) as in_the_middle:  # noqa: PT011  # of several types: what it is told as counts
            await open_connection.execute(text("SELECT 1"))
    with pytest.raises(Exception) as no_engine:  # noqa: PT011
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    with pytest.raises(Exception) as no_pool:  # noqa: PT011
        await pool.fetchval("SELECT 1")
    for failure in (in_the_middle, no_engine, no_pool):
        assert is_database_unavailable(failure.value), failure.value
    await asyncio.to_thread(own_postgres.start)
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT 1")) == 1
    await pool.close()
    await engine.dispose()


@pytest.mark.chaos
async def test_a_server_that_is_killed_in_the_middle_of_a_statement_is_unavailable(
    own_postgres: PostgresServer,
) -> None:
    engine = engine_on(own_postgres.url(), name="test")
    async with engine.connect() as connection:
        sleeping = asyncio.ensure_future(connection.execute(text("SELECT pg_sleep(30)")))
        await asyncio.sleep(0.3)
        await asyncio.to_thread(own_postgres.kill)
        with pytest.raises(DBAPIError) as failure:
            await sleeping
    assert is_database_unavailable(failure.value)
    await asyncio.to_thread(own_postgres.start)
    await wait_for_database(engine, 5)
    await engine.dispose()


async def test_waiting_for_a_database_ends_when_it_comes_up(own_postgres: PostgresServer) -> None:
    engine = engine_on(own_postgres.url(), name="test")
    await asyncio.to_thread(own_postgres.stop)
    waiting = asyncio.ensure_future(wait_for_database(engine, 30))
    await asyncio.sleep(0.5)
    assert not waiting.done()
    await asyncio.to_thread(own_postgres.start)
    await waiting
    await engine.dispose()


async def test_waiting_for_a_database_ends_when_the_time_is_over(tmp_path: Path) -> None:
    engine = engine_on(f"postgresql://a@/b?host={tmp_path}", name="test")
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailableError, match="can't be reached"):
        await wait_for_database(engine, 0.5)
    assert 0.4 < time.monotonic() - began < 5
    await engine.dispose()


async def test_a_wrong_database_name_is_not_waited_for(postgres: PostgresServer) -> None:
    engine = engine_on(postgres.url("nothing"), name="test")
    with pytest.raises((DBAPIError, asyncpg.PostgresError), match="does not exist"):
        await wait_for_database(engine, 30)
    await engine.dispose()


@pytest.mark.parametrize("first_statement", [None, "SELECT 1"])
async def test_what_the_driver_writes_belongs_to_the_transaction_around_it(
    database: FreshDatabase, first_statement: str | None
) -> None:
    engine = create_engine(settings(database), name="echo")
    with suppress(ZeroDivisionError):
        async with engine.begin() as connection:
            if first_statement:
                await connection.execute(text(first_statement))
            driver = await raw_connection(connection)
            await driver.copy_records_to_table(
                "note", records=[(1, "a"), (1, "b")], columns=["client_no", "text"]
            )
            raise ZeroDivisionError
    async with engine.begin() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM note")) == 0
        driver = await raw_connection(connection)
        await driver.copy_records_to_table("note", records=[(1, "c")], columns=["client_no", "text"])
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM note")) == 1
    await engine.dispose()
