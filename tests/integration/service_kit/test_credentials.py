"""TLS and tokens between two services, as they are made for development and used by channels."""

import os
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from service_kit import channels
from service_kit.channels import open_channel
from service_kit.development_credentials import (
    AUDIENCE,
    ISSUER,
    CredentialFiles,
    PrincipalPlan,
    ensure_credentials,
    main,
    sign_token,
)
from service_kit.server import running_server
from tests.support.echo_service.contract import echo_pb2, echo_pb2_grpc
from tests.support.echo_service.service import EchoServicer, EchoSettings, echo_definition
from tests.support.statuses import refused

CALLER = PrincipalPlan("caller", ("caller",), (1,))


@pytest.fixture
def files(tmp_path: Path) -> CredentialFiles:
    return ensure_credentials(tmp_path / "credentials", hosts=["ledger", "audit"], principals=[CALLER])


def settings(files: CredentialFiles, **given: Any) -> EchoSettings:
    return EchoSettings(
        database_url="postgresql://nobody@/nothing",
        host="0.0.0.0",
        tls_certificate_file=files.certificate("ledger"),
        tls_key_file=files.certificate_key("ledger"),
        token_public_key_file=files.token_public_key,
        token_issuer=ISSUER,
        token_audience=AUDIENCE,
        drain_seconds=1,
        **given,
    )


@asynccontextmanager
async def serving(files: CredentialFiles) -> AsyncIterator[str]:
    """A server that is open to the world; its address."""
    async with running_server(echo_definition(EchoServicer()), settings(files)) as server:
        yield f"localhost:{server.port}"


def asking(**fields: Any) -> Any:
    return echo_pb2.EchoRequest(**{"client_no": 1, "text": "hello", **fields})


async def several(*requests: Any) -> AsyncIterator[Any]:
    for request in requests:
        yield request


async def test_every_kind_of_call_gets_through_with_a_token_over_tls(files: CredentialFiles) -> None:
    async with serving(files) as target:
        channel = open_channel(target, tls_root_file=files.authority, token_file=files.token("caller"))
        async with channel:
            echo: Any = echo_pb2_grpc.EchoServiceStub(channel)
            assert (await echo.Echo(asking())).text == "hello"
            counted = [each.text async for each in echo.Count(echo_pb2.CountRequest(client_no=1, up_to=2))]
            assert counted == ["0", "1"]
            assert (await echo.Collect(several(asking(), asking()))).text == "hello hello"
            assert [each.text async for each in echo.Converse(several(asking()))] == ["hello"]
            # What the caller adds itself is not lost.
            call = echo.Echo(asking(), metadata=(("x-request-id", "mine"),))
            await call
            assert dict(await call.trailing_metadata())["x-trace-id"] == "mine"


async def test_plain_text_does_not_reach_a_tls_server(files: CredentialFiles) -> None:
    async with serving(files) as target, open_channel(target) as channel:
        echo: Any = echo_pb2_grpc.EchoServiceStub(channel)
        assert (await refused(echo.Echo(asking(), timeout=5))).code is grpc.StatusCode.UNAVAILABLE


async def test_a_server_that_another_authority_vouches_for_is_not_trusted(
    files: CredentialFiles, tmp_path: Path
) -> None:
    stranger = ensure_credentials(tmp_path / "stranger", hosts=["ledger"])
    async with serving(files) as target, open_channel(target, tls_root_file=stranger.authority) as channel:
        echo: Any = echo_pb2_grpc.EchoServiceStub(channel)
        assert (await refused(echo.Echo(asking(), timeout=5))).code is grpc.StatusCode.UNAVAILABLE


