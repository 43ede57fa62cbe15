"""Alembic for every service: explicit, brief in its locks, safe to run twice at once, granting least rights.

The revisions of a service lie in `<service_package>/migrations`, its metadata in `<service_package>.tables`.
"""

import asyncio
import importlib
import re
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog
from alembic import command, context
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, Table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from service_kit.database import engine_on, wait_for_database

_log = structlog.get_logger()

# A statement that waits for a lock makes everybody wait who comes after it. So it gives up soon, and tries
# again.
_LOCK_TIMEOUT: Final = "4s"
_LOCK_TRIES: Final = 5
_LOCK_PAUSE_SECONDS: Final = 2.0
# Another migrate job is waited for: it does what this one came for.
_TURN_TIMEOUT: Final = "15min"
_LONGEST_MIGRATION_SECONDS: Final = 3600.0

_LOCK_NOT_AVAILABLE: Final = "55P03"  # https://www.postgresql.org/docs/current/errcodes-appendix.html

_GRANTS: Final = re.compile(r"(SELECT|INSERT|UPDATE|DELETE|TRUNCATE)( ?\([a-z_0-9, ]+\))?(, |$)")


class MigrationError(Exception):
    """The schema does not fit, or a migration could not run; the message says what to do."""


async def upgrade(service_package: str, database_url: str, runtime_role: str | None) -> str:
    """Bring the schema to head, then apply the grants; returns the revision. MigrationError when it can't.

    The grants come from the metadata of `<service_package>.tables`: each `Table.info["grants"]`, e.g.
    "SELECT, INSERT" (required: an append-only table names no UPDATE), and `MetaData.info["grants"]`, a
    mapping from the names of what else the migrations create (views, tables of a library) to their grants.
    """
    metadata = _metadata(service_package)
    grants = _grants(metadata)
    engine = _migration_engine(database_url, service_package)
    try:
        async with _one_at_a_time(engine, service_package), engine.connect() as connection:
            await connection.exec_driver_sql(f"SET lock_timeout = '{_LOCK_TIMEOUT}'")
            await connection.commit()
            for attempt in range(1, _LOCK_TRIES + 1):
                try:
                    await connection.run_sync(_upgrade, service_package)
                    break
                except DBAPIError as failure:
                    await connection.rollback()
                    if not _is_lock_timeout(failure):
                        raise
                    if attempt == _LOCK_TRIES:
                        raise MigrationError(
                            "a table stays locked by a long transaction: end it, then migrate again"
                        ) from failure
                    _log.warning("a table is locked, trying again", attempt=attempt)
                    await asyncio.sleep(_LOCK_PAUSE_SECONDS)
            if runtime_role is not None:
                await connection.run_sync(_grant, grants, runtime_role)
            await connection.commit()
            return _head(service_package)
    finally:
        await engine.dispose()


async def current(database_url: str) -> str | None:
    """The revision of the schema, None when no migration ran."""
    engine = engine_on(database_url, name="schema check", pool_size=1)
    try:
        return await _revision(engine)
    finally:
        await engine.dispose()


async def check(service_package: str, database_url: str) -> list[str]:
    """How the migrated schema differs from tables.py, one line each; a test wants none."""
    metadata = _metadata(service_package)
    engine = engine_on(database_url, name="schema check", pool_size=1)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_differences, metadata)
    finally:
        await engine.dispose()


async def wait_until_reachable(database_url: str, seconds: float) -> None:
    """Return once the database accepts connections; DatabaseUnavailableError after `seconds` of trying."""
    engine = engine_on(database_url, name="migrate", pool_size=1)
    try:
        await wait_for_database(engine, seconds)
    finally:
        await engine.dispose()


async def require_head(service_package: str, engine: AsyncEngine) -> None:
    """MigrationError when the schema is older than this code.

    A newer schema is fine: migrations keep the running version working, so that servers can be replaced one
    by one.
    """
    revision, head = await _revision(engine), _head(service_package)
    if revision == head:
        return
    migrate = f"run `python -m {service_package} migrate`"
    if revision is None:
        raise MigrationError(f"the database has no schema yet: {migrate}")
    if any(script.revision == revision for script in _scripts(service_package).walk_revisions()):
        raise MigrationError(
            f"the schema is at revision {revision}, and this version needs {head}: {migrate}"
        )
    _log.warning("the schema is newer than this version", revision=revision, known_head=head)


