"""The life of a server, the same for each service: start, say so (health, reflection), serve, drain."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar, cast

import asyncpg
import grpc
import structlog
import uvloop
from google.protobuf import descriptor_pool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc
from sqlalchemy.exc import DBAPIError

from service_kit.authentication import KeyFileError, TokenVerifier
from service_kit.authorisation import (
    INFRASTRUCTURE_RULES,
    AuthorisationError,
    AuthorisationTable,
    methods_of,
)
from service_kit.calls import CallHandler, Method
from service_kit.database import DatabaseUnavailableError, create_engine, wait_for_database, what_it_said
from service_kit.listening import bind, check_certificate, metrics_exported
from service_kit.migrations import MigrationError, require_head
from service_kit.settings import EX_CONFIG, ServiceSettings
from service_kit.start_error import StartError

SettingsType = TypeVar("SettingsType", bound=ServiceSettings)
Servicers = TypeVar("Servicers")

_log = structlog.get_logger()

EX_UNAVAILABLE: Final = 69
"""sysexits.h: something that is needed can't be reached; starting again later may help."""
EX_SOFTWARE: Final = 70
"""sysexits.h: a fault of ours."""

_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
# Who watches the health of a server stays as long as the server.
_INFRASTRUCTURE_DEADLINES: Final[Mapping[str, float | None]] = {"/grpc.health.v1.Health/Watch": None}
_HEALTH: Final = "grpc.health.v1.Health"
_UNTIL_MIGRATED_PAUSE_SECONDS: Final = 0.5
# Who watches the health is told before everything that never ends is cut, the watching too.
_WATCHERS_HEAR_SECONDS: Final = 0.1
# Calls that were cut when the drain time was over still have to leave their frames.
_LAST_FRAMES_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class ServiceDefinition(Generic[SettingsType, Servicers]):
    """What makes a service, for the server and the command line.

    name: "ledger"; names logs, metrics and database connections.
    error_domain: the domain of google.rpc.ErrorInfo, "ledger.tallybook".
    package: the Python package of `tables` and `migrations`, "ledger_service"; None without a database.
    grpc_services: full names of the gRPC services it serves, "tallybook.ledger.v1.LedgerService".
    settings: its settings class.
    authorisation: one row for each RPC of `grpc_services`; health and reflection are added by the server.
    lifespan: `lifespan(settings)` opens what the servicers need, yields them, and closes it after the last
        call ended. It runs after the database accepts connections and has the right schema, while health
        says NOT_SERVING and every call is answered UNAVAILABLE, reason SERVICE_STARTING.
    add_servicers: registers what lifespan yielded: `add_LedgerServiceServicer_to_server(servicers, server)`.
    deadlines: seconds by the path of an RPC where the default does not fit; None for a stream that never ends
        by itself, which is cut (UNAVAILABLE, SERVICE_STOPPING) as soon as the server drains.
    """

    name: str
    error_domain: str
    package: str | None
    grpc_services: tuple[str, ...]
    settings: type[SettingsType]
    authorisation: AuthorisationTable
    lifespan: Callable[[SettingsType], AbstractAsyncContextManager[Servicers]]
    add_servicers: Callable[[Servicers, grpc.aio.Server], None]
    deadlines: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that answers calls. port: the one it is bound to, also when the system chose it."""

    port: int


def run(
    definition: ServiceDefinition[SettingsType, Servicers],
    settings: SettingsType,
    *,
    wait_for_migrations: bool = False,
) -> int:
    """`serve` on a new uvloop event loop. Why it can't start goes to standard error, one line a reason."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(serve(definition, settings, wait_for_migrations=wait_for_migrations))
    except StartError as refusal:
        for reason in refusal.reasons:
            sys.stderr.write(f"{definition.name}: {reason}\n")
        return refusal.exit_status


async def serve(
    definition: ServiceDefinition[SettingsType, Servicers],
    settings: SettingsType,
    *,
    wait_for_migrations: bool = False,
) -> int:
    """Serve until SIGTERM or SIGINT, drain, and return the exit status. StartError when it can't start.

    0 after a stop that was asked for, also while starting; EX_SOFTWARE when a task of the lifespan failed. A
    second signal ends the process at once.
    """
    with StopSignals(watch_parent=settings.stop_with_parent) as stop:
        try:
            async with running_server(definition, settings, wait_for_migrations=wait_for_migrations):
                stop.cancels_nothing_from_now_on()
                _settle_heap()
                await stop.wait()
        except StartError:
            raise
        except asyncio.CancelledError:
            if not stop.requested:
                raise
        except Exception:  # noqa: BLE001  # whatever a task of the lifespan died of
            _log.exception("the service failed")
            return EX_SOFTWARE
        _log.info("stopped")
        return 0