async def test_a_certificate_that_is_renewed_is_used_from_then_on(
    files: CredentialFiles, tmp_path: Path
) -> None:
    fresh = ensure_credentials(tmp_path / "fresh", hosts=["ledger"])
    caller = files.token("caller")
    async with serving(files) as target:
        # Half of a renewal: the key is new and the certificate is old, which does not fit.
        files.certificate_key("ledger").write_bytes(fresh.certificate_key("ledger").read_bytes())
        async with open_channel(target, tls_root_file=files.authority, token_file=caller) as channel:
            echo: Any = echo_pb2_grpc.EchoServiceStub(channel)
            assert (await echo.Echo(asking())).text == "hello"
        files.certificate("ledger").write_bytes(fresh.certificate("ledger").read_bytes())
        async with open_channel(target, tls_root_file=fresh.authority, token_file=caller) as channel:
            echo = echo_pb2_grpc.EchoServiceStub(channel)
            assert (await echo.Echo(asking())).text == "hello"


async def test_a_token_that_changes_in_its_file_is_used_from_then_on(
    files: CredentialFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "_TOKEN_FILE_LOOK_SECONDS", 0.0)
    key = load_pem_private_key(files.token_key.read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    token = files.token("caller")
    token.write_text(sign_token(key, CALLER, lifetime=timedelta(seconds=-60)))
    async with (
        serving(files) as target,
        open_channel(target, tls_root_file=files.authority, token_file=token) as channel,
    ):
        echo: Any = echo_pb2_grpc.EchoServiceStub(channel)
        assert (await refused(echo.Echo(asking()))).reason == "CREDENTIALS_EXPIRED"
        token.write_text(sign_token(key, CALLER))
        os.utime(token, ns=(0, time.time_ns()))
        assert (await echo.Echo(asking())).text == "hello"
        token.unlink()
        assert (await echo.Echo(asking())).text == "hello"


async def test_a_service_that_starts_a_moment_later_is_reached_by_the_same_call(
    files: CredentialFiles,
) -> None:
    servicer = EchoServicer()
    failures = 2

    async def fail_at_first(_request: Any, context: Any) -> str:
        nonlocal failures
        if failures:
            failures -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")
        return "at last"

    servicer.on_echo = fail_at_first
    plain = EchoSettings(database_url="postgresql://nobody@/nothing", development_principal=True)
    async with (
        running_server(echo_definition(servicer), plain) as server,
        open_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        echo: Any = echo_pb2_grpc.EchoServiceStub(channel)
        assert (await echo.Echo(asking(), timeout=10)).text == "at last"


def test_what_is_there_is_kept(files: CredentialFiles) -> None:
    before = {file.name: file.read_bytes() for file in files.directory.iterdir()}
    ensure_credentials(files.directory, hosts=["ledger", "audit"], principals=[CALLER])
    assert {file.name: file.read_bytes() for file in files.directory.iterdir()} == before


def test_a_new_host_and_new_roles_are_added_and_the_keys_stay(files: CredentialFiles) -> None:
    keys = {file.name: file.read_bytes() for file in files.directory.glob("*.key")}
    promoted = PrincipalPlan("caller", ("caller", "admin"), None)
    ensure_credentials(files.directory, hosts=["ledger", "audit", "batch"], principals=[promoted])
    assert {name: (files.directory / name).read_bytes() for name in keys} == keys
    claims = jwt.decode(files.token("caller").read_text().strip(), options={"verify_signature": False})
    assert (claims["roles"], claims["clients"]) == (["caller", "admin"], "*")
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
        files.certificate("batch"), files.certificate_key("batch")
    )


def test_keys_and_tokens_are_for_their_owner_only(files: CredentialFiles) -> None:
    for file in files.directory.iterdir():
        secret = file.suffix in (".key", ".token")
        assert (file.stat().st_mode & 0o077 == 0) is secret, file


def test_the_command_makes_what_the_services_need(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--directory", str(tmp_path), "--host", "ledger", "--host", "10.0.0.7"]) == 0
    made = {Path(line).name for line in capsys.readouterr().out.splitlines()}
    assert {"ca.pem", "ledger.pem", "ledger.key", "10.0.0.7.pem", "tokens.pub.pem", "batch.token"} <= made
