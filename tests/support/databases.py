"""A real PostgreSQL for the whole test session, and fresh databases on it in some 100 ms each.

Fixtures: `postgres` (the server), `new_database` (a factory: `await new_database("ledger_service")` is a
database with the schema of that service at head, dropped after the test), `data_directory`.
"""

import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from service_kit import migrations
from service_kit.postgres_server import PostgresServer
from service_kit.provisioning import ServiceDatabase, create_database, identifier, provision, url_for

_NUMBERS = itertools.count(1)
# What a test leaves behind is thrown away, so that nothing has to wait for the disk.
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "64MB"}


@dataclass(frozen=True, slots=True)
class FreshDatabase:
    """A database of a test's own. url: as the runtime role, which serves; owner_url: as the owner."""

    name: str
    url: str
    owner_url: str
    admin_url: str


NewDatabase = Callable[[str], Awaitable[FreshDatabase]]


class Templates:
    """One migrated database for each service, made when it is first asked for, and copied for each test."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self._made: dict[str, ServiceDatabase] = {}

    async def of(self, service_package: str) -> ServiceDatabase:
        """The template of a service package ("ledger_service")."""
        if service_package not in self._made:
            service = service_package.rpartition(".")[2].removesuffix("_service")
            roles = ServiceDatabase.of(service)
            template = ServiceDatabase(f"template_{service}", roles.owner, roles.runtime_role)
            await provision(self.server.url(), [template])
            owner_url = self.server.url(template.name, template.owner)
            await migrations.upgrade(service_package, owner_url, template.runtime_role)
            self._made[service_package] = template
        return self._made[service_package]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """PostgreSQL, started once and thrown away with its data at the end."""
    with _temporary_directory() as directory, PostgresServer(directory, options=_FAST) as server:
        yield server


@pytest.fixture
def data_directory() -> Iterator[Path]:
    """An empty directory for a PostgreSQL, or for everything that the launcher starts.

    Not pytest's tmp_path: each new pytest session locks the directory above it against all others, and as
    root PostgreSQL runs under another account.
    """
    with _temporary_directory() as directory:
        yield directory


@contextmanager
def _temporary_directory() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="tallybook-tests-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def database_templates(postgres: PostgresServer) -> Templates:
    """The migrated databases that `new_database` copies."""
    return Templates(postgres)


@asynccontextmanager
async def fresh_databases(templates: Templates) -> AsyncIterator[NewDatabase]:
    """A factory of databases with the schema of a service, which are dropped at the end."""
    server = templates.server
    made: list[str] = []

    async def make(service_package: str) -> FreshDatabase:
        template = await templates.of(service_package)
        name = f"{template.name.removeprefix('template_')}_{next(_NUMBERS)}"
        admin = await asyncpg.connect(server.url())
        try:
            await create_database(admin, name, owner=template.owner, template=template.name)
        finally:
            await admin.close()
        made.append(name)
        admin_url = server.url(name)
        return FreshDatabase(
            name=name,
            url=url_for(admin_url, database=name, role=template.runtime_role),
            owner_url=url_for(admin_url, database=name, role=template.owner),
            admin_url=admin_url,
        )

    yield make
    admin = await asyncpg.connect(server.url())
    try:
        for name in made:
            # FORCE: a service that the test killed may still have its connections.
            await admin.execute(f"DROP DATABASE IF EXISTS {identifier(name)} WITH (FORCE)")
    finally:
        await admin.close()


@pytest.fixture
async def new_database(database_templates: Templates) -> AsyncIterator[NewDatabase]:
    """A factory of databases for one test: `await new_database("ledger_service")`."""
    async with fresh_databases(database_templates) as new_database:
        yield new_database
