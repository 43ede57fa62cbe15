"""PostgreSQL, as every service reaches it: SQLAlchemy Core on asyncpg, with time limits and without
surprises.
"""

from collections.abc import Mapping

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from service_kit.settings import ServiceSettings


class DatabaseUnavailableError(Exception):
    """The database did not accept a connection in time; the message says where and what it said."""


def create_engine(settings: ServiceSettings, *, name: str, pool_size: int | None = None) -> AsyncEngine:
    """An engine on `settings.database_url`; `name` is the application_name that pg_stat_activity shows.

    Connects lazily. Statements are cancelled by the server after `statement_timeout_seconds`. A connection
    that the server closed while it was idle (a restart) is noticed when it is taken out of the pool, without
    a round trip.
    """
    raise NotImplementedError


async def raw_connection(connection: AsyncConnection) -> asyncpg.Connection:
    """The asyncpg connection beneath, for COPY and prepared statements, inside the same transaction.

    SQLAlchemy begins a transaction only with its first statement. So if `connection` is in one that has not
    reached the server yet, this begins it there: else the driver's statements would commit one by one.
    """
    raise NotImplementedError


async def wait_for_database(engine: AsyncEngine, seconds: float) -> None:
    """Return once the database accepts connections; DatabaseUnavailableError after `seconds` of trying."""
    raise NotImplementedError


def asyncpg_arguments(database_url: str) -> Mapping[str, object]:
    """`database_url` (a libpq URL) as the arguments of asyncpg.connect or create_pool, for who needs no
    SQLAlchemy.
    """
    raise NotImplementedError
