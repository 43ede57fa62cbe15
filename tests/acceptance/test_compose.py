"""docker-compose.yml serves over TLS to who has a token, and ends as it should."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import grpc
import pytest
from google.type.date_pb2 import Date

from tallybook.audit.v1.audit_pb2 import SearchBatchProcessesRequest
from tallybook.audit.v1.audit_pb2_grpc import AuditServiceStub
from tallybook.batch.v1.batch_pb2 import ListBatchProcessesRequest
from tallybook.batch.v1.batch_pb2_grpc import BatchServiceStub
from tallybook.ledger.v1.transaction_type_pb2 import ListTransactionTypesRequest
from tallybook.ledger.v1.transaction_type_pb2_grpc import TransactionTypeServiceStub
from tests.acceptance.composition import Composition, Container, containers_of, running_composition
from tests.house.tree import ROOT

COMPOSE_FILE: Final = ROOT / "docker-compose.yml"
CREDENTIALS: Final = "/run/credentials"
DAY: Final = Date(year=2026, month=3, day=4)

# A call to each service that changes nothing: who answers, and what.
CALLS: Final[dict[str, tuple[int, Callable[[grpc.aio.Channel], Any], Any]]] = {
    "ledger": (
        50051,
        lambda channel: TransactionTypeServiceStub(channel).ListTransactionTypes,
        ListTransactionTypesRequest(),
    ),
    "batch": (
        50052,
        lambda channel: BatchServiceStub(channel).ListBatchProcesses,
        ListBatchProcessesRequest(client_no=1),
    ),
    "audit": (
        50053,
        lambda channel: AuditServiceStub(channel).SearchBatchProcesses,
        SearchBatchProcessesRequest(from_date=DAY, to_date=DAY),
    ),
}


@pytest.fixture(scope="module")
def composition(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composition]:
    """Everything in the compose file, healthy."""
    with running_composition(COMPOSE_FILE, tmp_path_factory.mktemp("compose")) as composition:
        yield composition


def secure_channel(composition: Composition, service: str) -> grpc.aio.Channel:
    """A channel as an engineer on this machine opens it: with the development certificates."""
    certificates = composition.path(service, f"{CREDENTIALS}/ca.pem").read_bytes()
    target = f"localhost:{composition.port(service, CALLS[service][0])}"
    return grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(certificates))


@pytest.mark.parametrize("service", CALLS)
async def test_a_service_answers_over_tls_to_who_has_a_token(composition: Composition, service: str) -> None:
    token = composition.path(service, f"{CREDENTIALS}/operator.token").read_text().strip()
    async with secure_channel(composition, service) as channel:
        _, method, request = CALLS[service]
        await method(channel)(request, metadata=[("authorization", f"Bearer {token}")], timeout=20)


@pytest.mark.parametrize("service", CALLS)
async def test_a_service_refuses_who_has_no_token(composition: Composition, service: str) -> None:
    _, method, request = CALLS[service]
    async with secure_channel(composition, service) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await method(channel)(request, timeout=20)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("service", CALLS)
async def test_a_service_does_not_speak_plain_text(composition: Composition, service: str) -> None:
    port, method, request = CALLS[service]
    async with grpc.aio.insecure_channel(f"localhost:{composition.port(service, port)}") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await method(channel)(request, timeout=20)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_every_process_ends_with_0_when_it_is_asked_to(composition: Composition) -> None:
    # The last test of the module: nothing runs after it.
    assert composition.stop() == dict.fromkeys(("batch-worker", "batch", "ledger", "audit"), 0)


def containers() -> list[Container]:
    """The containers that run our image."""
    return [each for each in containers_of(COMPOSE_FILE).values() if each.image == "tallybook"]


@pytest.mark.parametrize("container", containers(), ids=lambda container: container.name)
def test_only_who_migrates_gets_the_password_of_an_owner(container: Container) -> None:
    prepares = container.name == "databases" or container.name.startswith("migrate-")
    knows_owner = any("MIGRATION_DATABASE_URL" in name for name in container.environment)
    assert knows_owner == prepares


def test_the_image_installs_by_hash_and_runs_as_nobody_special() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    installs = [line for line in lines if "pip install" in line]
    assert installs
    assert all("--require-hashes" in line or "--no-index" in line for line in installs)
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users == ["10001"]
