"""A service as a process: how it starts, why it does not, and how it stops."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from service_kit.development_credentials import AUDIENCE, ISSUER, ensure_credentials
from service_kit.postgres_server import PostgresServer
from service_kit.provisioning import ServiceDatabase, provision
from tests.support.databases import FreshDatabase, NewDatabase
from tests.support.echo_service.contract import ECHO_SERVICE, echo_pb2, echo_pb2_grpc
from tests.support.servers import free_port
from tests.support.statuses import refused
from tests.support.waiting import eventually

PACKAGE = "tests.support.echo_service"
PREFIX = "TALLYBOOK_ECHO_"
NOBODY = "postgresql://nobody@/nothing?host=/nowhere"


class Service:
    """A running echo service."""

    def __init__(self, process: asyncio.subprocess.Process, port_file: Path, log_file: Path) -> None:
        self.process = process
        self._port_file = port_file
        self._log_file = log_file

    async def serving(self) -> "Service":
        """This service, once its health says SERVING."""
        await eventually(lambda: self._port_file.exists() or self.process.returncode is not None, seconds=30)
        assert self.process.returncode is None, self.log
        async with self.channel() as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)
            watching = health.Watch(health_pb2.HealthCheckRequest(), wait_for_ready=True)
            while (await watching.read()).status != health_pb2.HealthCheckResponse.SERVING:
                pass
        return self

    @property
    def log(self) -> str:
        return self._log_file.read_text()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port_file.read_text().strip()}"

    def channel(self) -> grpc.aio.Channel:
        return grpc.aio.insecure_channel(self.address)

    async def exit_status(self) -> int:
        async with asyncio.timeout(30):
            return await self.process.wait()


Start = Callable[..., Awaitable[Service]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts the echo service with settings; arguments: of its command line."""
    started: list[asyncio.subprocess.Process] = []

    async def launch(*arguments: str, stdin: int = subprocess.DEVNULL, **settings: object) -> Service:
        number = len(started)
        port_file, log_file = tmp_path / f"port{number}", tmp_path / f"log{number}"
        given = {"development_principal": "true", "port_file": port_file, **settings}
        environment = {
            f"{PREFIX}{name.upper()}": str(value) for name, value in given.items() if value is not None
        }
        with log_file.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", PACKAGE, *arguments),
                env={**os.environ, **environment},
                stdin=stdin,
                stdout=log,
                stderr=log,
            )
        started.append(process)
        return Service(process, port_file, log_file)

    yield launch
    for process in started:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@pytest.fixture
async def database(new_database: NewDatabase) -> FreshDatabase:
    return await new_database(PACKAGE)


@pytest.fixture
async def service(start: Start, database: FreshDatabase) -> Service:
    return await (await start(database_url=database.url)).serving()


def asking(**fields: Any) -> Any:
    return echo_pb2.EchoRequest(**{"client_no": 1, "text": "hello", **fields})


# --- Stopping ---


async def test_sigterm_lets_running_calls_finish_and_refuses_new_ones(service: Service) -> None:
    async with service.channel() as channel, service.channel() as other:
        echo: Any = echo_pb2_grpc.EchoServiceStub(channel)
        await echo.Echo(asking())
        running = asyncio.ensure_future(echo.Echo(asking(seconds=1.5)))
        await asyncio.sleep(0.3)
        service.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.3)
        late: Any = echo_pb2_grpc.EchoServiceStub(other)
        assert (await refused(late.Echo(asking(), timeout=5))).code is grpc.StatusCode.UNAVAILABLE
        assert (await refused(echo.Echo(asking(), timeout=5))).code is grpc.StatusCode.UNAVAILABLE
        assert (await running).text == "hello"
    assert await service.exit_status() == 0
    assert '"event": "stopped"' in service.log


async def test_who_watches_the_health_hears_first_that_it_ends(service: Service) -> None:
    async with service.channel() as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        watching = health.Watch(health_pb2.HealthCheckRequest(service=ECHO_SERVICE))
        assert (await watching.read()).status == health_pb2.HealthCheckResponse.SERVING
        service.process.send_signal(signal.SIGTERM)
        assert (await watching.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
    assert await service.exit_status() == 0


async def test_streams_that_never_end_do_not_hold_up_the_stop(service: Service) -> None:
    async with service.channel() as channel:
        echo: Any = echo_pb2_grpc.EchoServiceStub(channel)
        watching = echo.Watch(echo_pb2.CountRequest())
        assert (await watching.read()).text == "watching"
        service.process.send_signal(signal.SIGINT)
        refusal = await refused(watching.read())
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "SERVICE_STOPPING")
    async with asyncio.timeout(5):
        assert await service.exit_status() == 0


