"""The stand on which things are measured: PostgreSQL and the services, each in processes of its own, as in
production. Commits are durable: nothing in PostgreSQL's configuration differs from what `tallybook up` has.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import asyncpg
import grpc

from benchmarks.meter import Meter, cpu_of, cpu_of_postgres, own_cpu
from console.connections import Targets
from console.launching import Ports
from service_kit.launcher import TALLYBOOK, Launched, launched
from tallybook.ledger.v1 import account_pb2, verification_pb2
from tallybook.ledger.v1.account_pb2_grpc import AccountServiceStub
from tallybook.ledger.v1.invoice_pb2_grpc import InvoiceServiceStub
from tallybook.ledger.v1.ledger_pb2_grpc import LedgerServiceStub
from tallybook.ledger.v1.verification_pb2_grpc import VerificationServiceStub

if TYPE_CHECKING:
    # What a stub is on a channel of grpc.aio; only the type stubs know these names.
    from tallybook.ledger.v1.account_pb2_grpc import AccountServiceAsyncStub
    from tallybook.ledger.v1.invoice_pb2_grpc import InvoiceServiceAsyncStub
    from tallybook.ledger.v1.ledger_pb2_grpc import LedgerServiceAsyncStub
    from tallybook.ledger.v1.verification_pb2_grpc import VerificationServiceAsyncStub

CHANNEL_OPTIONS: Final = (
    ("grpc.max_receive_message_length", 16 << 20),
    ("grpc.max_send_message_length", 16 << 20),
)
CURRENCY: Final = "USD"

_LEDGER_ALONE: Final = tuple(plan for plan in TALLYBOOK if plan.name == "ledger")
_OPENED_AT_ONCE: Final = 64

Request = TypeVar("Request")
Response = TypeVar("Response")


class Ledger:
    """The stubs of a ledger on one channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.accounts: AccountServiceAsyncStub = AccountServiceStub(channel)
        self.transactions: LedgerServiceAsyncStub = LedgerServiceStub(channel)
        self.invoices: InvoiceServiceAsyncStub = InvoiceServiceStub(channel)
        self.verification: VerificationServiceAsyncStub = VerificationServiceStub(channel)


@dataclass(frozen=True, slots=True)
class Books:
    """A client of the ledger with accounts to post on."""

    client_no: int
    acct_nos: Sequence[int]


class Stand:
    """A running ledger, or everything, and what it takes to measure it; made by `running_stand`."""

    def __init__(self, running: Launched, ledger: Ledger, targets: Targets) -> None:
        assert running.postgres is not None
        self.services = running.services
        self.ledger = ledger
        self.postgres = running.postgres
        self.targets = targets
        pids = [service.pid for service in running.services.values() if service.pid is not None]
        self._postgres_cpu = cpu_of_postgres(running.postgres.directory / "data")
        self.meter = self.meter_of(*pids)
        self._clients = 0

    @property
    def ledger_pid(self) -> int:
        """The process of the ledger service."""
        pid = self.services["ledger"].pid
        assert pid is not None, "the ledger has died"
        return pid

    def meter_of(self, *pids: int) -> Meter:
        """A meter for services with these processes, beside the client and PostgreSQL."""
        return Meter({"client": own_cpu, "service": cpu_of(*pids), "postgres": self._postgres_cpu})

    async def open_books(self, accounts: int) -> Books:
        """A client that is new to the ledger, with so many accounts."""
        client_no = self.new_client()
        requests = [
            account_pb2.CreateAccountRequest(
                client_no=client_no, request_id=f"open-{place}", name="Ada", currency_code=CURRENCY
            )
            for place in range(accounts)
        ]
        answers = await send(self.ledger.accounts.CreateAccount, requests, _OPENED_AT_ONCE)
        return Books(client_no, sorted(answer.account.acct_no for answer in answers))

    def new_client(self) -> int:
        """The number of a client that has nothing yet."""
        self._clients += 1
        return self._clients

    @asynccontextmanager
    async def connection(self, service: str = "ledger") -> AsyncIterator[asyncpg.Connection]:
        """A connection to the database of a service that may do everything."""
        connection = await asyncpg.connect(self.postgres.url(f"tallybook_{service}"))
        try:
            yield connection
        finally:
            await connection.close()

    async def verify(self) -> int:
        """Prove the books of all clients, and return how many transactions they have."""
        # What took seconds to post has no statistics yet, which autovacuum takes once a minute.
        async with self.connection() as connection:
            await connection.execute("ANALYZE")
        transactions = 0
        for client_no in range(1, self._clients + 1):
            request = verification_pb2.VerifyLedgerRequest(client_no=client_no)
            async for part in self.ledger.verification.VerifyLedger(request):
                assert not part.HasField("finding"), f"the books are wrong: {part.finding}"
                transactions += part.summary.transactions
        return transactions


@asynccontextmanager
async def running_stand(
    *,
    everything: bool = False,
    ledger_package: str = "ledger_service",
    environment: Mapping[str, str] | None = None,
    postgres_options: Mapping[str, str] | None = None,
) -> AsyncIterator[Stand]:
    """The ledger, or with `everything` all three services, on an empty database that is thrown away."""
    ports = Ports.free()
    plans = [
        replace(
            plan, port=ports.of(plan.name), package=ledger_package if plan.name == "ledger" else plan.package
        )
        for plan in (TALLYBOOK if everything else _LEDGER_ALONE)
    ]
    log_levels = {plan.variable("log_level"): "error" for plan in plans}
    directory = Path(tempfile.mkdtemp(prefix="tallybook-bench-"))
    async with AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        running = await stack.enter_async_context(
            launched(
                directory,
                plans=plans,
                environment={**log_levels, **(environment or {})},
                postgres_options=postgres_options,
            )
        )
        channel = await stack.enter_async_context(open_channel(running.services["ledger"].target))
        yield Stand(running, Ledger(channel), ports.targets)


def open_channel(target: str) -> grpc.aio.Channel:
    """A channel as every client that is measured has it."""
    return grpc.aio.insecure_channel(target, options=CHANNEL_OPTIONS)


async def send(
    call: Callable[[Request], Awaitable[Response]], requests: Iterable[Request], in_flight: int
) -> list[Response]:
    """Call with each of the requests, so many at a time. The answers come in the order of their arrival."""
    waiting = iter(requests)
    answers: list[Response] = []

    async def call_one_after_another() -> None:
        for request in waiting:
            answers.append(await call(request))  # noqa: PERF401  # several of us share the list

    await asyncio.gather(*(call_one_after_another() for _ in range(in_flight)))
    return answers
