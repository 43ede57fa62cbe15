"""PostgreSQL, as every service reaches it: SQLAlchemy Core on asyncpg, with time limits and no surprises."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias

import asyncpg
import structlog
from sqlalchemy import AdaptedConnection, event, exc
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from service_kit.settings import ServiceSettings

_log = structlog.get_logger()

RawConnection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
RawPool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

LOST_RACE: Final = (
    asyncpg.UniqueViolationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
)
"""What somebody else may do to us at the same time: take a name that was free, or a lock in another order.
Who begins again sees what the other did."""

_CONNECT_TIMEOUT_SECONDS: Final = 10.0
_POOL_WAIT_SECONDS: Final = 10.0
_LONGEST_IDLE_SECONDS: Final = 60.0
_RECYCLE_SECONDS: Final = 1800


class DatabaseUnavailableError(Exception):
    """The database did not accept a connection in time; the message says what it, or the network, said."""


def create_engine(settings: ServiceSettings, *, name: str, pool_size: int | None = None) -> AsyncEngine:
    """An engine on `settings.database_url`; `name` is the application_name that pg_stat_activity shows.

    Connects lazily; DatabaseUnavailableError when that fails. Statements are cancelled by the server after
    `statement_timeout_seconds`. A connection that the server closed while it was idle (a restart) is noticed
    when it is taken out of the pool, without a round trip.
    """
    return engine_on(
        settings.database_url,
        name=name,
        pool_size=pool_size or settings.database_pool_size,
        statement_timeout_seconds=settings.statement_timeout_seconds,
    )


def engine_on(
    database_url: str, *, name: str, pool_size: int = 5, statement_timeout_seconds: float = 30.0
) -> AsyncEngine:
    """`create_engine` for who has a URL and no settings: migrations, tools, tests."""
    arguments = connect_arguments(database_url, name, statement_timeout_seconds)

    async def connect(*_: object, **driver_arguments: Any) -> RawConnection:
        return await _connect({**arguments, **driver_arguments})

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=_POOL_WAIT_SECONDS,
        # The connection that was used last: it has prepared what it will be asked for.
        pool_use_lifo=True,
        # Those that are seldom used: something on the way may have forgotten them without a word.
        pool_recycle=_RECYCLE_SECONDS,
    )

    @event.listens_for(engine.sync_engine, "checkout")
    def discard_closed(dbapi_connection: Any, _record: object, _proxy: object) -> None:
        # asyncpg sees the end of the socket as soon as the server goes away: no ping is needed for that.
        if dbapi_connection.driver_connection.is_closed():
            raise exc.DisconnectionError("closed by the server while it was idle")

    return engine


def prepare_connections(engine: AsyncEngine, statements: str) -> None:
    """Run statements, settings as a rule, on every connection that the engine opens from now on."""

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: AdaptedConnection, _record: object) -> None:
        connection.run_async(lambda driver: driver.execute(statements))


def reading(engine: AsyncEngine) -> AsyncEngine:
    """The same connections for who only reads: each statement by itself, with no BEGIN before and no ROLLBACK
    after it.
    """
    return engine.execution_options(isolation_level="AUTOCOMMIT")


async def create_pool(settings: ServiceSettings, *, name: str, size: int | None = None) -> RawPool:
    """A pool of plain asyncpg connections with the same limits, for a hot path that needs no SQLAlchemy."""
    arguments = connect_arguments(settings.database_url, name, settings.statement_timeout_seconds)
    size = size or settings.database_pool_size

    async def connect(*_: object, **driver_arguments: Any) -> RawConnection:
        return await _connect({**arguments, **driver_arguments})

    return await asyncpg.create_pool(min_size=0, max_size=size, connect=connect)


async def open_connection(settings: ServiceSettings, *, name: str) -> RawConnection:
    """One plain asyncpg connection with the same limits, for who keeps it; DatabaseUnavailableError."""
    return await _connect(connect_arguments(settings.database_url, name, settings.statement_timeout_seconds))


def connect_arguments(
    database_url: str, name: str, statement_timeout_seconds: float = 30.0
) -> Mapping[str, Any]:
    """The arguments of asyncpg.connect for a libpq URL, with the limits that every connection of ours has."""
    limit_ms = str(int(statement_timeout_seconds * 1000))
    return {
        "dsn": database_url,
        "timeout": _CONNECT_TIMEOUT_SECONDS,
        # The server's limit comes first; this one is for a server that vanished without closing the socket.
        "command_timeout": statement_timeout_seconds + 5,
        "server_settings": {
            "application_name": name,
            "statement_timeout": limit_ms,
            # Who was frozen or cut off in a transaction must not hold its locks for ever.
            "idle_in_transaction_session_timeout": str(int(_LONGEST_IDLE_SECONDS * 1000)),
            "client_connection_check_interval": "10000",
            "timezone": "UTC",
            # Our statements are short: compiling them costs more than running them.
            "jit": "off",
        },
    }


@asynccontextmanager
async def driver_connection(engine: AsyncEngine) -> AsyncIterator[RawConnection]:
    """A connection of the engine's pool without SQLAlchemy around it, which saves 150 µs of CPU.

    Each statement is a transaction by itself, and whoever begins one with the driver also ends it.
    """
    pooled = await engine.raw_connection()
    try:
        driver = pooled.driver_connection
        assert isinstance(driver, asyncpg.Connection)
        yield driver
        assert not driver.is_in_transaction(), "who began a transaction has not ended it"
    except BaseException:
        # Nobody knows what was begun on it.
        pooled.invalidate()
        raise
    finally:
        # Nothing is begun, so nothing is rolled back, and there is nothing to wait for.
        pooled.close()


async def raw_connection(connection: AsyncConnection) -> RawConnection:
    """The asyncpg connection beneath, for COPY and prepared statements, inside the same transaction.

    SQLAlchemy begins a transaction only with its first statement. So if `connection` is in one that has not
    reached the server yet, this begins it there: else the driver's statements would commit one by one, as
    they shall on a connection of `reading`.
    """
    pooled = await connection.get_raw_connection()
    driver = pooled.driver_connection
    assert isinstance(driver, asyncpg.Connection)
    adapter: Any = pooled.dbapi_connection
    if connection.in_transaction() and not adapter.autocommit and not driver.is_in_transaction():
        await connection.exec_driver_sql("SELECT 1")
        assert driver.is_in_transaction(), "SQLAlchemy has not begun the transaction"
    return driver


async def wait_for_database(engine: AsyncEngine, seconds: float) -> None:
    """Return once the database accepts connections; DatabaseUnavailableError after `seconds` of trying.

    A wrong password, role or database name is no reason to wait: asyncpg's own error is raised at once.
    """
    give_up_at = asyncio.get_running_loop().time() + seconds
    said: str | None = None
    while True:
        try:
            async with engine.connect() as connection:
                await connection.exec_driver_sql("SELECT 1")
        except DatabaseUnavailableError as failure:
            left = give_up_at - asyncio.get_running_loop().time()
            if left <= 0:
                raise
            if str(failure) != said:
                said = str(failure)
                _log.info("waiting for the database", seconds_left=round(left, 1), cause=said)
            # Jitter, so that services that started together do not knock together.
            await asyncio.sleep(min(left, random.uniform(0.1, 0.5)))  # noqa: S311
        else:
            return


def what_it_said(failure: BaseException) -> str:
    """The one line of a database's refusal that a person needs; SQLAlchemy adds the statement and a link."""
    original = getattr(failure, "orig", None) or failure
    lines = str(original).strip().splitlines() or [type(original).__name__]
    return lines[0]


async def _connect(arguments: Mapping[str, Any]) -> RawConnection:
    try:
        return await asyncpg.connect(**arguments)
    except (OSError, TimeoutError, asyncpg.PostgresConnectionError) as failure:
        raise DatabaseUnavailableError(
            f"the database can't be reached: {failure or 'no answer'}"
        ) from failure
    except asyncpg.PostgresError as failure:
        # Starting up, shutting down, out of connection slots: it is there, and will take us later.
        if failure.sqlstate in {"57P03", "57P01", "57P02", "53300"}:
            raise DatabaseUnavailableError(f"the database takes no connections: {failure}") from failure
        raise
