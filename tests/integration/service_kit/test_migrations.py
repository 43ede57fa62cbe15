"""Migrations on a real PostgreSQL."""

import asyncio

import asyncpg
import pytest

from service_kit import migrations
from service_kit.database import engine_on
from service_kit.postgres_server import PostgresServer
from service_kit.provisioning import ServiceDatabase, provision
from tests.support.databases import FreshDatabase, NewDatabase

ECHO = "tests.support.echo_service"
BACK_TO_0001 = """
    DROP VIEW loud_note;
    DROP TABLE draft;
    UPDATE alembic_version SET version_num = '0001'
"""


@pytest.fixture
async def database(new_database: NewDatabase) -> FreshDatabase:
    return await new_database(ECHO)


@pytest.fixture
async def empty(postgres: PostgresServer, request: pytest.FixtureRequest) -> ServiceDatabase:
    """A database of the echo service that was never migrated."""
    roles = ServiceDatabase.of("echo")
    database = ServiceDatabase(f"empty_{abs(hash(request.node.name))}", roles.owner, roles.runtime_role)
    await provision(postgres.url(), [database])
    return database


async def test_upgrade_brings_an_empty_database_to_head(
    postgres: PostgresServer, empty: ServiceDatabase
) -> None:
    owner_url = postgres.url(empty.name, empty.owner)
    assert await migrations.current(owner_url) is None
    assert await migrations.upgrade(ECHO, owner_url, empty.runtime_role) == "0002"
    assert await migrations.current(owner_url) == "0002"


async def test_upgrade_twice_changes_nothing(database: FreshDatabase) -> None:
    assert await migrations.upgrade(ECHO, database.owner_url, "tallybook_echo") == "0002"


async def test_jobs_that_migrate_at_once_take_turns(postgres: PostgresServer, empty: ServiceDatabase) -> None:
    owner_url = postgres.url(empty.name, empty.owner)
    jobs = [migrations.upgrade(ECHO, owner_url, empty.runtime_role) for _ in range(4)]
    assert await asyncio.gather(*jobs) == ["0002"] * 4


async def test_the_schema_does_not_differ_from_the_tables(database: FreshDatabase) -> None:
    assert await migrations.check(ECHO, database.owner_url) == []


async def test_check_names_what_differs(database: FreshDatabase) -> None:
    await _execute(database.owner_url, "ALTER TABLE note ADD COLUMN forgotten text; DROP TABLE draft")
    differences = await migrations.check(ECHO, database.owner_url)
    assert any("forgotten" in line for line in differences)
    assert any("draft" in line for line in differences)


async def test_the_runtime_role_has_what_the_tables_grant_and_no_more(database: FreshDatabase) -> None:
    await _execute(database.url, "INSERT INTO note (client_no, text) VALUES (1, 'a')")
    await _execute(database.url, "SELECT text FROM loud_note")
    await _execute(database.url, "INSERT INTO draft VALUES (1, 'a')")
    await _execute(database.url, "UPDATE draft SET text = 'b'")
    for forbidden in (
        "UPDATE note SET text = 'b'",
        "DELETE FROM note",
        "TRUNCATE note",
        "UPDATE draft SET draft_no = 2",
        "CREATE TABLE mine (a int)",
        "DROP TABLE note",
        "UPDATE alembic_version SET version_num = '0001'",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await _execute(database.url, forbidden)


async def test_a_grant_that_is_taken_back_in_the_tables_is_taken_back_in_the_database(
    database: FreshDatabase,
) -> None:
    await _execute(database.owner_url, "GRANT UPDATE ON note TO tallybook_echo")
    await migrations.upgrade(ECHO, database.owner_url, "tallybook_echo")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await _execute(database.url, "UPDATE note SET text = 'b'")


async def test_a_table_that_grants_nothing_to_nobody_is_refused(
    database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.support.echo_service import tables  # noqa: PLC0415

    monkeypatch.delitem(tables.note.info, "grants")
    with pytest.raises(migrations.MigrationError, match=r"note: .*must say what the runtime role may do"):
        await migrations.upgrade(ECHO, database.owner_url, "tallybook_echo")


async def test_grants_that_are_no_grants_are_refused(
    database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.support.echo_service import tables  # noqa: PLC0415

    monkeypatch.setitem(tables.note.info, "grants", "SELECT; DROP TABLE note")
    with pytest.raises(migrations.MigrationError, match="no list of grants"):
        await migrations.upgrade(ECHO, database.owner_url, "tallybook_echo")


async def test_a_locked_table_is_waited_for_briefly_and_tried_again(
    postgres: PostgresServer, empty: ServiceDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner_url = postgres.url(empty.name, empty.owner)
    await migrations.upgrade(ECHO, owner_url, None)
    await _execute(owner_url, BACK_TO_0001)
    monkeypatch.setattr(migrations, "_LOCK_TIMEOUT", "200ms")
    monkeypatch.setattr(migrations, "_LOCK_PAUSE_SECONDS", 0.1)
    blocker = await asyncpg.connect(owner_url)
    try:
        await blocker.execute("BEGIN; LOCK TABLE note IN ACCESS EXCLUSIVE MODE")
        migrating = asyncio.create_task(migrations.upgrade(ECHO, owner_url, None))
        await asyncio.sleep(0.5)
        assert not migrating.done()
        await blocker.execute("COMMIT")
        assert await migrating == "0002"
    finally:
        await blocker.close()


async def test_a_table_that_stays_locked_is_an_error_that_says_so(
    postgres: PostgresServer, empty: ServiceDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner_url = postgres.url(empty.name, empty.owner)
    await migrations.upgrade(ECHO, owner_url, None)
    await _execute(owner_url, BACK_TO_0001)
    monkeypatch.setattr(migrations, "_LOCK_TIMEOUT", "50ms")
    monkeypatch.setattr(migrations, "_LOCK_PAUSE_SECONDS", 0.01)
    blocker = await asyncpg.connect(owner_url)
    try:
        await blocker.execute("BEGIN; LOCK TABLE note IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(migrations.MigrationError, match="long transaction"):
            await migrations.upgrade(ECHO, owner_url, None)
    finally:
        await blocker.close()


async def test_a_server_refuses_an_older_schema_and_takes_a_newer_one(database: FreshDatabase) -> None:
    engine = engine_on(database.owner_url, name="test")
    try:
        await migrations.require_head(ECHO, engine)
        await _execute(database.owner_url, "UPDATE alembic_version SET version_num = '0001'")
        with pytest.raises(migrations.MigrationError, match="at revision 0001, and this version needs 0002"):
            await migrations.require_head(ECHO, engine)
        await _execute(database.owner_url, "UPDATE alembic_version SET version_num = '0003'")
        await migrations.require_head(ECHO, engine)
        await _execute(database.owner_url, "DELETE FROM alembic_version")
        with pytest.raises(migrations.MigrationError, match="no schema yet: run `python -m"):
            await migrations.require_head(ECHO, engine)
    finally:
        await engine.dispose()


async def test_nobody_but_its_roles_connects_to_the_database_of_a_service(
    postgres: PostgresServer, empty: ServiceDatabase
) -> None:
    stranger = ServiceDatabase.of("stranger")
    await provision(postgres.url(), [stranger])
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await _execute(postgres.url(empty.name, stranger.runtime_role), "SELECT 1")


async def _execute(url: str, statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statements)
    finally:
        await connection.close()
