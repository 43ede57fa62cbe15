"""Databases and roles on a PostgreSQL server: each service has its own, each role no more than it needs."""

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from service_kit.database import RawConnection, connect_arguments


@dataclass(frozen=True, slots=True)
class ServiceDatabase:
    """The database of one service.

    owner: has the schema, and migrates it. runtime_role: serves, and has what the tables grant it.
    """

    name: str
    owner: str
    runtime_role: str

    @classmethod
    def of(cls, service: str) -> Self:
        """For "ledger": tallybook_ledger, owned by tallybook_ledger_owner, served by tallybook_ledger."""
        return cls(f"tallybook_{service}", f"tallybook_{service}_owner", f"tallybook_{service}")


async def provision(
    admin_url: str, databases: Iterable[ServiceDatabase], *, passwords: Mapping[str, str] | None = None
) -> None:
    """Create what is missing of databases and roles; safe to repeat, and to run twice at once.

    admin_url: a superuser, or a role that may create databases and roles.
    passwords: by role, for a server that asks for them; set anew each time.
    """
    connection = await asyncpg.connect(**connect_arguments(admin_url, "provision"))
    try:
        for database in databases:
            await _create_role(connection, database.owner, passwords or {})
            await _create_role(connection, database.runtime_role, passwords or {})
            await create_database(connection, database.name, owner=database.owner)
            name, runtime = identifier(database.name), identifier(database.runtime_role)
            await connection.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
            await connection.execute(f"GRANT CONNECT ON DATABASE {name} TO {runtime}")
    finally:
        await connection.close()


async def create_database(
    connection: RawConnection, name: str, *, owner: str, template: str = "template1"
) -> None:
    """Create a database unless there is one of this name. A copy of a small template takes some 20 ms."""
    if await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
        return
    try:
        await connection.execute(
            f"CREATE DATABASE {identifier(name)} OWNER {identifier(owner)} TEMPLATE {identifier(template)}"
        )
    except asyncpg.DuplicateDatabaseError:
        return


def url_for(url: str, *, database: str, role: str, password: str | None = None) -> str:
    """`url` with another database and role: the same server."""
    parts = urlsplit(url)
    _, _, host = parts.netloc.rpartition("@")
    user = quote(role, safe="") + (f":{quote(password, safe='')}" if password is not None else "")
    return urlunsplit(parts._replace(netloc=f"{user}@{host}", path=f"/{quote(database, safe='')}"))


def identifier(name: str) -> str:
    """`name` quoted as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


async def _create_role(connection: RawConnection, role: str, passwords: Mapping[str, str]) -> None:
    if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role):
        with contextlib.suppress(asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
            await connection.execute(f"CREATE ROLE {identifier(role)} LOGIN")
    if role in passwords:
        # A utility statement takes no parameters, so the server is asked to quote the literal.
        literal = await connection.fetchval("SELECT quote_literal($1::text)", passwords[role])
        await connection.execute(f"ALTER ROLE {identifier(role)} PASSWORD {literal}")
