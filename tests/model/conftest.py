"""The real ledger for the model: two servers on one database."""

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import jwt
import psycopg
import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ledger_service.service import LEDGER
from ledger_service.settings import LedgerSettings
from service_kit.server import running_server
from tests.support.databases import NewDatabase


@dataclass(frozen=True, slots=True)
class RealLedger:
    """Where it answers, a token of somebody who may post and no more, and a way to cut its connections."""

    targets: tuple[str, ...]
    poster_token: str
    cut_database: Callable[[], None]

    @contextmanager
    def channels(self) -> Iterator[list[grpc.Channel]]:
        """A channel to each server."""
        channels = [grpc.insecure_channel(target) for target in self.targets]
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

    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(running_server(LEDGER, settings)) for _ in range(2)]
        yield RealLedger(
            tuple(f"127.0.0.1:{server.port}" for server in servers),
            jwt.encode(claims, signing_key, algorithm="EdDSA"),
            cut_database,
        )
