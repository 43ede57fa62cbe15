"""What happens around every call, over a real socket."""

import asyncio
import gc
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import prometheus_client
import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from grpc_health.v1 import health_pb2, health_pb2_grpc

from service_kit.development_credentials import (
    ALGORITHM,
    AUDIENCE,
    ISSUER,
    PrincipalPlan,
    ensure_credentials,
    sign_token,
)
from service_kit.errors import DomainError, ErrorKind, FieldViolation
from service_kit.logs import configure_logs
from service_kit.principal import current_principal
from service_kit.server import running_server
from service_kit.time_limits import TimeLimit
from tests.support.echo_service.contract import ECHO_SERVICE, echo_pb2, echo_pb2_grpc
from tests.support.echo_service.service import EchoServicer, EchoSettings, echo_definition
from tests.support.servers import StartServer, free_port
from tests.support.statuses import Refusal, refusal_of, refused
from tests.support.waiting import eventually

OPEN: dict[str, Any] = {
    "database_url": "postgresql://nobody@/nothing",
    "development_principal": True,
    "drain_seconds": 1,
}


@pytest.fixture
def servicer() -> EchoServicer:
    return EchoServicer()


@pytest.fixture
async def channel(start_server: StartServer, servicer: EchoServicer, log: Any) -> grpc.aio.Channel:
    """To a server where everybody may call everything."""
    return await start_server(echo_definition(servicer), EchoSettings(**OPEN))


@pytest.fixture
def echo(channel: grpc.aio.Channel) -> Any:
    return echo_pb2_grpc.EchoServiceStub(channel)


