"""docker-compose.yml serves over TLS to who has a token, and ends as it should."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Final

import grpc
import pytest
from google.type.date_pb2 import Date

from tallybook.audit.v1.audit_pb2 import SearchBatchProcessesRequest
from tallybook.audit.v1.audit_pb2_grpc import AuditServiceStub
from tallybook.batch.v1.batch_pb2 import ListBatchProcessesRequest, RunBatchProcessRequest
from tallybook.batch.v1.batch_pb2_grpc import BatchServiceStub
from tallybook.batch.v1.batch_status_pb2 import BATCH_STATUS_OK
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


def operator(composition: Composition) -> tuple[tuple[str, str], ...]:
    """The metadata by which a service knows the operator."""
    token = composition.path("batch", f"{CREDENTIALS}/operator.token").read_text().strip()
    return (("authorization", f"Bearer {token}"),)


@pytest.mark.parametrize("service", CALLS)
async def test_a_service_answers_over_tls_to_who_has_a_token(composition: Composition, service: str) -> None:
    async with secure_channel(composition, service) as channel:
        _, method, request = CALLS[service]
        await method(channel)(request, metadata=operator(composition), timeout=20)


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


async def test_what_a_worker_did_is_found_in_the_audit_log(composition: Composition) -> None:
    run = RunBatchProcessRequest(
        client_no=1, request_id="compose", process_code="housekeeping", business_date=DAY
    )
    search = SearchBatchProcessesRequest(
        from_date=DAY, to_date=DAY, client_nos=[1], statuses=[BATCH_STATUS_OK]
    )
    metadata = operator(composition)
    async with secure_channel(composition, "batch") as batch, secure_channel(composition, "audit") as audit:
        started = await BatchServiceStub(batch).RunBatchProcess(run, metadata=metadata, timeout=20)
        search_processes = AuditServiceStub(audit).SearchBatchProcesses
        found: list[int] = []
        async with asyncio.timeout(60):
            while started.session.session_no not in found:
                await asyncio.sleep(0.2)
                answer = await search_processes(search, metadata=metadata, timeout=20)
                found = [session.session_no for session in answer.sessions]


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