@asynccontextmanager
async def running_server(
    definition: ServiceDefinition[SettingsType, Servicers],
    settings: SettingsType,
    *,
    wait_for_migrations: bool = False,
) -> AsyncIterator[RunningServer]:
    """A server inside of this process, without signals: it serves within the block, and drains at its end.

    Draining: health says NOT_SERVING, new calls are refused, running ones have `drain_seconds` to finish,
    and then the lifespan closes what it opened. StartError when it can't start.
    """
    calls = _call_handler(definition, settings)
    server = grpc.aio.server(handlers=[calls], options=_options(settings))
    health = await _add_infrastructure(calls, definition.grpc_services)
    port = bind(server, settings)
    with metrics_exported(settings):
        # It answers from now on: probes with NOT_SERVING, everybody else with SERVICE_STARTING.
        await server.start()
        try:
            await _prepare_database(definition, settings, wait_for_migrations=wait_for_migrations)
            async with definition.lifespan(settings) as servicers:
                definition.add_servicers(servicers, _as_server(calls))
                calls.require_all_registered()
                await _set_health(health, definition.grpc_services, serving=True)
                _announce(definition, settings, port)
                try:
                    yield RunningServer(port)
                finally:
                    _log.info("draining")
                    await health.enter_graceful_shutdown()
                    await asyncio.sleep(_WATCHERS_HEAR_SECONDS)
                    calls.cut_endless()
                    await server.stop(settings.drain_seconds)
                    await _wait_for_last_frames(calls)
        finally:
            await server.stop(0)


class StopSignals:
    """SIGTERM, SIGINT, and the end of the parent process, as something to wait for.

    While the server starts, a signal cancels the task that entered the block: nothing is there to be
    drained. The second signal ends the process at once, as if it had never been caught.
    """

    def __init__(self, *, watch_parent: bool) -> None:
        """watch_parent: the end of standard input, a pipe that the parent holds, counts as a signal."""
        self._watch_parent = watch_parent
        self._event = asyncio.Event()
        self._starting: asyncio.Task[Any] | None = None

    def __enter__(self) -> "StopSignals":
        self._loop = asyncio.get_running_loop()
        self._starting = asyncio.current_task()
        for number in _STOP_SIGNALS:
            self._loop.add_signal_handler(number, self._caught, number)
        if self._watch_parent:
            self._loop.add_reader(sys.stdin.fileno(), self._read_parent)
        return self

    def __exit__(self, *_: object) -> None:
        for number in _STOP_SIGNALS:
            self._loop.remove_signal_handler(number)
        self._unwatch_parent()

    @property
    def requested(self) -> bool:
        """Whether somebody asked for the stop."""
        return self._event.is_set()

    def cancels_nothing_from_now_on(self) -> None:
        """The server has started: it is drained, not cancelled."""
        self._starting = None

    async def wait(self) -> None:
        """Return once the stop was asked for."""
        await self._event.wait()

    def _caught(self, number: signal.Signals) -> None:
        if self._event.is_set():
            _log.warning("stopping at once, on a second signal", signal=number.name)
            self._loop.remove_signal_handler(number)
            os.kill(os.getpid(), number)
            return
        self._request(number.name)

    def _read_parent(self) -> None:
        if os.read(sys.stdin.fileno(), 4096):
            return
        self._unwatch_parent()
        if not self._event.is_set():
            self._request("the parent process ended")

    def _unwatch_parent(self) -> None:
        if self._watch_parent:
            self._watch_parent = False
            self._loop.remove_reader(sys.stdin.fileno())

    def _request(self, cause: str) -> None:
        _log.info("stopping", cause=cause)
        self._event.set()
        if self._starting is not None:
            self._starting.cancel()


def check_configuration(
    definition: ServiceDefinition[SettingsType, Servicers], settings: SettingsType
) -> TokenVerifier | None:
    """StartError for all that can be known to be wrong before anything is opened; returns the verifier."""
    faults = settings.serving_faults()
    if faults:
        raise StartError(EX_CONFIG, *faults)
    pool = descriptor_pool.Default()
    try:
        definition.authorisation.check(definition.grpc_services, pool)
        if settings.tls_certificate_file is not None:
            check_certificate(settings)
        return _verifier(settings)
    except (AuthorisationError, KeyFileError) as fault:
        raise StartError(EX_CONFIG, str(fault)) from fault