async def test_a_call_that_outlasts_the_drain_is_cut(start: Start, database: FreshDatabase) -> None:
    service = await (await start(database_url=database.url, drain_seconds=0.5)).serving()
    async with service.channel() as channel:
        echo: Any = echo_pb2_grpc.EchoServiceStub(channel)
        running = asyncio.ensure_future(echo.Echo(asking(seconds=60)))
        await asyncio.sleep(0.3)
        service.process.send_signal(signal.SIGTERM)
        assert (await refused(running)).code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    async with asyncio.timeout(5):
        assert await service.exit_status() == 0


async def test_a_second_signal_ends_it_at_once(service: Service) -> None:
    async with service.channel() as channel:
        echo: Any = echo_pb2_grpc.EchoServiceStub(channel)
        running = asyncio.ensure_future(echo.Echo(asking(seconds=60)))
        await asyncio.sleep(0.3)
        service.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.3)
        assert service.process.returncode is None
        service.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(2):
            assert await service.exit_status() == -signal.SIGTERM
        with suppress(grpc.aio.AioRpcError):
            await running


async def test_a_signal_while_it_waits_for_the_database_stops_it(start: Start) -> None:
    service = await start(database_url=NOBODY, database_wait_seconds=60)
    await eventually(lambda: "waiting for the database" in service.log, seconds=30)
    service.process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(5):
        assert await service.exit_status() == 0


async def test_it_stops_when_its_parent_is_gone(start: Start, database: FreshDatabase) -> None:
    service = await start(database_url=database.url, stop_with_parent="true", stdin=subprocess.PIPE)
    await service.serving()
    assert service.process.stdin is not None
    service.process.stdin.close()
    async with asyncio.timeout(5):
        assert await service.exit_status() == 0
    assert "the parent process ended" in service.log


# --- Not starting ---


async def fails(service: Service, status: int) -> list[str]:
    """The lines it says when it does not start; logs aside."""
    assert await service.exit_status() == status
    return [line for line in service.log.splitlines() if not line.startswith("{")]


async def test_a_wrong_setting_is_one_line_and_exit_status_78(start: Start) -> None:
    service = await start(database_url=NOBODY, port="abc")
    (line,) = await fails(service, 78)
    assert line.startswith("echo: TALLYBOOK_ECHO_PORT: ")


async def test_it_does_not_open_itself_to_the_world_without_tls_and_tokens(start: Start) -> None:
    service = await start(database_url=NOBODY, host="0.0.0.0", development_principal=None)
    lines = await fails(service, 78)
    assert [line.split(":")[1] for line in lines] == [
        " TALLYBOOK_ECHO_TLS_CERTIFICATE_FILE",
        " TALLYBOOK_ECHO_TOKEN_PUBLIC_KEY_FILE",
    ]


async def test_certificate_and_key_that_do_not_fit_are_told(start: Start, tmp_path: Path) -> None:
    files = ensure_credentials(tmp_path, hosts=["a", "b"])
    service = await start(
        database_url=NOBODY,
        tls_certificate_file=files.certificate("a"),
        tls_key_file=files.certificate_key("b"),
        token_public_key_file=files.token_public_key,
        token_issuer=ISSUER,
        token_audience=AUDIENCE,
    )
    (line,) = await fails(service, 78)
    assert (
        "TALLYBOOK_ECHO_TLS_CERTIFICATE_FILE, TALLYBOOK_ECHO_TLS_KEY_FILE: no certificate with its key"
        in line
    )


async def test_a_port_that_is_taken_is_one_line(start: Start) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        service = await start(database_url=NOBODY, port=port)
        (line,) = await fails(service, 78)
    assert f"can't listen on 127.0.0.1:{port}: Address already in use" in line


async def test_two_servers_never_share_a_port(
    start: Start, service: Service, database: FreshDatabase
) -> None:
    second = await start(database_url=database.url, port=service.address.rpartition(":")[2])
    (line,) = await fails(second, 78)
    assert "Address already in use" in line


async def test_a_database_that_does_not_come_up_is_exit_status_69(start: Start) -> None:
    service = await start(database_url=NOBODY, database_wait_seconds=0.5)
    (line,) = await fails(service, 69)
    assert line.startswith("echo: TALLYBOOK_ECHO_DATABASE_URL: the database can't be reached")


async def test_a_role_that_does_not_exist_is_not_waited_for(start: Start, database: FreshDatabase) -> None:
    url = database.url.replace("tallybook_echo@", "stranger@")
    (line,) = await fails(await start(database_url=url, database_wait_seconds=60), 78)
    assert "stranger" in line


@pytest.fixture
async def unmigrated(postgres: PostgresServer) -> FreshDatabase:
    """A database without a schema."""
    name = f"unmigrated_{os.getpid()}_{free_port()}"
    roles = ServiceDatabase.of("echo")
    await provision(postgres.url(), [ServiceDatabase(name, roles.owner, roles.runtime_role)])
    return FreshDatabase(
        name, postgres.url(name, roles.runtime_role), postgres.url(name, roles.owner), postgres.url(name)
    )


