"""Measures posting through the contract next to the raw limit of the same machine, in the same run.

Run: `python -m benchmarks.posting [seconds]`. It starts its own PostgreSQL (durable, fsync on) and its own
ledger in a process of its own, opens a thousand accounts, and posts checks (type 2) in calls of several
sizes. The raw limit is COPY of the same rows into the same two tables, with their indexes, in commits of
the same size, by one connection: no rules, no keys, no balances. The client shares the machine with both.
"""

import asyncio
import contextlib
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import asyncpg
import grpc
import uvloop
from grpc_health.v1 import health_pb2, health_pb2_grpc

from service_kit.postgres_server import PostgresServer
from tallybook.ledger.v1 import (
    account_pb2,
    account_pb2_grpc,
    ledger_pb2,
    ledger_pb2_grpc,
    transaction_pb2,
    transaction_type_pb2,
)
from tallybook.type.v1.money_pb2 import Money

CLIENT_NO: Final = 1
ACCOUNTS: Final = 1_000
PREPARED_DRAFTS: Final = 400_000


@dataclass(frozen=True, slots=True)
class Load:
    """Calls of so many drafts, so many of them in flight. `drafts` 0 is RecordExternalPayment."""

    name: str
    drafts: int
    in_flight: int


LOADS: Final = (
    Load("calls of 8,000", 8_000, 3),
    Load("calls of 1,000", 1_000, 8),
    Load("calls of 100", 100, 16),
    Load("single, 64 in flight", 0, 64),
    Load("single, 1 in flight", 0, 1),
)

_NUMBERS = itertools.count(1)


def main(seconds: float) -> None:
    """Print a table: what was posted a second, and what COPY alone manages."""
    with tempfile.TemporaryDirectory(prefix="tallybook-bench-", ignore_cleanup_errors=True) as directory:
        path = Path(directory)
        # PostgreSQL may have to run as another user than ours.
        path.chmod(0o711)
        with PostgresServer(path / "data") as server, _ledger(server.url(), path / "port") as port:
            uvloop.run(_measure_all(server.url(), port, seconds))


async def _measure_all(url: str, port: str, seconds: float) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=_LARGE) as channel:
        accounts = await _open_accounts(channel)
        for load in LOADS:
            posted = await _measure(channel, accounts, load, seconds)
            raw = await _measure_copy(url, load.drafts or 1, seconds)
            print(
                f"{load.name:22} {posted:9,.0f} transactions/s   COPY alone {raw:9,.0f} rows/s   "
                f"{posted / raw:5.0%}",
                flush=True,
            )


_LARGE: Final = [("grpc.max_receive_message_length", 64 << 20), ("grpc.max_send_message_length", 64 << 20)]


@contextlib.contextmanager
def _ledger(url: str, port_file: Path) -> Iterator[str]:
    environment = {
        **os.environ,
        "TALLYBOOK_LEDGER_DATABASE_URL": url,
        "TALLYBOOK_LEDGER_PORT": "0",
        "TALLYBOOK_LEDGER_PORT_FILE": str(port_file),
        "TALLYBOOK_LEDGER_DEVELOPMENT_PRINCIPAL": "true",
        "TALLYBOOK_LEDGER_LOG_LEVEL": "error",
    }
    ledger = [sys.executable, "-m", "ledger_service"]
    subprocess.run([*ledger, "migrate"], env=environment, check=True)
    process = subprocess.Popen(ledger, env=environment)
    try:
        while not port_file.exists() or not port_file.read_text():
            time.sleep(0.05)
            assert process.poll() is None, "the ledger did not start"
        yield port_file.read_text().strip()
    finally:
        process.terminate()
        process.wait()


