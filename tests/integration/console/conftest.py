"""Running the command as people do: as a process of its own, without a terminal."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import grpc
import pytest

from ledger_service.service import LEDGER
from ledger_service.settings import LedgerSettings
from service_kit.server import running_server
from tallybook.batch.v1 import batch_pb2_grpc, billing_setup_pb2_grpc
from tallybook.ledger.v1 import account_pb2_grpc, verification_pb2_grpc
from tests.integration.console.stand_ins import (
    StandInAccounts,
    StandInBatch,
    StandInBillingSetup,
    StandIns,
    StandInVerification,
)
from tests.integration.ledger.caller import Ledger
from tests.support.databases import NewDatabase


@dataclass(frozen=True)
class Ran:
    """What the command said and how it ended."""

    exit_code: int
    out: str
    err: str


Tallybook = Callable[..., Awaitable[Ran]]


@pytest.fixture
async def stand_ins() -> AsyncIterator[StandIns]:
    """Services that a test steers."""
    server = grpc.aio.server()
    target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    # What they don't do is answered UNIMPLEMENTED; the type stubs would have every method written out.
    each = StandIns(
        target,
        StandInAccounts(),  # type: ignore[abstract]
        StandInBillingSetup(),  # type: ignore[abstract]
        StandInBatch(),  # type: ignore[abstract]
        StandInVerification(),  # type: ignore[abstract]
    )
    account_pb2_grpc.add_AccountServiceServicer_to_server(each.accounts, server)
    billing_setup_pb2_grpc.add_BillingSetupServiceServicer_to_server(each.billing_setup, server)
    batch_pb2_grpc.add_BatchServiceServicer_to_server(each.batch, server)
    verification_pb2_grpc.add_VerificationServiceServicer_to_server(each.verification, server)
    await server.start()
    yield each
    await server.stop(None)


@pytest.fixture
def tallybook(stand_ins: StandIns) -> Tallybook:
    """Runs the command against the stand-ins."""

    async def run(*arguments: str) -> Ran:
        services = (f"--{name}={stand_ins.target}" for name in ("ledger", "batch", "audit"))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "console",
            *services,
            *arguments,
            env={name: value for name, value in os.environ.items() if not name.startswith("TALLYBOOK_")},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode is not None
        return Ran(process.returncode, out.decode(), err.decode())

    return run


OnLedger = Callable[..., Coroutine[Any, Any, Ran]]


class AddressedLedger(Ledger):
    """A ledger that a command of its own process can find."""

    def __init__(self, channel: grpc.aio.Channel, target: str) -> None:
        super().__init__(channel, client_no=1)
        self.target = target


@pytest.fixture
async def ledger(new_database: NewDatabase) -> AsyncIterator[AddressedLedger]:
    """A ledger on a database of its own."""
    settings = LedgerSettings(
        port=0, database_url=(await new_database("ledger_service")).url, development_principal=True
    )
    async with running_server(LEDGER, settings) as server:
        target = f"127.0.0.1:{server.port}"
        async with grpc.aio.insecure_channel(target) as channel:
            yield AddressedLedger(channel, target)


@pytest.fixture
def on_ledger(ledger: AddressedLedger, tallybook: Tallybook) -> OnLedger:
    """Runs a command for client 1 on it."""

    async def run(*arguments: str) -> Ran:
        return await tallybook("--ledger", ledger.target, *arguments, "--client", "1")

    return run
