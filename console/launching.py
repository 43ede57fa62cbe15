"""Everything on this machine, for the commands that need no services of somebody else's: `up` and `demo`."""

import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from console.connections import Targets
from console.errors import ConsoleError
from console.exit_codes import ExitCode
from service_kit.launcher import TALLYBOOK, Launched, LaunchError, Say, ServicePlan, launched

LEDGER_PORT: Final = 50051
BATCH_PORT: Final = 50052
AUDIT_PORT: Final = 50053

_HOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Ports:
    """A port for each service."""

    ledger: int = LEDGER_PORT
    batch: int = BATCH_PORT
    audit: int = AUDIT_PORT

    @classmethod
    def free(cls) -> "Ports":
        """Three that nobody uses now."""
        probes = [socket.socket() for _ in range(3)]
        try:
            for probe in probes:
                probe.bind((_HOST, 0))
            return cls(*(probe.getsockname()[1] for probe in probes))
        finally:
            for probe in probes:
                probe.close()

    def of(self, service: str) -> int:
        """The port of a service by its name."""
        port: int = getattr(self, service)
        return port

    @property
    def targets(self) -> Targets:
        """Where clients find the services."""
        return Targets(f"{_HOST}:{self.ledger}", f"{_HOST}:{self.batch}", f"{_HOST}:{self.audit}")

    def require_free(self) -> None:
        """ConsoleError about the first port that somebody else uses."""
        for service in ("ledger", "batch", "audit"):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((_HOST, self.of(service)))
                except OSError as taken:
                    raise ConsoleError(
                        f"port {self.of(service)}, the {service} service's, can't be had ({taken.strerror}):"
                        f" stop what uses it, or give another with --{service}-port",
                        ExitCode.UNAVAILABLE,
                    ) from None


@asynccontextmanager
async def running_tallybook(
    directory: Path, ports: Ports, say: Say, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Launched]:
    """PostgreSQL, migrations and the three services, for as long as the block lasts.

    Callers need no credentials (the development principal), since only this machine can reach the services.
    Payments go to the batch service's own sandbox, which moves no money, unless the environment names a
    gateway.
    """
    try:
        async with launched(directory, plans=_plans(ports), environment=environment, say=say) as running:
            yield running
    except LaunchError as fault:
        raise ConsoleError(str(fault), ExitCode.UNAVAILABLE) from None


def _plans(ports: Ports) -> Sequence[ServicePlan]:
    return [replace(plan, port=ports.of(plan.name)) for plan in TALLYBOOK]
