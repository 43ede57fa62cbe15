"""Starts everything on one machine: PostgreSQL, databases, migrations, services; and stops it in order.

For `tallybook up`, the demo and the tests. In production an orchestrator does this.

Each service is a process of its own in a session of its own, so that Ctrl-C reaches the launcher alone,
which stops them in order. Each holds the read end of a pipe: a launcher that is killed takes its services
along.
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from service_kit.directory_lock import DirectoryInUseError, DirectoryLock
from service_kit.postgres_server import PostgresServer, PostgresServerError
from service_kit.provisioning import ServiceDatabase, provision

_HOST: Final = "127.0.0.1"
_START_SECONDS: Final = 60.0
# Longer than a service's own `drain_seconds` and what its lifespan takes to close.
_STOP_SECONDS: Final = 25.0
_POLL_SECONDS: Final = 0.05

Say = Callable[[str], None]


class LaunchError(Exception):
    """Something did not start or has died; the message says what, and what it said."""


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """How one service is started. needs: which of its settings hold the address of which service."""

    name: str
    package: str
    port: int
    needs: Mapping[str, str] = field(default_factory=dict)

    def variable(self, setting: str) -> str:
        """The environment variable of one of its settings: "port" is TALLYBOOK_LEDGER_PORT."""
        return f"TALLYBOOK_{self.name}_{setting}".upper()


# In the order of the start; they stop in reverse, so that the last events still find the audit service.
TALLYBOOK: Final = (
    ServicePlan("audit", "audit_service", 50053),
    ServicePlan("ledger", "ledger_service", 50051, {"audit_target": "audit"}),
    ServicePlan("batch", "batch_service", 50052, {"audit_target": "audit", "ledger_target": "ledger"}),
)


class LaunchedService:
    """One service as a process, which may be killed and started again."""

    def __init__(self, plan: ServicePlan, environment: Mapping[str, str], log_file: Path) -> None:
        self.name = plan.name
        self.target = f"{_HOST}:{plan.port}"
        self.log_file = log_file
        self._plan = plan
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None
        self._log_start = 0

    @property
    def pid(self) -> int | None:
        """The process id, None when it does not run."""
        return self._process.pid if self._process is not None and self.is_running else None

    @property
    def is_running(self) -> bool:
        """Whether the process exists."""
        return self._process is not None and self._process.returncode is None

    async def migrate(self) -> None:
        """Bring its schema to head; LaunchError with what it said when that fails."""
        process = await self._spawn("migrate")
        if await process.wait() != 0:
            raise LaunchError(f"{self.name}: the migrations failed: {self._what_it_said()}")

    async def start(self) -> None:
        """Start the process; it serves when `wait_until_serving` returns."""
        assert not self.is_running, f"{self.name} runs already"
        self._process = await self._spawn("serve")

    async def wait_until_serving(self, seconds: float = _START_SECONDS) -> None:
        """Return when its health says SERVING; LaunchError when it ends, or does not within `seconds`."""
        give_up_at = time.monotonic() + seconds
        async with grpc.aio.insecure_channel(self.target) as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)
            while not await _is_serving(health):
                if not self.is_running:
                    raise LaunchError(f"{self.name} ended instead of serving: {self._what_it_said()}")
                if time.monotonic() > give_up_at:
                    raise LaunchError(
                        f"{self.name} does not serve after {seconds:.0f} s: see {self.log_file}"
                    )
                await asyncio.sleep(_POLL_SECONDS)
        # Another program may answer on our port, while ours is about to find that out.
        if not self.is_running:
            raise LaunchError(f"{self.name} ended instead of serving: {self._what_it_said()}")

    async def wait(self) -> int:
        """Return the exit status when the process ends."""
        assert self._process is not None, f"{self.name} was not started"
        return await self._process.wait()

    async def terminate(self, seconds: float = _STOP_SECONDS) -> int | None:
        """Stop it as an operator would (SIGTERM); returns the exit status. After `seconds` it is killed."""
        if self._process is None or not self.is_running:
            return self._process.returncode if self._process is not None else None
        self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(seconds):
                return await self._process.wait()
        except TimeoutError:
            return await self.kill()

    async def kill(self) -> int | None:
        """Kill it (SIGKILL) and return when it is gone."""
        if self._process is None:
            return None
        if self.is_running:
            self._process.kill()
        return await self._process.wait()

    async def _spawn(self, command: str) -> asyncio.subprocess.Process:
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as log:
            self._log_start = log.tell()
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", self._plan.package, command),
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )

    def _what_it_said(self) -> str:
        with self.log_file.open("rb") as log:
            log.seek(self._log_start)
            lines = log.read().decode(errors="replace").strip().splitlines()
        return " | ".join(lines[-3:]) or "nothing"


class Launched:
    """Everything that runs. postgres: None when each service has a database of its own."""

    def __init__(self, postgres: PostgresServer | None, services: Sequence[LaunchedService]) -> None:
        self.postgres = postgres
        self.services: Mapping[str, LaunchedService] = {service.name: service for service in services}

    async def wait_for_a_death(self) -> str:
        """Return when a service ends that nobody stopped; one line that says which, and what it said last."""
        waiting = {asyncio.ensure_future(each.wait()): each for each in self.services.values()}
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            ended = waiting[next(iter(done))]
            status = await next(iter(done))
            return f"{ended.name} ended with status {status}: see {ended.log_file}"
        finally:
            for each in waiting:
                each.cancel()


@asynccontextmanager
async def launched(
    directory: Path,
    *,
    plans: Sequence[ServicePlan] = TALLYBOOK,
    environment: Mapping[str, str] | None = None,
    say: Say = lambda _line: None,
    postgres_options: Mapping[str, str] | None = None,
) -> AsyncIterator[Launched]:
    """Everything, running within the block. Its data and logs are in `directory`; a second start goes on.

    environment: further variables for the services, over this process's own.
    say: gets a line for a person at each step.
    LaunchError when something does not start, or when `directory` is in use by another launcher.

    A service whose TALLYBOOK_..._DATABASE_URL is set uses that database; the others get PostgreSQL.
    """
    with _held(directory):
        given = {**os.environ, **(environment or {})}
        embedded = [plan for plan in plans if plan.variable("database_url") not in given]
        postgres = PostgresServer(directory / "postgres", options=postgres_options) if embedded else None
        services = [
            LaunchedService(
                plan,
                {
                    **os.environ,
                    **_variables(plan, plans, postgres if plan in embedded else None),
                    **(environment or {}),
                },
                directory / "logs" / f"{plan.name}.log",
            )
            for plan in plans
        ]
        try:
            if postgres is not None:
                await _start_postgres(postgres, embedded, say)
            await _start_services(services, say)
            yield Launched(postgres, services)
        finally:
            await _stop(postgres, services, say)


@contextmanager
def _held(directory: Path) -> Iterator[None]:
    directory.mkdir(parents=True, exist_ok=True)
    lock = DirectoryLock(directory)
    try:
        lock.take()
    except DirectoryInUseError as fault:
        raise LaunchError(str(fault)) from None
    try:
        yield
    finally:
        lock.release()


def _variables(
    plan: ServicePlan, plans: Sequence[ServicePlan], postgres: PostgresServer | None
) -> dict[str, str]:
    """What a service must be told. postgres: where its database is, None when its environment says that."""
    ports = {each.name: each.port for each in plans}
    settings = {
        "host": _HOST,
        "port": str(plan.port),
        # Nobody but this machine can reach them, and whoever tries Tallybook has no tokens yet.
        "development_principal": "true",
        "stop_with_parent": "true",
    }
    settings |= {setting: f"{_HOST}:{ports[name]}" for setting, name in plan.needs.items() if name in ports}
    if postgres is not None:
        database = ServiceDatabase.of(plan.name)
        settings |= {
            "database_url": postgres.url(database.name, database.runtime_role),
            "migration_database_url": postgres.url(database.name, database.owner),
            "runtime_role": database.runtime_role,
        }
    return {plan.variable(setting): value for setting, value in settings.items()}


async def _start_postgres(postgres: PostgresServer, plans: Sequence[ServicePlan], say: Say) -> None:
    began = time.monotonic()
    try:
        await asyncio.to_thread(postgres.start)
    except PostgresServerError as fault:
        raise LaunchError(str(fault)) from fault
    await provision(postgres.url(), [ServiceDatabase.of(plan.name) for plan in plans])
    say(f"PostgreSQL is up ({time.monotonic() - began:.1f} s)")


async def _start_services(services: Sequence[LaunchedService], say: Say) -> None:
    began = time.monotonic()
    migrated = await asyncio.gather(*(service.migrate() for service in services), return_exceptions=True)
    for fault in migrated:
        if fault is not None:
            raise fault
    say(f"the schemas are at head ({time.monotonic() - began:.1f} s)")
    for service in services:
        await service.start()
    for service in services:
        await service.wait_until_serving()
        say(f"{service.name} serves on {service.target} ({time.monotonic() - began:.1f} s)")


async def _stop(postgres: PostgresServer | None, services: Sequence[LaunchedService], say: Say) -> None:
    for service in reversed(services):
        if service.is_running:
            # Whoever listened may be gone (a closed pipe); what runs has to be stopped all the same.
            with contextlib.suppress(OSError):
                say(f"stopping {service.name}")
            await service.terminate()
    if postgres is not None:
        with contextlib.suppress(OSError):
            say("stopping PostgreSQL")
        await asyncio.to_thread(postgres.stop)


async def _is_serving(health: Any) -> bool:
    try:
        answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=1.0)
    except grpc.aio.AioRpcError:
        return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