@pytest.fixture
def log() -> Callable[[], list[dict[str, Any]]]:
    """The lines that were logged until now."""
    stream = StringIO()
    configure_logs("echo", log_format="json", stream=stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def asking(**fields: Any) -> Any:
    return echo_pb2.EchoRequest(**{"client_no": 1, "text": "hello", **fields})


async def several(*requests: Any) -> AsyncIterator[Any]:
    for request in requests:
        yield request


async def seen_until_refused(answers: Any) -> tuple[list[str], Refusal]:
    """What a response stream said before it was refused, and the refusal."""
    seen: list[str] = []

    try:
        async for each in answers:
            seen.append(each.text)  # noqa: PERF401  # what was seen before the refusal counts
    except grpc.aio.AioRpcError as error:
        return seen, refusal_of(error)
    raise AssertionError("it was not refused")


# --- All kinds of RPC ---


async def test_each_kind_of_rpc_answers(echo: Any) -> None:
    texts = [asking(text=text) for text in ("a", "b", "c")]
    assert (await echo.Echo(asking())).text == "hello"
    assert [each.text async for each in echo.Count(echo_pb2.CountRequest(client_no=1, up_to=3))] == [
        "0",
        "1",
        "2",
    ]
    assert (await echo.Collect(several(*texts))).text == "a b c"
    assert [each.text async for each in echo.Converse(several(*texts))] == ["a", "b", "c"]


async def test_what_is_no_rpc_is_unimplemented_in_grpc_s_own_words(channel: grpc.aio.Channel) -> None:
    nothing: Any = channel.unary_unary(f"/{ECHO_SERVICE}/Nothing")
    refusal = await refused(nothing(b""))
    assert (refusal.code, refusal.message) == (grpc.StatusCode.UNIMPLEMENTED, "Method not found!")


async def test_a_message_that_is_too_large_is_refused_in_grpc_s_own_words(
    start_server: StartServer, servicer: EchoServicer
) -> None:
    channel = await start_server(echo_definition(servicer), EchoSettings(**OPEN, max_message_bytes=4096))
    refusal = await refused(echo_pb2_grpc.EchoServiceStub(channel).Echo(asking(text="x" * 5000)))
    assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED


# --- Errors ---


async def test_a_refusal_of_the_domain_arrives_with_its_details(echo: Any, servicer: EchoServicer) -> None:
    async def refuse(_request: Any, _context: Any) -> str:
        raise DomainError(ErrorKind.NOT_FOUND, "ACCOUNT_NOT_FOUND", "no account 7", metadata={"acct_no": "7"})

    servicer.on_echo = refuse
    refusal = await refused(echo.Echo(asking()))
    assert (refusal.code, refusal.message) == (grpc.StatusCode.NOT_FOUND, "no account 7")
    assert (refusal.reason, refusal.info.domain) == ("ACCOUNT_NOT_FOUND", "echo.tallybook")
    assert dict(refusal.info.metadata) == {"acct_no": "7"}


async def test_what_nobody_foresaw_is_internal_and_its_text_stays_here(
    echo: Any, servicer: EchoServicer, log: Callable[[], list[dict[str, Any]]]
) -> None:
    async def crash(_request: Any, _context: Any) -> str:
        raise KeyError("secret of the house")

    servicer.on_echo = crash
    refusal = await refused(echo.Echo(asking()))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert "secret" not in str(refusal)
    (line,) = [line for line in log() if line["event"] == "call"]
    assert line["level"] == "error"
    assert "secret of the house" in line["exception"]
    assert line["trace_id"] == refusal.trailers["x-trace-id"]


async def test_a_crash_in_the_middle_of_a_stream_ends_it_with_a_status(
    echo: Any, servicer: EchoServicer
) -> None:
    async def crash(_request: Any, _context: Any) -> str:
        raise ZeroDivisionError

    servicer.on_echo = crash
    seen, refusal = await seen_until_refused(echo.Count(echo_pb2.CountRequest(client_no=1, up_to=2)))
    assert seen == ["0", "1"]
    assert refusal.reason == "INTERNAL"


async def test_a_database_that_is_away_is_unavailable_and_worth_a_retry(
    echo: Any, servicer: EchoServicer
) -> None:
    async def lose_connection(_request: Any, _context: Any) -> str:
        raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

    servicer.on_echo = lose_connection
    refusal = await refused(echo.Echo(asking()))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")
    assert refusal.retry_seconds == 1.0


async def test_a_refusal_with_thousands_of_faults_still_arrives(echo: Any, servicer: EchoServicer) -> None:
    async def refuse(_request: Any, _context: Any) -> str:
        faults = tuple(FieldViolation(f"drafts[{n}].amount", "must be positive") for n in range(9000))
        raise DomainError(ErrorKind.INVALID_ARGUMENT, "AMOUNT_INVALID", "ü" * 9000, field_violations=faults)

    servicer.on_echo = refuse
    refusal = await refused(echo.Echo(asking()))
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.fields[:2] == ["drafts[0].amount", "drafts[1].amount"]


async def test_a_servicer_that_aborts_by_itself_is_heard(channel: grpc.aio.Channel) -> None:
    health: Any = health_pb2_grpc.HealthStub(channel)
    refusal = await refused(health.Check(health_pb2.HealthCheckRequest(service="nothing")))
    assert refusal.code is grpc.StatusCode.NOT_FOUND
    assert refusal.trailers["x-trace-id"]


# --- Validation ---


async def test_a_request_that_breaks_the_contract_s_rules_is_refused_field_by_field(echo: Any) -> None:
    good, bad = {"amount": {"minor_units": 5}}, {"amount": {"minor_units": 0}}
    refusal = await refused(echo.Echo(asking(text="x" * 1001, drafts=[good, good, good, bad])))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert refusal.fields == ["text", "drafts[3].amount.minor_units"]
    assert refusal.message.endswith("(and 1 more)")


@pytest.mark.parametrize("content", [b"\x12\x03\xed\xa0\x80", b"\xff\xff\xff", b"\x12\x7fcut short"])
async def test_bytes_that_are_no_message_are_refused_in_our_words(
    channel: grpc.aio.Channel, content: bytes
) -> None:
    one: Any = channel.unary_unary(f"/{ECHO_SERVICE}/Echo")
    refusal = await refused(one(content))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert "UTF-8" in refusal.message
    several_in: Any = channel.stream_unary(f"/{ECHO_SERVICE}/Collect")
    refusal = await refused(several_in(several(asking().SerializeToString(), content)))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")


async def test_each_message_of_a_client_stream_is_validated(echo: Any) -> None:
    bad = asking(text="x" * 1001)
    refusal = await refused(echo.Collect(several(asking(), asking(), bad)))
    assert (refusal.reason, refusal.fields) == ("INVALID_REQUEST", ["text"])
    seen, refusal = await seen_until_refused(echo.Converse(several(asking(text="fine"), bad)))
    assert seen == ["fine"]
    assert refusal.fields == ["text"]


# --- Who may call ---


@pytest.fixture
async def guarded(
    start_server: StartServer, servicer: EchoServicer, tmp_path: Path
) -> tuple[Any, Callable[..., Any], grpc.aio.Channel]:
    """A stub of a server that asks for tokens, a maker of the metadata that carries one, and the channel."""
    files = ensure_credentials(tmp_path, hosts=[])
    key = load_pem_private_key(files.token_key.read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    settings = EchoSettings(
        database_url="postgresql://nobody@/nothing",
        token_public_key_file=files.token_public_key,
        token_issuer=ISSUER,
        token_audience=AUDIENCE,
        token_algorithm=ALGORITHM,
        drain_seconds=1,
    )
    channel = await start_server(echo_definition(servicer), settings)

    def bearer(*roles: str, clients: tuple[int, ...] | None = (1, 2)) -> Any:
        return (("authorization", f"Bearer {sign_token(key, PrincipalPlan('somebody', roles, clients))}"),)

    return echo_pb2_grpc.EchoServiceStub(channel), bearer, channel


async def test_without_a_token_nobody_is_let_in(guarded: Any) -> None:
    echo, _, _ = guarded
    for metadata in ((), (("authorization", "Basic YTpi"),)):
        refusal = await refused(echo.Echo(asking(), metadata=metadata))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_MISSING")


async def test_with_a_bad_token_nobody_is_let_in(guarded: Any) -> None:
    echo, _, _ = guarded
    refusal = await refused(echo.Echo(asking(), metadata=(("authorization", "Bearer nonsense"),)))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_INVALID")


async def test_the_servicer_knows_who_calls(guarded: Any, servicer: EchoServicer) -> None:
    echo, bearer, _ = guarded

    async def name_the_caller(_request: Any, _context: Any) -> str:
        # Also in a task that the servicer starts.
        return await asyncio.create_task(asyncio.sleep(0, current_principal().subject))

    servicer.on_echo = name_the_caller
    assert (await echo.Echo(asking(), metadata=bearer("caller"))).text == "somebody"


async def test_a_role_is_required(guarded: Any) -> None:
    echo, bearer, _ = guarded
    refusal = await refused(echo.Echo(asking(), metadata=bearer("stranger")))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_MISSING")
    assert refusal.info.metadata["acceptable_roles"] == "admin, caller"


async def test_another_s_client_is_refused_before_the_request_is_even_validated(guarded: Any) -> None:
    echo, bearer, _ = guarded
    refusal = await refused(echo.Echo(asking(client_no=3, text="x" * 1001), metadata=bearer("caller")))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "CLIENT_NOT_ALLOWED")


async def test_a_request_without_a_client_is_for_who_acts_for_all_of_them(guarded: Any) -> None:
    echo, bearer, _ = guarded
    refusal = await refused(echo.Echo(asking(client_no=0), metadata=bearer("caller")))
    assert refusal.reason == "CLIENT_NOT_ALLOWED"
    assert (await echo.Echo(asking(client_no=0), metadata=bearer("caller", clients=None))).text == "hello"


@pytest.mark.parametrize("clients", [(3,), (0,), (1, 3), (1, 0, 3)])
async def test_a_stream_must_name_an_allowed_client_first_and_may_never_name_another(
    guarded: Any, clients: tuple[int, ...]
) -> None:
    echo, bearer, _ = guarded
    requests = [asking(client_no=client) for client in clients]
    refusal = await refused(echo.Collect(several(*requests), metadata=bearer("caller")))
    assert refusal.reason == "CLIENT_NOT_ALLOWED"


async def test_what_follows_in_a_stream_belongs_to_the_client_that_was_named(guarded: Any) -> None:
    echo, bearer, _ = guarded
    requests = [asking(client_no=client) for client in (1, 0, 2, 0)]
    assert (
        await echo.Collect(several(*requests), metadata=bearer("caller"))
    ).text == "hello hello hello hello"


async def test_a_client_may_be_named_in_the_header_of_a_file(guarded: Any) -> None:
    echo, bearer, _ = guarded
    line = echo_pb2.UploadRequest(line="a,b")

    def header(client_no: int) -> Any:
        return echo_pb2.UploadRequest(file={"client_no": client_no})

    assert (await echo.Upload(several(header(2), line, line), metadata=bearer("caller"))).text == "3"
    for parts in ((header(3), line), (line, header(1)), (header(1), line, header(3))):
        assert (
            await refused(echo.Upload(several(*parts), metadata=bearer("caller")))
        ).reason == "CLIENT_NOT_ALLOWED"


async def test_probes_come_without_a_token(guarded: Any) -> None:
    _, _, channel = guarded
    health: Any = health_pb2_grpc.HealthStub(channel)
    answer = await health.Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


# --- Deadlines ---


@pytest.fixture
async def impatient(start_server: StartServer, servicer: EchoServicer) -> Any:
    """A server that allows a call 0.2 s, a stream 0.4 s, where the caller sets no deadline."""
    settings = EchoSettings(**OPEN, default_deadline_seconds=0.2, default_stream_deadline_seconds=0.4)
    return echo_pb2_grpc.EchoServiceStub(await start_server(echo_definition(servicer), settings))


async def test_a_call_without_a_deadline_gets_one(impatient: Any) -> None:
    began = time.monotonic()
    refusal = await refused(impatient.Echo(asking(seconds=30)))
    assert time.monotonic() - began < 5
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")


async def test_a_deadline_of_the_caller_s_may_be_longer(impatient: Any) -> None:
    assert (await impatient.Echo(asking(seconds=0.5), timeout=10)).text == "hello"


async def test_a_stream_has_a_longer_deadline(impatient: Any, servicer: EchoServicer) -> None:
    async def linger(_request: Any, _context: Any) -> str:
        await asyncio.sleep(30)
        return ""

    servicer.on_echo = linger
    began = time.monotonic()
    _, refusal = await seen_until_refused(impatient.Count(echo_pb2.CountRequest(client_no=1, up_to=1)))
    assert 0.3 < time.monotonic() - began < 5
    assert refusal.reason == "DEADLINE_EXCEEDED"
    assert servicer.left_streams == ["Count"]


async def test_a_stream_that_never_ends_has_no_deadline(impatient: Any) -> None:
    watching = impatient.Watch(echo_pb2.CountRequest())
    assert (await watching.read()).text == "watching"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.8):
            await watching.read()


