"""The audit service as it runs: two processes on one database, with tokens."""

import itertools
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from grpc_health.v1 import health_pb2, health_pb2_grpc

from service_kit.provisioning import create_database
from tests.integration.audit.caller import AuditCaller
from tests.integration.audit.log import AuditLog
from tests.support.databases import Templates

ALL_ROLES = ("reader", "auditor", "operator", "producer")

# One for all tests of the log, which grows with each of them: so each has clients of its own. Client 1 is
# everybody's.
_DATABASE = "audit_log_tests"
_CLIENT_NOS = itertools.count(1001)


@pytest.fixture
def client_no() -> int:
    """A client that no other test has."""
    return next(_CLIENT_NOS)


@pytest.fixture
def other_client_no() -> int:
    """Another client that no other test has."""
    return next(_CLIENT_NOS)


@pytest.fixture(scope="session")
def signing_key() -> Ed25519PrivateKey:
    """Signs the tokens."""
    return Ed25519PrivateKey.generate()


@pytest.fixture(scope="session")
async def environment(
    database_templates: Templates, tmp_path_factory: pytest.TempPathFactory, signing_key: Ed25519PrivateKey
) -> dict[str, str]:
    """The environment of an audit service whose database is migrated."""
    public_key = tmp_path_factory.mktemp("audit") / "tokens.pem"
    public_key.write_bytes(
        signing_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    template = await database_templates.of("audit_service")
    server = database_templates.server
    admin = await asyncpg.connect(server.url())
    await create_database(admin, _DATABASE, owner=template.owner, template=template.name)
    await admin.close()
    settings = {
        "DATABASE_URL": server.url(_DATABASE, template.runtime_role),
        "MIGRATION_DATABASE_URL": server.url(_DATABASE, template.owner),
        "TOKEN_PUBLIC_KEY_FILE": str(public_key),
        "TOKEN_ISSUER": "tests",
        "TOKEN_AUDIENCE": "tallybook",
        "STOP_WITH_PARENT": "true",
        "PORT": "0",
    }
    return {**os.environ, **{f"TALLYBOOK_AUDIT_{name}": value for name, value in settings.items()}}


@pytest.fixture(scope="session")
async def channels(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Sequence[grpc.aio.Channel]]:
    """A channel to each of two processes."""
    directory = tmp_path_factory.mktemp("ports")
    with (
        _serving(environment, directory / "one") as one,
        _serving(environment, directory / "two") as two,
    ):
        async with grpc.aio.insecure_channel(one()) as first, grpc.aio.insecure_channel(two()) as second:
            await _until_serving(first)
            await _until_serving(second)
            yield first, second


async def _until_serving(channel: grpc.aio.Channel) -> None:
    """A service binds its port first, and then prepares itself."""
    health: Any = health_pb2_grpc.HealthStub(channel)
    async for answer in health.Watch(health_pb2.HealthCheckRequest(), timeout=30):
        if answer.status == health_pb2.HealthCheckResponse.SERVING:
            return


@contextmanager
def _serving(environment: dict[str, str], port_file: Path) -> Iterator[Callable[[], str]]:
    """A process that serves until the end; what it yields waits for its port and says where it is."""
    process = subprocess.Popen(
        [sys.executable, "-m", "audit_service", "serve"],
        env={**environment, "TALLYBOOK_AUDIT_PORT_FILE": str(port_file)},
        stdin=subprocess.PIPE,
    )

    def target() -> str:
        give_up_at = time.monotonic() + 30
        while not port_file.exists():
            assert process.poll() is None, "the audit service ended"
            assert time.monotonic() < give_up_at, "the audit service does not serve"
            time.sleep(0.05)
        return f"127.0.0.1:{port_file.read_text().strip()}"

    try:
        yield target
    finally:
        process.terminate()
        assert process.wait(30) == 0


@pytest.fixture(scope="session")
def caller(
    channels: Sequence[grpc.aio.Channel], signing_key: Ed25519PrivateKey
) -> Callable[..., AuditCaller]:
    """Makes a caller with these roles, for these clients ("*": all), of the first process or another one."""

    def make(
        *, roles: Sequence[str], clients: Sequence[int] | str, subject: str = "somebody", process: int = 0
    ) -> AuditCaller:
        claims = {
            "iss": "tests",
            "aud": "tallybook",
            "sub": subject,
            "exp": int(time.time()) + 3600,
            "roles": list(roles),
            "clients": clients,
        }
        return AuditCaller(channels[process], jwt.encode(claims, signing_key, algorithm="EdDSA"))

    return make


@pytest.fixture(scope="session")
def audit(caller: Callable[..., AuditCaller]) -> AuditCaller:
    """Who may do everything, at the first process."""
    return caller(roles=ALL_ROLES, clients="*")


@pytest.fixture(scope="session")
def other_audit(caller: Callable[..., AuditCaller]) -> AuditCaller:
    """Who may do everything, at the second process."""
    return caller(roles=ALL_ROLES, clients="*", process=1)


@pytest.fixture(scope="session")
def anonymous(channels: Sequence[grpc.aio.Channel]) -> AuditCaller:
    """Who has no token."""
    return AuditCaller(channels[0], None)


@pytest.fixture(scope="session")
def log(environment: dict[str, str]) -> AuditLog:
    """The service's tables."""
    return AuditLog(environment)