def run_in_environment(metadata: MetaData) -> None:
    """What the env.py of a service calls; its other lines import this and its metadata."""
    connection = context.config.attributes.get("connection")
    if connection is None:
        raise MigrationError(
            "run migrations with `python -m <service> migrate`, not with alembic's own command"
        )
    context.configure(
        connection=connection,
        target_metadata=metadata,
        # Each revision commits on its own: its locks are short, and one that fails leaves those before it
        # done.
        transaction_per_migration=True,
        **_comparison(metadata),
    )
    with context.begin_transaction():
        context.run_migrations()


def _migration_engine(database_url: str, service_package: str) -> AsyncEngine:
    return engine_on(
        database_url,
        name=f"{service_package} migrate",
        pool_size=2,
        statement_timeout_seconds=_LONGEST_MIGRATION_SECONDS,
    )


@asynccontextmanager
async def _one_at_a_time(engine: AsyncEngine, service_package: str) -> AsyncIterator[None]:
    key = zlib.crc32(f"tallybook migrate {service_package}".encode())
    # AUTOCOMMIT: the lock belongs to the session, and an open transaction would hold back vacuum for as long.
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as turn:
        await turn.exec_driver_sql(f"SET lock_timeout = '{_TURN_TIMEOUT}'")
        await turn.exec_driver_sql(f"SELECT pg_advisory_lock({key})")
        try:
            yield
        finally:
            await turn.exec_driver_sql(f"SELECT pg_advisory_unlock({key})")


async def _revision(engine: AsyncEngine) -> str | None:
    async with engine.connect() as connection:
        return await connection.run_sync(
            lambda sync_connection: MigrationContext.configure(sync_connection).get_current_revision()
        )


def _config(service_package: str, connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", f"{service_package}:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _scripts(service_package: str) -> ScriptDirectory:
    return ScriptDirectory.from_config(_config(service_package))


def _head(service_package: str) -> str:
    head = _scripts(service_package).get_current_head()
    assert head is not None, f"{service_package} has no migrations"
    return head


def _upgrade(connection: Connection, service_package: str) -> None:
    command.upgrade(_config(service_package, connection), "head")


def _metadata(service_package: str) -> MetaData:
    metadata = importlib.import_module(f"{service_package}.tables").metadata
    assert isinstance(metadata, MetaData)
    return metadata


def _comparison(metadata: MetaData) -> dict[str, Any]:
    not_ours = set(metadata.info.get("grants", ()))

    def is_compared(
        _object: object, name: str | None, kind: str, reflected: bool, counterpart: object
    ) -> bool:
        # What a migration creates beside our tables is described by whom it came from.
        return not (kind == "table" and reflected and counterpart is None and name in not_ours)

    return {"compare_type": True, "compare_server_default": True, "include_object": is_compared}


def _differences(connection: Connection, metadata: MetaData) -> list[str]:
    migration_context = MigrationContext.configure(connection, opts=_comparison(metadata))
    return [str(difference) for difference in compare_metadata(migration_context, metadata)]


def _grants(metadata: MetaData) -> dict[str, str]:
    """Grants by name; fails loudly where a table forgets to say what the runtime role may do."""
    grants = {table.fullname: _grants_of(table) for table in metadata.sorted_tables}
    grants.update(metadata.info.get("grants", {}))
    for name, text in grants.items():
        if _GRANTS.sub("", text) or not text:
            raise MigrationError(f"{name}: {text!r} is no list of grants such as 'SELECT, INSERT'")
    return grants


def _grants_of(table: Table) -> str:
    if "grants" not in table.info:
        raise MigrationError(
            f'{table.fullname}: info={{"grants": ...}} must say what the runtime role may do'
        )
    return str(table.info["grants"])


def _grant(connection: Connection, grants: dict[str, str], runtime_role: str) -> None:
    """Give the role exactly `grants`. One transaction, so that it is never without them."""
    quote = connection.dialect.identifier_preparer.quote
    role = quote(runtime_role)
    schema = quote(str(connection.exec_driver_sql("SELECT current_schema()").scalar_one()))
    connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
    connection.exec_driver_sql(f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {role}")
    connection.exec_driver_sql(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {role}")
    # A server reads the revision at its start.
    for name, text in {"alembic_version": "SELECT", **grants}.items():
        qualified = ".".join(quote(part) for part in name.split("."))
        connection.exec_driver_sql(f"GRANT {text} ON TABLE {qualified} TO {role}")


def _is_lock_timeout(failure: DBAPIError) -> bool:
    return getattr(failure.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE
