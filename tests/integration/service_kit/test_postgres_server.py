"""A PostgreSQL of our own: that it starts, keeps what it was given, and survives what may happen to it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import asyncpg
import psutil
import pytest

from service_kit.postgres_server import PostgresServer, PostgresServerError
from service_kit.provisioning import ServiceDatabase, provision, url_for
from tests.support.servers import free_port

OPTIONS = {"shared_buffers": "16MB"}


@pytest.fixture
def directory(data_directory: Path) -> Path:
    return data_directory / "postgres"


@pytest.fixture
def server(directory: Path) -> Iterator[PostgresServer]:
    made = PostgresServer(directory, options=OPTIONS)
    made.start()
    yield made
    made.stop()


async def ask(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_it_keeps_its_promises_about_durability_and_privacy(server: PostgresServer) -> None:
    url = server.url()
    assert [
        await ask(url, f"SHOW {name}") for name in ("fsync", "synchronous_commit", "full_page_writes")
    ] == ["on"] * 3
    assert await ask(url, "SHOW listen_addresses") == ""
    assert await ask(url, "SHOW server_encoding") == "UTF8"
    assert await ask(url, "SHOW data_checksums") == "on"
    assert os.stat(str(await ask(url, "SHOW unix_socket_directories"))).st_mode & 0o077 == 0  # noqa: PTH116


async def test_text_is_ordered_by_code_point_whatever_the_machine_s_locale_is(server: PostgresServer) -> None:
    ordered = "SELECT string_agg(c, '' ORDER BY c) FROM unnest(ARRAY['b', 'A', 'a', 'B', 'é']) AS c"
    assert await ask(server.url(), ordered) == "ABabé"
    assert await ask(server.url(), "SELECT upper('é')") == "É"


async def test_a_second_start_goes_on_with_the_data(directory: Path) -> None:
    for expected in (0, 1, 2):
        with PostgresServer(directory, options=OPTIONS) as server:
            connection = await asyncpg.connect(server.url())
            await connection.execute("CREATE TABLE IF NOT EXISTS t (a int)")
            assert await connection.fetchval("SELECT count(*) FROM t") == expected
            await connection.execute("INSERT INTO t VALUES (1)")
            await connection.close()


async def test_it_takes_an_eighth_of_the_memory_within_limits(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for gibibytes, taken in ((0.5, "128MB"), (4, "512MB"), (64, "4GB")):
        memory = SimpleNamespace(total=int(gibibytes * 2**30))
        monkeypatch.setattr(psutil, "virtual_memory", lambda memory=memory: memory)
        with PostgresServer(directory) as server:
            assert await ask(server.url(), "SHOW shared_buffers") == taken


@pytest.mark.chaos
async def test_what_was_committed_survives_a_kill(server: PostgresServer) -> None:
    connection = await asyncpg.connect(server.url())
    await connection.execute("CREATE TABLE t (a int); INSERT INTO t SELECT generate_series(1, 1000)")
    await connection.execute("BEGIN; INSERT INTO t VALUES (0)")
    server.kill()
    assert not server.is_running
    server.start()
    assert await ask(server.url(), "SELECT count(*) FROM t") == 1000


def test_it_is_not_started_twice_on_the_same_data(server: PostgresServer) -> None:
    with pytest.raises(
        PostgresServerError, match=f"in use by process {os.getpid()}: stop that one, or use another"
    ):
        PostgresServer(server.directory).start()
    assert server.is_running


def test_it_can_be_stopped_twice(server: PostgresServer) -> None:
    server.stop()
    server.stop()
    server.start()


START_AND_SAY_SO = """
import sys, time
from pathlib import Path
from service_kit.postgres_server import PostgresServer
server = PostgresServer(Path(sys.argv[1]), options={"shared_buffers": "16MB"})
server.start()
print("ready", server._process.pid, flush=True)
time.sleep(600)
"""


def owner_of(directory: Path) -> tuple[subprocess.Popen[str], int]:
    """A process that started PostgreSQL on the directory, and the postmaster's process id."""
    owner = subprocess.Popen(
        [sys.executable, "-c", START_AND_SAY_SO, str(directory)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path.cwd(),
    )
    assert owner.stdout is not None
    ready = next(line for line in owner.stdout if line.startswith("ready"))
    return owner, int(ready.split()[1])


@pytest.mark.chaos
async def test_after_its_owner_was_killed_it_is_taken_over_with_its_data(directory: Path) -> None:
    owner, postmaster = owner_of(directory)
    owner.kill()
    owner.wait()
    assert psutil.pid_exists(postmaster), "PostgreSQL outlives an owner that was killed"
    with PostgresServer(directory, options=OPTIONS) as server:
        assert not psutil.pid_exists(postmaster)
        assert await ask(server.url(), "SELECT 1") == 1


@pytest.mark.chaos
async def test_after_everything_was_killed_it_recovers(directory: Path) -> None:
    owner, postmaster = owner_of(directory)
    owner.kill()
    owner.wait()
    os.kill(postmaster, signal.SIGKILL)
    with PostgresServer(directory, options=OPTIONS) as server:
        assert await ask(server.url(), "SELECT 1") == 1


async def test_a_process_id_that_now_belongs_to_somebody_else_is_no_obstacle(directory: Path) -> None:
    with PostgresServer(directory, options=OPTIONS):
        pass
    # As after a crash of a container: the id in the file is alive, and another program's.
    pid_file = directory / "data" / "postmaster.pid"
    pid_file.write_text(
        f"{os.getppid()}\n{directory / 'data'}\n1700000000\n5432\n{directory}\n\n\nready   \n"
    )
    with PostgresServer(directory, options=OPTIONS) as server:
        assert await ask(server.url(), "SELECT 1") == 1


async def test_an_initdb_that_was_interrupted_is_done_again(directory: Path) -> None:
    (directory / "data.new").mkdir(parents=True)
    (directory / "data.new" / "PG_VERSION").write_text("18\n")
    with PostgresServer(directory, options=OPTIONS) as server:
        assert await ask(server.url(), "SELECT 1") == 1


def test_ctrl_c_in_the_terminal_does_not_reach_it(server: PostgresServer) -> None:
    assert server._process is not None
    assert os.getpgid(server._process.pid) != os.getpgid(0)


async def test_a_path_that_is_too_long_for_a_socket_is_no_obstacle(data_directory: Path) -> None:
    deep = data_directory / ("d" * 60) / ("e" * 60)
    with PostgresServer(deep, options=OPTIONS) as server:
        first = server.url()
        assert await ask(first, "SELECT 1") == 1
    with PostgresServer(deep, options=OPTIONS) as server:
        assert server.url() == first, "services keep the URL over a restart"


async def test_a_path_with_blanks_and_quotes_is_no_obstacle(data_directory: Path) -> None:
    with PostgresServer(data_directory / "it's my data, é", options=OPTIONS) as server:
        assert await ask(server.url(), "SELECT 1") == 1


def test_a_wrong_option_is_told_with_what_postgresql_said(directory: Path) -> None:
    began = time.monotonic()
    with pytest.raises(PostgresServerError, match="nonsense"):
        PostgresServer(directory, options={"nonsense": "1"}).start()
    assert time.monotonic() - began < 20
    with PostgresServer(directory, options=OPTIONS) as server:
        assert server.is_running


async def test_tools_that_know_no_sockets_get_a_port_on_loopback(directory: Path) -> None:
    port = free_port()
    with PostgresServer(directory, port=port, options=OPTIONS):
        assert (
            await ask(f"postgresql://postgres@127.0.0.1:{port}/postgres", "SHOW listen_addresses")
            == "127.0.0.1"
        )


async def test_each_service_gets_a_database_that_the_others_can_not_enter(server: PostgresServer) -> None:
    ledger, audit = ServiceDatabase.of("ledger"), ServiceDatabase.of("audit")
    for _ in range(2):
        await provision(server.url(), [ledger, audit])
    assert (
        await ask(server.url(ledger.name, ledger.runtime_role), "SELECT current_user") == "tallybook_ledger"
    )
    for database, role in ((audit, ledger.runtime_role), (audit, ledger.owner), (ledger, audit.owner)):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await ask(server.url(database.name, role), "SELECT 1")


async def test_passwords_are_set_and_changed(server: PostgresServer) -> None:
    ledger = ServiceDatabase.of("ledger")
    stored = "SELECT rolpassword FROM pg_authid WHERE rolname = 'tallybook_ledger'"
    await provision(server.url(), [ledger], passwords={ledger.runtime_role: "it's \\ secret"})
    first = await ask(server.url(), stored)
    await provision(server.url(), [ledger], passwords={ledger.runtime_role: "another"})
    assert str(first).startswith("SCRAM-SHA-256$")
    assert await ask(server.url(), stored) != first


def test_a_url_is_made_for_another_database_and_role() -> None:
    base = "postgresql://postgres:pw@db:5432/postgres?sslmode=require"
    assert url_for(base, database="a b", role="r/s", password="p@ss") == (
        "postgresql://r%2Fs:p%40ss@db:5432/a%20b?sslmode=require"
    )
    assert (
        url_for("postgresql://postgres@/x?host=/run", database="y", role="r") == "postgresql://r@/y?host=/run"
    )