async def test_a_call_whose_deadline_passed_is_cancelled_and_logged_as_that(
    echo: Any, servicer: EchoServicer, log: Callable[[], list[dict[str, Any]]]
) -> None:
    left = asyncio.Event()

    async def linger(_request: Any, _context: Any) -> str:
        try:
            await asyncio.sleep(30)
        finally:
            left.set()
        return ""

    servicer.on_echo = linger
    refusal = await refused(echo.Echo(asking(), timeout=0.2))
    assert refusal.code is grpc.StatusCode.DEADLINE_EXCEEDED
    async with asyncio.timeout(5):
        await left.wait()
    await asyncio.sleep(0.05)
    assert [line["code"] for line in log() if line["event"] == "call"] == ["DEADLINE_EXCEEDED"]


async def test_a_caller_that_goes_away_takes_its_call_along(
    echo: Any, servicer: EchoServicer, log: Callable[[], list[dict[str, Any]]]
) -> None:
    watching = echo.Watch(echo_pb2.CountRequest())
    await watching.read()
    watching.cancel()
    await eventually(lambda: servicer.left_streams == ["Watch"])
    await eventually(lambda: bool(log()))
    assert [line["code"] for line in log() if line["event"] == "call"] == ["CANCELLED"]


# --- What is kept of a call ---


