"""Which batch processes there are, in the order in which they run: one line each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import grpc
from sqlalchemy.ext.asyncio import AsyncEngine

from batch_service.gateway_client import Gateway
from batch_service.ledger_client import Ledger
from batch_service.processes.activity_loader import ActivityLoader
from batch_service.processes.collection import BillingManager
from batch_service.processes.contract import BatchProcess
from batch_service.processes.dunning import DunningManager
from batch_service.processes.housekeeping import Housekeeping
from batch_service.processes.invoicer import Invoicer
from service_kit.clock import Clock
from service_kit.errors import DomainError, ErrorKind


@dataclass(frozen=True, slots=True)
class ProcessResources:
    """What the processes are built from. A channel is None when its target is not configured."""

    engine: AsyncEngine
    clock: Clock
    ledger_channel: grpc.aio.Channel | None
    gateway_channel: grpc.aio.Channel | None
    gateway_deadline_seconds: float = 2.0


class ProcessRegistry:
    """The batch processes by their short names, in the order in which they run."""

    def __init__(self, processes: Sequence[BatchProcess]) -> None:
        self._by_code = {process.code: process for process in processes}
        assert len(self._by_code) == len(processes), "two processes have the same code"
        seen: set[str] = set()
        for process in processes:
            late = set(process.depends_on) & self._by_code.keys() - seen
            assert not late, f"{process.code} depends on {late}, which come after it"
            seen.add(process.code)

    def __iter__(self) -> Iterator[BatchProcess]:
        return iter(self._by_code.values())

    def find(self, code: str) -> BatchProcess | None:
        """The process with this short name, None when there is none."""
        return self._by_code.get(code)

    def require(self, code: str) -> BatchProcess:
        """The process with this short name; DomainError PROCESS_NOT_FOUND when there is none."""
        process = self._by_code.get(code)
        if process is None:
            known = ", ".join(self._by_code)
            raise DomainError(
                ErrorKind.NOT_FOUND,
                "PROCESS_NOT_FOUND",
                f"there is no batch process {code!r}: the processes are {known}",
                metadata={"process_code": code},
            )
        return process


def batch_processes(resources: ProcessResources) -> ProcessRegistry:
    """Build every process. A new one is its module and one line here."""
    database = resources.engine
    ledger = Ledger(resources.ledger_channel) if resources.ledger_channel else None
    gateway = (
        Gateway(resources.gateway_channel, resources.gateway_deadline_seconds)
        if resources.gateway_channel
        else None
    )
    return ProcessRegistry(
        (
            Housekeeping(database),
            Invoicer(database, ledger),
            BillingManager(database, ledger, gateway),
            DunningManager(database, ledger, gateway),
            ActivityLoader(database),
        )
    )
