"""Everything on one machine: started, killed in parts, stopped, and started again."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import psutil
import pytest

from service_kit.launcher import TALLYBOOK, Launched, LaunchError, ServicePlan, launched
from service_kit.provisioning import ServiceDatabase
from tests.support.echo_service.contract import echo_pb2, echo_pb2_grpc
from tests.support.servers import free_port
from tests.support.waiting import eventually

PACKAGE = "tests.support.echo_service"
OPTIONS = {"shared_buffers": "16MB", "fsync": "off"}


def plan(**changes: Any) -> ServicePlan:
    return ServicePlan(**{"name": "echo", "package": PACKAGE, "port": free_port(), **changes})


async def echoed(everything: Launched, name: str = "echo") -> str:
    async with grpc.aio.insecure_channel(everything.services[name].target) as channel:
        echo: Any = echo_pb2_grpc.EchoServiceStub(channel)
        answer = await echo.Echo(
            echo_pb2.EchoRequest(client_no=1, text="hello"), wait_for_ready=True, timeout=10
        )
        return str(answer.text)


async def query(everything: Launched, statement: str) -> Any:
    assert everything.postgres is not None
    database = ServiceDatabase.of("echo")
    connection = await asyncpg.connect(everything.postgres.url(database.name, database.runtime_role))
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_everything_starts_serves_stops_and_goes_on_with_its_data(data_directory: Path) -> None:
    plans, said = [plan()], list[str]()
    for expected in (0, 1):
        async with launched(
            data_directory, plans=plans, say=said.append, postgres_options=OPTIONS
        ) as everything:
            assert await echoed(everything) == "hello"
            assert await query(everything, "SELECT count(*) FROM note") == expected
            await query(everything, "INSERT INTO note (client_no, text) VALUES (1, 'a')")
            pid = everything.services["echo"].pid
            assert pid is not None
        assert not psutil.pid_exists(pid)
        assert everything.postgres is not None
        assert not everything.postgres.is_running
    assert said[0].startswith("PostgreSQL is up")
    assert any(line.startswith(f"echo serves on 127.0.0.1:{plans[0].port}") for line in said)
    assert '"event": "stopped"' in (data_directory / "logs" / "echo.log").read_text()


async def test_a_second_launcher_is_told_who_has_the_directory(data_directory: Path) -> None:
    async with launched(data_directory, plans=[plan()], postgres_options=OPTIONS) as everything:
        with pytest.raises(LaunchError, match=f"{data_directory} is in use by process {os.getpid()}"):
            await launched(data_directory, plans=[plan()]).__aenter__()
        assert await echoed(everything) == "hello"


@pytest.mark.chaos
async def test_a_service_can_be_killed_and_started_again(data_directory: Path) -> None:
    async with launched(data_directory, plans=[plan()], postgres_options=OPTIONS) as everything:
        echo = everything.services["echo"]
        first = echo.pid
        assert await echo.kill() == -signal.SIGKILL
        assert not echo.is_running
        await echo.start()
        await echo.wait_until_serving()
        assert echo.pid not in (None, first)
        assert await echoed(everything) == "hello"
        assert await echo.terminate() == 0


@pytest.mark.chaos
async def test_the_database_can_be_killed_beneath_the_services(data_directory: Path) -> None:
    async with launched(data_directory, plans=[plan()], postgres_options=OPTIONS) as everything:
        await query(everything, "INSERT INTO note (client_no, text) VALUES (1, 'a')")
        assert everything.postgres is not None
        await asyncio.to_thread(everything.postgres.kill)
        await asyncio.to_thread(everything.postgres.start)
        assert await query(everything, "SELECT count(*) FROM note") == 1
        assert await echoed(everything) == "hello"


async def test_a_service_that_dies_is_noticed(data_directory: Path) -> None:
    async with launched(data_directory, plans=[plan()], postgres_options=OPTIONS) as everything:
        death = asyncio.ensure_future(everything.wait_for_a_death())
        await asyncio.sleep(0.1)
        assert not death.done()
        pid = everything.services["echo"].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(5):
            assert (await death).startswith("echo ended with status -9: see ")


async def test_a_service_that_does_not_start_takes_everything_down_and_says_why(data_directory: Path) -> None:
    wrong = {"TALLYBOOK_ECHO_DRAIN_SECONDS": "soon"}
    with pytest.raises(
        LaunchError, match=r"echo: the migrations failed: echo: TALLYBOOK_ECHO_DRAIN_SECONDS: .*'soon'"
    ):
        await launched(
            data_directory, plans=[plan()], environment=wrong, postgres_options=OPTIONS
        ).__aenter__()
    assert not [process for process in psutil.process_iter() if _works_in(process, data_directory)]


async def test_a_port_that_somebody_else_has_is_told(data_directory: Path) -> None:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(LaunchError, match=f"can't listen on 127.0.0.1:{port}: Address already in use"):
            await launched(data_directory, plans=[plan(port=port)], postgres_options=OPTIONS).__aenter__()


async def test_a_service_with_a_database_of_its_own_uses_that(data_directory: Path) -> None:
    async with launched(data_directory / "first", plans=[plan()], postgres_options=OPTIONS) as first:
        assert first.postgres is not None
        database = ServiceDatabase.of("echo")
        own = {
            "TALLYBOOK_ECHO_DATABASE_URL": first.postgres.url(database.name, database.runtime_role),
            "TALLYBOOK_ECHO_MIGRATION_DATABASE_URL": first.postgres.url(database.name, database.owner),
        }
        async with launched(data_directory / "second", plans=[plan()], environment=own) as second:
            assert second.postgres is None
            assert await echoed(second) == "hello"


LAUNCH = """
import asyncio, sys
from pathlib import Path
from service_kit.launcher import ServicePlan, launched
plans = [ServicePlan("echo", "tests.support.echo_service", int(sys.argv[2]))]
async def main():
    options = {"shared_buffers": "16MB"}
    async with launched(Path(sys.argv[1]), plans=plans, postgres_options=options) as everything:
        print("ready", everything.services["echo"].pid, flush=True)
        await asyncio.Event().wait()