async def test_a_call_is_one_line_in_the_log(echo: Any, log: Callable[[], list[dict[str, Any]]]) -> None:
    call = echo.Echo(asking(request_id="r-1"), metadata=(("x-request-id", "abc-1"),))
    await call
    assert "x-trace-id" not in dict(await call.trailing_metadata()), "the request_id says which line it is"
    (line,) = [line for line in log() if line["event"] == "call"]
    assert line["event"] == "call"
    assert line["method"] == f"/{ECHO_SERVICE}/Echo"
    assert (line["code"], line["principal"], line["client_no"]) == ("OK", "developer", 1)
    assert (line["request_id"], line["trace_id"]) == ("r-1", "abc-1")
    assert 0 <= line["duration_ms"] < 10_000


async def test_a_refused_call_is_one_line_that_says_why(
    echo: Any, log: Callable[[], list[dict[str, Any]]]
) -> None:
    await refused(echo.Echo(asking(text="x" * 1001)))
    (line,) = [line for line in log() if line["event"] == "call"]
    assert (line["code"], line["reason"], line["level"]) == ("INVALID_ARGUMENT", "INVALID_REQUEST", "info")
    assert line["message"].startswith("text: ")


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ((("traceparent", f"00-{'ab' * 16}-{'cd' * 8}-01"),), "ab" * 16),
        ((("x-request-id", "mine.1"),), "mine.1"),
        ((("x-request-id", "mine"), ("traceparent", f"00-{'ab' * 16}-{'cd' * 8}-01")), "ab" * 16),
    ],
)
async def test_a_trace_id_is_taken_over_and_returned(echo: Any, sent: Any, expected: str) -> None:
    call = echo.Echo(asking(), metadata=sent)
    await call
    assert dict(await call.trailing_metadata())["x-trace-id"] == expected