async def test_without_a_schema_it_says_which_command_makes_one(
    start: Start, unmigrated: FreshDatabase
) -> None:
    (line,) = await fails(await start(database_url=unmigrated.owner_url), 78)
    assert line == f"echo: the database has no schema yet: run `python -m {PACKAGE} migrate`"


async def test_it_can_wait_for_the_migrations(start: Start, unmigrated: FreshDatabase) -> None:
    service = await start("serve", "--wait-for-migrations", database_url=unmigrated.url)
    await asyncio.sleep(1.5)
    assert service.process.returncode is None
    migration = await start(
        "migrate",
        database_url=unmigrated.url,
        migration_database_url=unmigrated.owner_url,
        runtime_role="tallybook_echo",
    )
    assert await migration.exit_status() == 0, migration.log
    await service.serving()


async def test_migrate_is_told_what_is_wrong_with_the_database(start: Start) -> None:
    (line,) = await fails(await start("migrate", database_url=NOBODY, database_wait_seconds=0.2), 69)
    assert line.startswith("echo: TALLYBOOK_ECHO_DATABASE_URL: ")


async def test_check_config_prints_what_is_configured_and_starts_nothing(start: Start) -> None:
    service = await start("check-config", database_url="postgresql://u:secret@db/echo")
    assert await service.exit_status() == 0
    assert "TALLYBOOK_ECHO_DATABASE_URL=postgresql://u:***@db/echo" in service.log.splitlines()
    assert "secret" not in service.log


async def test_check_config_refuses_what_serve_would_refuse(start: Start) -> None:
    service = await start("check-config", database_url=NOBODY, development_principal="false")
    (line,) = await fails(service, 78)
    assert "nobody could call this server" in line


async def test_an_unknown_command_is_refused(start: Start) -> None:
    assert await (await start("serf", database_url=NOBODY)).exit_status() == 2
    assert await (await start("serve", "--fast", database_url=NOBODY)).exit_status() == 2


# --- Serving ---


async def test_what_it_runs_with_is_in_the_log_without_the_password(
    start: Start, database: FreshDatabase
) -> None:
    url = database.url.replace("tallybook_echo@", "tallybook_echo:secret@")
    service = await (await start(database_url=url, databse_url="x")).serving()
    assert '"event": "settings"' in service.log
    assert "tallybook_echo:***@" in service.log
    assert "secret" not in service.log
    assert (
        "TALLYBOOK_ECHO_DATABSE_URL is no setting: did you mean TALLYBOOK_ECHO_DATABASE_URL?" in service.log
    )


async def test_metrics_are_where_prometheus_scrapes(start: Start, database: FreshDatabase) -> None:
    port = free_port()
    service = await (await start(database_url=database.url, metrics_port=port)).serving()
    async with service.channel() as channel:
        echo: Any = echo_pb2_grpc.EchoServiceStub(channel)
        await echo.Echo(asking())
    scraped = await asyncio.to_thread(
        lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
    )
    sample = (
        f'grpc_server_handled_total{{grpc_code="OK",grpc_method="Echo",grpc_service="{ECHO_SERVICE}"}} 1.0'
    )
    assert sample in scraped


def tool(name: str) -> str:
    """A command that is installed beside the interpreter."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


async def output_of(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
    )
    said, _ = await process.communicate()
    return said.decode()


async def test_grpcurl_needs_no_proto_files(service: Service) -> None:
    grpcurl = tool("grpcurl")
    listed = await output_of(grpcurl, "-plaintext", service.address, "list")
    assert {ECHO_SERVICE, "grpc.health.v1.Health"} <= set(listed.split()), listed
    answer = await output_of(
        *(grpcurl, "-plaintext", "-d", '{"client_no": 1, "text": "hello"}'),
        *(service.address, f"{ECHO_SERVICE}/Echo"),
    )
    assert '"text": "hello"' in answer


async def test_grpcurl_shows_the_details_of_a_refusal(service: Service) -> None:
    answer = await output_of(
        *(tool("grpcurl"), "-plaintext", "-d", '{"client_no": -1}', service.address, f"{ECHO_SERVICE}/Echo")
    )
    assert "Code: InvalidArgument" in answer
    assert "client_no" in answer


async def test_buf_curl_needs_no_proto_files(service: Service) -> None:
    answer = await output_of(
        *(tool("buf"), "curl", "--protocol", "grpc", "--http2-prior-knowledge"),
        *("-d", '{"client_no": 1, "text": "hello"}', f"http://{service.address}/{ECHO_SERVICE}/Echo"),
    )
    assert '"text":"hello"' in answer.replace(" ", "")