try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


async def _launcher(directory: Path, port: int) -> tuple[asyncio.subprocess.Process, int]:
    """A process that has launched everything, and the process id of its service."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", LAUNCH, str(directory), str(port)),
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    async for line in process.stdout:
        if line.startswith(b"ready"):
            return process, int(line.split()[1])
    raise AssertionError("the launcher ended")


async def test_ctrl_c_stops_everything_in_order(data_directory: Path) -> None:
    launcher, service = await _launcher(data_directory, free_port())
    # As a terminal does: to the whole process group.
    os.killpg(launcher.pid, signal.SIGINT)
    async with asyncio.timeout(30):
        await launcher.wait()
    assert not psutil.pid_exists(service)
    assert not [process for process in psutil.process_iter() if _works_in(process, data_directory)]
    assert '"event": "stopped"' in (data_directory / "logs" / "echo.log").read_text()
    assert "database system is shut down" in (data_directory / "postgres" / "postgres.log").read_text()


@pytest.mark.chaos
async def test_a_launcher_that_is_killed_takes_its_services_along_and_the_next_one_recovers(
    data_directory: Path,
) -> None:
    port = free_port()
    launcher, service = await _launcher(data_directory, port)
    launcher.kill()
    await launcher.wait()
    await eventually(lambda: not _is_alive(service))
    began = time.monotonic()
    async with launched(data_directory, plans=[plan(port=port)], postgres_options=OPTIONS) as everything:
        assert await echoed(everything) == "hello"
    assert time.monotonic() - began < 60


@pytest.mark.chaos
async def test_after_everything_was_killed_at_once_it_starts_again(data_directory: Path) -> None:
    port = free_port()
    launcher, service = await _launcher(data_directory, port)
    victims = [
        launcher.pid,
        service,
        *(each.pid for each in psutil.process_iter() if _works_in(each, data_directory)),
    ]
    for victim in victims:
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
    await launcher.wait()
    async with launched(data_directory, plans=[plan(port=port)], postgres_options=OPTIONS) as everything:
        assert await echoed(everything) == "hello"


def _works_in(process: Any, directory: Path) -> bool:
    try:
        return str(process.cwd()).startswith(str(directory))
    except psutil.Error:
        return False


def _is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_tallybook_is_three_services_that_stop_in_reverse() -> None:
    names: Sequence[str] = [each.name for each in TALLYBOOK]
    assert sorted(names) == ["audit", "batch", "ledger"]
    for each in TALLYBOOK:
        assert set(each.needs.values()) <= set(names[: names.index(each.name)]), "who is needed starts first"
