"""The life of a server: settings, health, reflection, interceptors, signals, draining. The same for each
service.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import grpc

from service_kit.authorisation import AuthorisationTable
from service_kit.settings import ServiceSettings

SettingsType = TypeVar("SettingsType", bound=ServiceSettings)
Servicers = TypeVar("Servicers")


@dataclass(frozen=True, slots=True)
class ServiceDefinition(Generic[SettingsType, Servicers]):
    """What makes a service, for the server and the command line.

    name: "ledger"; names logs, metrics and database connections.
    error_domain: the domain of google.rpc.ErrorInfo, "ledger.tallybook".
    package: the Python package that holds `tables` and `migrations`, "ledger_service"; None without a
    database. grpc_services: full names of the gRPC services it serves, "tallybook.ledger.v1.LedgerService".
    settings: its settings class.
    authorisation: one row for each RPC of `grpc_services`; health and reflection are added by the server.
    lifespan: `lifespan(settings)` opens what the servicers need, yields them, and closes it after the last
        call ended. It runs after the database accepts connections and has the right schema, while health says
        NOT_SERVING and every call is answered UNAVAILABLE.
    add_servicers: registers what lifespan yielded: add_LedgerServiceServicer_to_server(servicers.ledger,
    server). deadlines: seconds by full method name where the default does not fit; None for a stream that
        never ends by itself, which is cut at once (UNAVAILABLE, SERVICE_STOPPING) when the server drains.
    """

    name: str
    error_domain: str
    package: str | None
    grpc_services: tuple[str, ...]
    settings: type[SettingsType]
    authorisation: AuthorisationTable
    lifespan: Callable[[SettingsType], AbstractAsyncContextManager[Servicers]]
    add_servicers: Callable[[grpc.aio.Server, Servicers], None]
    deadlines: Mapping[str, float | None] = field(default_factory=dict)


async def serve(definition: ServiceDefinition[SettingsType, Servicers], settings: SettingsType) -> int:
    """Serve until SIGTERM or SIGINT; the exit status: 0 after a clean drain, 78 when the configuration is
    refused.
    """
    raise NotImplementedError


def run(definition: ServiceDefinition[SettingsType, Servicers], settings: SettingsType) -> int:
    """`serve` on a new uvloop event loop."""
    raise NotImplementedError
