"""Where the batch service is wired."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
import grpc

from batch_service.arrays import LOOK_UP_BY_INDEX
from batch_service.authorisation import AUTHORISATION
from batch_service.business_dates import BusinessDates
from batch_service.delivery import OwnWorkersFirst
from batch_service.delivery_procrastinate import procrastinate_delivery
from batch_service.engine import BatchEngine, running_engine
from batch_service.processes.registry import ProcessRegistry, ProcessResources, batch_processes
from batch_service.sandbox_gateway import SandboxGatewayControl, serving_sandbox
from batch_service.servicers.batch import BatchServicer
from batch_service.servicers.billing_setup import BillingSetupServicer
from batch_service.settings import BatchSettings
from service_kit.channels import open_channel
from service_kit.clock import SystemClock
from service_kit.database import create_engine, create_pool, prepare_connections
from service_kit.relay import running_relay
from service_kit.server import ServiceDefinition
from tallybook.batch.v1 import batch_pb2_grpc, billing_setup_pb2_grpc
from tallybook.payments.v1 import sandbox_pb2_grpc

BuildProcesses = Callable[[ProcessResources], ProcessRegistry]


@dataclass(frozen=True, slots=True)
class Servicers:
    """One servicer for each gRPC service."""

    batch: BatchServicer
    billing_setup: BillingSetupServicer
    sandbox: SandboxGatewayControl


@asynccontextmanager
async def wired_engine(
    settings: BatchSettings, build: BuildProcesses = batch_processes
) -> AsyncIterator[tuple[BatchEngine, ProcessResources]]:
    """The engine with all that it needs: database, queue, relay, the ledger and the payment gateway."""
    async with AsyncExitStack() as stack:
        database = create_engine(settings, name="batch", pool_size=_pool_size(settings))
        stack.push_async_callback(database.dispose)
        prepare_connections(database, LOOK_UP_BY_INDEX)
        relay = await stack.enter_async_context(running_relay(settings, database))
        gateway_target = settings.gateway_target or await stack.enter_async_context(_sandbox(settings))
        resources = ProcessResources(
            engine=database,
            clock=SystemClock(),
            ledger_channel=_channel(
                stack, settings.ledger_target, settings.ledger_tls_root_file, settings.ledger_token_file
            ),
            gateway_channel=_channel(
                stack,
                gateway_target,
                settings.gateway_tls_root_file,
                settings.gateway_token_file,
                # Whether a gateway that is out of order is asked again is decided by collection.
                retry_unavailable=False,
            ),
            gateway_deadline_seconds=settings.gateway_deadline_seconds,
        )
        queue = await stack.enter_async_context(
            procrastinate_delivery(settings.database_url, name="batch queue")
        )
        engine = await stack.enter_async_context(
            running_engine(
                settings, resources, build(resources), OwnWorkersFirst(queue), wake_relay=relay.wake
            )
        )
        yield engine, resources


def add_servicers(servicers: Servicers, server: grpc.aio.Server) -> None:
    """Register all that the service serves."""
    batch_pb2_grpc.add_BatchServiceServicer_to_server(servicers.batch, server)
    billing_setup_pb2_grpc.add_BillingSetupServiceServicer_to_server(servicers.billing_setup, server)
    sandbox_pb2_grpc.add_SandboxGatewayServiceServicer_to_server(servicers.sandbox, server)


def batch_definition(build: BuildProcesses = batch_processes) -> ServiceDefinition[BatchSettings, Servicers]:
    """The batch service with the processes that `build` makes."""

    @asynccontextmanager
    async def lifespan(settings: BatchSettings) -> AsyncIterator[Servicers]:
        async with wired_engine(settings, build) as (engine, resources), _sandbox_books(settings) as books:
            business_dates = BusinessDates(resources.clock)
            yield Servicers(
                batch=BatchServicer(engine.units, engine.processes, business_dates),
                billing_setup=BillingSetupServicer(engine.units, engine.processes, business_dates),
                sandbox=SandboxGatewayControl(books),
            )

    return ServiceDefinition(
        name="batch",
        error_domain="batch.tallybook",
        package="batch_service",
        grpc_services=(
            "tallybook.batch.v1.BatchService",
            "tallybook.batch.v1.BillingSetupService",
            "tallybook.payments.v1.SandboxGatewayService",
        ),
        settings=BatchSettings,
        authorisation=AUTHORISATION,
        lifespan=lifespan,
        add_servicers=add_servicers,
        deadlines={"/tallybook.batch.v1.BatchService/WatchBatchSession": None},
    )


BATCH: Final = batch_definition()


@asynccontextmanager
async def _sandbox(settings: BatchSettings) -> AsyncIterator[str]:
    """The target of a payment gateway of this process's own."""
    async with _sandbox_books(settings) as books, serving_sandbox(books) as target:
        yield target


@asynccontextmanager
async def _sandbox_books(settings: BatchSettings) -> AsyncIterator[asyncpg.Pool]:
    """Connections of the sandbox's own, so that it keeps none from the service."""
    async with await create_pool(settings, name="sandbox gateway", size=4) as books:
        yield books


def _channel(
    stack: AsyncExitStack,
    target: str | None,
    tls_root_file: Path | None,
    token_file: Path | None,
    *,
    retry_unavailable: bool = True,
) -> grpc.aio.Channel | None:
    if target is None:
        return None
    channel = open_channel(
        target, tls_root_file=tls_root_file, token_file=token_file, retry_unavailable=retry_unavailable
    )
    stack.push_async_callback(channel.close)
    return channel


def _pool_size(settings: BatchSettings) -> int:
    """Connections for the servicers, and for each chunk that is worked one of the process's and one of the
    engine's.
    """
    return settings.database_pool_size + 2 * settings.workers