def _call_handler(
    definition: ServiceDefinition[SettingsType, Servicers], settings: SettingsType
) -> CallHandler:
    verifier = check_configuration(definition, settings)
    table = definition.authorisation.including(INFRASTRUCTURE_RULES)
    deadlines = {**definition.deadlines, **_INFRASTRUCTURE_DEADLINES}
    services = (*definition.grpc_services, _HEALTH, reflection.SERVICE_NAME)
    methods = {}
    for path, descriptor in methods_of(services, descriptor_pool.Default()).items():
        rule = table.rule_of(path)
        if rule is None:
            continue  # of the infrastructure, newer than our table: nobody may call it
        streams = descriptor.client_streaming or descriptor.server_streaming
        default = settings.default_stream_deadline_seconds if streams else settings.default_deadline_seconds
        methods[path] = Method.of(path, descriptor, rule, deadlines.get(path, default))
    unknown = set(definition.deadlines) - set(methods)
    if unknown:
        raise StartError(EX_CONFIG, f"deadlines name no RPC of this server: {', '.join(sorted(unknown))}")
    return CallHandler(
        error_domain=definition.error_domain,
        methods=methods,
        verifier=verifier,
        development_principal=settings.development_principal,
    )


def _verifier(settings: ServiceSettings) -> TokenVerifier | None:
    if settings.token_public_key_file is None:
        return None
    assert settings.token_issuer is not None, "checked by serving_faults"
    assert settings.token_audience is not None, "checked by serving_faults"
    return TokenVerifier(
        key_file=settings.token_public_key_file,
        issuer=settings.token_issuer,
        audience=settings.token_audience,
        algorithm=settings.token_algorithm,
    )


def _options(settings: ServiceSettings) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        # Two servers on one port would share its calls by chance: each has a port of its own.
        ("grpc.so_reuseport", 0),
        # Our clients ask every 30 s whether a silent connection lives (see channels): no abuse.
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
    ]


async def _add_infrastructure(calls: CallHandler, services: tuple[str, ...]) -> HealthServicer:
    health = HealthServicer()
    await _set_health(health, services, serving=False)
    health_pb2_grpc.add_HealthServicer_to_server(health, _as_server(calls))
    shown = reflection.aio.ReflectionServicer((*services, _HEALTH, reflection.SERVICE_NAME))
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(shown, _as_server(calls))  # type: ignore[no-untyped-call]  # so are its type stubs
    return health


def _as_server(calls: CallHandler) -> grpc.aio.Server:
    """The generated `add_..._to_server` know of a server only what registers, and `calls` has that. gRPC asks
    `calls` for the handler of each call, so methods may be registered while the server runs.
    """
    return cast(grpc.aio.Server, calls)


async def _set_health(
    health: HealthServicer,
    services: tuple[str, ...],
    *,
    serving: bool,
) -> None:
    statuses = health_pb2.HealthCheckResponse
    status = statuses.SERVING if serving else statuses.NOT_SERVING
    for name in ("", *services):
        await health.set(name, status)


async def _prepare_database(
    definition: ServiceDefinition[SettingsType, Servicers],
    settings: SettingsType,
    *,
    wait_for_migrations: bool,
) -> None:
    """Return once the database is there with the schema that this code needs; StartError when it is not."""
    if definition.package is None:
        return
    engine = create_engine(settings, name=f"{definition.name} start", pool_size=1)
    try:
        await wait_for_database(engine, settings.database_wait_seconds)
        while True:
            try:
                await require_head(definition.package, engine)
            except MigrationError as fault:
                if not wait_for_migrations:
                    raise StartError(EX_CONFIG, str(fault)) from fault
                await asyncio.sleep(_UNTIL_MIGRATED_PAUSE_SECONDS)
            else:
                return
    except DatabaseUnavailableError as fault:
        raise StartError(EX_UNAVAILABLE, f"{settings.variable('database_url')}: {fault}") from fault
    except (asyncpg.PostgresError, DBAPIError) as fault:
        raise StartError(EX_CONFIG, f"{settings.variable('database_url')}: {what_it_said(fault)}") from fault
    finally:
        await engine.dispose()


def _settle_heap() -> None:
    """Take what was loaded at the start out of the garbage collector's sight.

    It stays until the end, and each full collection would stop every call, to walk through all of it.
    """
    gc.collect()
    gc.freeze()


async def _wait_for_last_frames(calls: CallHandler) -> None:
    """A call that was cut is over for gRPC before its frames are left, which use what is closed next."""
    try:
        async with asyncio.timeout(_LAST_FRAMES_SECONDS):
            await calls.wait_until_idle()
    except TimeoutError:
        _log.warning("calls did not end after they were cut")


def _announce(
    definition: ServiceDefinition[SettingsType, Servicers], settings: SettingsType, port: int
) -> None:
    _log.info(
        "serving",
        address=f"{settings.host}:{port}",
        services=list(definition.grpc_services),
        tls=settings.tls_certificate_file is not None,
        tokens=settings.token_public_key_file is not None,
        development_principal=settings.development_principal,
    )