@pytest.mark.parametrize(
    "sent",
    [
        (),
        (("traceparent", f"00-{'0' * 32}-{'cd' * 8}-01"),),
        (("traceparent", "nonsense"),),
        (("x-request-id", "a b{c}"),),
        (("x-request-id", "x" * 500),),
    ],
)
async def test_a_trace_id_that_is_missing_or_could_disturb_a_log_is_made(echo: Any, sent: Any) -> None:
    call = echo.Echo(asking(), metadata=sent)
    await call
    made = str(dict(await call.trailing_metadata())["x-trace-id"])
    assert len(made) == 32
    assert int(made, 16) > 0


async def test_what_a_servicer_logs_has_the_trace_id_of_its_call(
    echo: Any, servicer: EchoServicer, log: Callable[[], list[dict[str, Any]]]
) -> None:
    async def talk(_request: Any, _context: Any) -> str:
        structlog.get_logger().info("ours", amount=5)
        logging.getLogger("a library").warning("theirs %d", 5)
        return ""

    servicer.on_echo = talk
    await echo.Echo(asking(), metadata=(("x-request-id", "abc"),))
    lines = {line["event"]: line for line in log()}
    assert lines["ours"]["trace_id"] == lines["theirs 5"]["trace_id"] == lines["call"]["trace_id"] == "abc"
    assert lines["theirs 5"]["logger"] == "a library"
    assert {line["service"] for line in lines.values()} == {"echo"}


