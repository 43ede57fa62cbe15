"""The real ledger for the model: two servers on one database, one of them a process that may be killed."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc
import jwt
import psycopg
import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ledger_service.service import LEDGER
from ledger_service.settings import LedgerSettings
from service_kit.launcher import LaunchedService, ServicePlan
from service_kit.server import running_server
from tests.support.databases import NewDatabase
from tests.support.servers import free_port

_SOON_THERE_AGAIN: Final = (("grpc.min_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 100))


@dataclass(frozen=True, slots=True)
class RealLedger:
    """Where it answers, a token of somebody who may post and no more, and two ways to disturb it.

    cut_database: ends its connections to the database. kill_server: kills one server, and returns when it
    serves again.
    """

    targets: tuple[str, ...]
    poster_token: str
    cut_database: Callable[[], None]
    kill_server: Callable[[], None]

    @contextmanager
    def channels(self) -> Iterator[list[grpc.Channel]]:
        """A channel to each server."""
        channels = [grpc.insecure_channel(target, options=_SOON_THERE_AGAIN) for target in self.targets]
        try:
            yield channels
        finally:
            for channel in channels:
                channel.close()


@pytest.fixture
def quiet() -> Iterator[None]:
    """No line for each of some thousand calls, which would bury what a failure says."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    yield
    structlog.reset_defaults()


@pytest.fixture
async def real_ledger(new_database: NewDatabase, tmp_path: Path, quiet: None) -> AsyncIterator[RealLedger]:
    """Calls without a token may do everything."""
    database = await new_database("ledger_service")
    signing_key = Ed25519PrivateKey.generate()
    key_file = tmp_path / "tokens.pem"
    key_file.write_bytes(
        signing_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    settings = LedgerSettings(
        port=0,
        database_url=database.url,
        development_principal=True,
        token_public_key_file=key_file,
        token_issuer="tests",
        token_audience="tallybook",
        log_level="error",
    )
    claims = {
        "iss": "tests",
        "aud": "tallybook",
        "sub": "poster",
        "exp": 2**33,
        "roles": ["poster"],
        "clients": "*",
    }

    def cut_database() -> None:
        with psycopg.connect(database.admin_url, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    plan = ServicePlan("ledger", "ledger_service", free_port())
    process = LaunchedService(plan, {**os.environ, **_variables(settings, plan)}, tmp_path / "ledger.log")
    loop = asyncio.get_running_loop()

    async def kill() -> None:
        await process.kill()
        await process.start()
        await process.wait_until_serving()

    try:
        async with running_server(LEDGER, settings) as server:
            await process.start()
            await process.wait_until_serving()
            yield RealLedger(
                (f"127.0.0.1:{server.port}", process.target),
                jwt.encode(claims, signing_key, algorithm="EdDSA"),
                cut_database,
                lambda: asyncio.run_coroutine_threadsafe(kill(), loop).result(),
            )
    finally:
        await process.terminate()


def _variables(settings: LedgerSettings, plan: ServicePlan) -> dict[str, str]:
    """The same settings, for a process of its own."""
    own = {"port": str(plan.port), "stop_with_parent": "true", "development_principal": "true"}
    given = {
        name: str(getattr(settings, name))
        for name in ("database_url", "token_public_key_file", "token_issuer", "token_audience", "log_level")
    }
    return {plan.variable(name): value for name, value in {**given, **own}.items()}