async def _open_accounts(channel: grpc.aio.Channel) -> Sequence[int]:
    stub = account_pb2_grpc.AccountServiceStub(channel)
    requests = [
        account_pb2.CreateAccountRequest(
            client_no=CLIENT_NO, request_id=f"open-{place}", name="Ada", currency_code="USD"
        )
        for place in range(ACCOUNTS)
    ]
    await _wait_until_serving(channel)
    responses = await asyncio.gather(*(stub.CreateAccount(request) for request in requests))
    return [response.account.acct_no for response in responses]


async def _wait_until_serving(channel: grpc.aio.Channel) -> None:
    watch = health_pb2_grpc.HealthStub(channel).Watch  # type: ignore[attr-defined]  # set when it is made
    async for state in watch(health_pb2.HealthCheckRequest(), wait_for_ready=True):
        if state.status == health_pb2.HealthCheckResponse.SERVING:
            return


async def _measure(channel: grpc.aio.Channel, accounts: Sequence[int], load: Load, seconds: float) -> float:
    """Transactions a second: from sending a request, which was made before, to having read its answer."""
    stub = ledger_pb2_grpc.LedgerServiceStub(channel)
    count = max(load.in_flight * 4, min(20_000, PREPARED_DRAFTS // max(load.drafts, 1)))
    requests = iter([_request(accounts, load.drafts) for _ in range(count)])
    posted = 0
    began = time.perf_counter()

    async def post() -> None:
        nonlocal posted
        for request in requests:
            if time.perf_counter() - began > seconds:
                return
            if isinstance(request, ledger_pb2.PostTransactionsRequest):
                response = await stub.PostTransactions(request)
                posted += sum(len(result.transactions) for result in response.results)
            else:
                await stub.RecordExternalPayment(request)
                posted += 1

    await asyncio.gather(*(post() for _ in range(load.in_flight)))
    return posted / (time.perf_counter() - began)


def _request(
    accounts: Sequence[int], drafts: int
) -> ledger_pb2.PostTransactionsRequest | ledger_pb2.RecordExternalPaymentRequest:
    if not drafts:
        number = next(_NUMBERS)
        return ledger_pb2.RecordExternalPaymentRequest(
            client_no=CLIENT_NO,
            request_id=f"single-{number}",
            acct_no=accounts[number % ACCOUNTS],
            amount=Money(currency_code="USD", minor_units=500),
            external_payment=transaction_pb2.ExternalPayment(reference_code=f"check {number}"),
        )
    return ledger_pb2.PostTransactionsRequest(
        client_no=CLIENT_NO,
        request_id=f"call-{next(_NUMBERS)}",
        drafts=[
            ledger_pb2.TransactionDraft(
                acct_no=accounts[number % ACCOUNTS],
                transaction_type=transaction_type_pb2.TRANSACTION_TYPE_CHECK,
                amount=Money(currency_code="USD", minor_units=500),
                external_payment=transaction_pb2.ExternalPayment(reference_code=f"check {number}"),
            )
            for number in itertools.islice(_NUMBERS, drafts)
        ],
    )


async def _measure_copy(url: str, rows: int, seconds: float) -> float:
    """Rows of acct_transaction a second, each with a row of external_payments, in copies of the tables."""
    connection = await asyncpg.connect(url)
    try:
        for table in ("acct_transaction", "external_payments"):
            await connection.execute(f"DROP TABLE IF EXISTS raw_{table}")
            await connection.execute(f"CREATE TABLE raw_{table} (LIKE {table} INCLUDING ALL)")
        now = datetime.now(UTC)
        today, written, began = now.date(), 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            numbers = range(written + 1, written + rows + 1)
            main = [
                (CLIENT_NO, n, n % ACCOUNTS, None, 2, n, 500, "USD", today, now, None, None, None)
                for n in numbers
            ]
            source = [(CLIENT_NO, n, n, n % ACCOUNTS, f"check {n}", today) for n in numbers]
            async with connection.transaction():
                await connection.copy_records_to_table("raw_acct_transaction", records=main)
                await connection.copy_records_to_table("raw_external_payments", records=source)
            written += rows
        return written / (time.perf_counter() - began)
    finally:
        await connection.close()


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0)