async def test_probes_that_succeed_stay_out_of_the_log(
    channel: grpc.aio.Channel, log: Callable[[], list[dict[str, Any]]]
) -> None:
    health: Any = health_pb2_grpc.HealthStub(channel)
    await health.Check(health_pb2.HealthCheckRequest())
    assert "call" not in [line["event"] for line in log()]


async def test_probes_that_fail_are_logged(
    channel: grpc.aio.Channel, log: Callable[[], list[dict[str, Any]]]
) -> None:
    health: Any = health_pb2_grpc.HealthStub(channel)
    await refused(health.Check(health_pb2.HealthCheckRequest(service="nothing")))
    # gRPC's own servicer refuses by itself, so the caller may know before the line is written.
    await eventually(lambda: [line["code"] for line in log() if line["event"] == "call"] == ["NOT_FOUND"])


async def test_nothing_is_kept_of_calls_that_have_ended(echo: Any) -> None:
    await echo.Echo(asking())
    await echo.Echo(asking(), timeout=30)
    await refused(echo.Echo(asking(text="x" * 1001)))
    await refused(echo.Echo(asking(text="x" * 1001), timeout=30))

    limits = [each for each in gc.get_objects() if isinstance(each, TimeLimit)]
    assert limits
    assert not any(map(len, limits))


def counted(name: str, **labels: str) -> float:
    return prometheus_client.REGISTRY.get_sample_value(name, labels) or 0.0


async def test_calls_are_counted_by_method_and_code(echo: Any) -> None:
    method = {"grpc_service": ECHO_SERVICE, "grpc_method": "Echo"}
    good = counted("grpc_server_handled_total", **method, grpc_code="OK")
    bad = counted("grpc_server_handled_total", **method, grpc_code="INVALID_ARGUMENT")
    timed = counted("grpc_server_handling_seconds_count", **method)
    await echo.Echo(asking())
    await refused(echo.Echo(asking(text="x" * 1001)))
    await echo.Echo(asking())
    assert counted("grpc_server_handled_total", **method, grpc_code="OK") == good + 2
    assert counted("grpc_server_handled_total", **method, grpc_code="INVALID_ARGUMENT") == bad + 1
    assert counted("grpc_server_handling_seconds_count", **method) == timed + 3


async def test_calls_in_flight_are_counted_while_they_are(echo: Any) -> None:
    assert counted("grpc_server_in_flight") == 0
    running = asyncio.ensure_future(echo.Echo(asking(seconds=30)))
    await eventually(lambda: counted("grpc_server_in_flight") == 1)
    running.cancel()
    await eventually(lambda: counted("grpc_server_in_flight") == 0)


# --- While the server starts ---


async def test_until_the_service_is_ready_health_says_so_and_calls_are_refused(
    servicer: EchoServicer,
) -> None:
    ready = asyncio.Event()

    @asynccontextmanager
    async def slow(_settings: EchoSettings) -> AsyncIterator[None]:
        await ready.wait()
        yield

    settings = EchoSettings(**OPEN, port=free_port())
    serving = running_server(echo_definition(servicer, lifespan=slow), settings)
    starting = asyncio.ensure_future(serving.__aenter__())
    async with grpc.aio.insecure_channel(f"127.0.0.1:{settings.port}") as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        echo: Any = echo_pb2_grpc.EchoServiceStub(channel)
        answer = await health.Check(health_pb2.HealthCheckRequest(service=ECHO_SERVICE), wait_for_ready=True)
        assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING
        for call in (echo.Echo(asking()), echo.Collect(several(asking()))):
            refusal = await refused(call)
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "SERVICE_STARTING")
            assert refusal.retry_seconds == 1.0
        ready.set()
        await starting
        answer = await health.Check(health_pb2.HealthCheckRequest(service=ECHO_SERVICE))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        assert (await echo.Echo(asking())).text == "hello"
    await serving.__aexit__(None, None, None)
