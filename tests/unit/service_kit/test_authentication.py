"""Tokens: which are taken, and which are refused, and why."""

import base64
import hashlib
import hmac
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from service_kit import authentication
from service_kit.authentication import KeyFileError, TokenVerifier
from service_kit.errors import DomainError
from service_kit.principal import ALL_CLIENTS, DEVELOPMENT_PRINCIPAL

ED_KEY = ed25519.Ed25519PrivateKey.generate()
EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)
PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def pem(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def claims(**changes: Any) -> dict[str, Any]:
    """Good claims with some changed or (None) left out."""
    good = {
        "iss": "issuer",
        "aud": "tallybook",
        "sub": "batch",
        "exp": time.time() + 3600,
        "roles": ["poster", "reader"],
        "clients": [1, 2],
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def token(key: PrivateKey = ED_KEY, algorithm: str = "EdDSA", headers: Any = None, **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers=headers)


def encoded(part: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "public.pem"
    file.write_bytes(pem(ED_KEY))
    return file


@pytest.fixture
def verifier(key_file: Path) -> TokenVerifier:
    return TokenVerifier(key_file=key_file, issuer="issuer", audience="tallybook", algorithm="EdDSA")


def refusal(verifier: TokenVerifier, given: str) -> str:
    with pytest.raises(DomainError) as refused:
        verifier.verify(given)
    return refused.value.reason


def test_a_good_token_is_a_principal(verifier: TokenVerifier) -> None:
    principal = verifier.verify(token())
    assert principal.subject == "batch"
    assert principal.roles == {"poster", "reader"}
    assert principal.clients == frozenset({1, 2})


def test_a_star_means_all_clients(verifier: TokenVerifier) -> None:
    assert verifier.verify(token(clients="*")).clients is ALL_CLIENTS


def test_without_roles_and_clients_a_principal_has_none(verifier: TokenVerifier) -> None:
    principal = verifier.verify(token(roles=None, clients=None))
    assert principal.roles == frozenset()
    assert principal.clients == frozenset()


@pytest.mark.parametrize("key_and_algorithm", [(EC_KEY, "ES256"), (RSA_KEY, "RS256"), (ED_KEY, "EdDSA")])
def test_each_asymmetric_algorithm_works(tmp_path: Path, key_and_algorithm: tuple[PrivateKey, str]) -> None:
    key, algorithm = key_and_algorithm
    (tmp_path / "k.pem").write_bytes(pem(key))
    verifier = TokenVerifier(
        key_file=tmp_path / "k.pem", issuer="issuer", audience="tallybook", algorithm=algorithm
    )
    assert verifier.verify(token(key, algorithm)).subject == "batch"


def test_an_expired_token_says_that_it_expired(verifier: TokenVerifier) -> None:
    assert refusal(verifier, token(exp=time.time() - 60)) == "CREDENTIALS_EXPIRED"


def test_clocks_may_differ_by_seconds(verifier: TokenVerifier) -> None:
    assert verifier.verify(token(exp=time.time() - 3)).subject == "batch"


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": None},
        {"iss": None},
        {"aud": None},
        {"sub": None},
        {"iss": "somebody else"},
        {"aud": "another service"},
        {"sub": ""},
        {"nbf": time.time() + 86_400},
        {"roles": "poster"},
        {"roles": [1]},
        {"clients": "1"},
        {"clients": ["1"]},
        {"clients": [True]},
        {"clients": [0]},
        {"clients": [-1]},
        {"clients": 1},
    ],
    ids=str,
)
def test_a_token_with_a_wrong_claim_is_refused(verifier: TokenVerifier, changes: dict[str, Any]) -> None:
    assert refusal(verifier, token(**changes)) == "CREDENTIALS_INVALID"


def test_a_token_that_another_key_signed_is_refused(verifier: TokenVerifier) -> None:
    assert refusal(verifier, token(ed25519.Ed25519PrivateKey.generate())) == "CREDENTIALS_INVALID"


def test_a_token_that_is_not_signed_is_refused(verifier: TokenVerifier) -> None:
    for algorithm in ("none", "None", "NONE", "nOnE"):
        unsigned = f"{encoded({'alg': algorithm, 'typ': 'JWT'})}.{encoded(claims())}."
        assert refusal(verifier, unsigned) == "CREDENTIALS_INVALID"


def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(verifier: TokenVerifier) -> None:
    signed = f"{encoded({'alg': 'HS256', 'typ': 'JWT'})}.{encoded(claims())}"
    signature = hmac.new(pem(ED_KEY), signed.encode(), hashlib.sha256).digest()
    forged = f"{signed}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"
    assert refusal(verifier, forged) == "CREDENTIALS_INVALID"


def test_a_token_of_another_good_algorithm_is_refused(verifier: TokenVerifier) -> None:
    assert refusal(verifier, token(EC_KEY, "ES256")) == "CREDENTIALS_INVALID"


def test_a_token_whose_claims_were_changed_is_refused(verifier: TokenVerifier) -> None:
    header, _, signature = token().split(".")
    assert refusal(verifier, f"{header}.{encoded(claims(clients='*'))}.{signature}") == "CREDENTIALS_INVALID"


@pytest.mark.parametrize("garbage", ["", "a", "a.b.c", "..", "é.é.é", "x" * 100_000, "\0.\0.\0"])
def test_garbage_is_refused(verifier: TokenVerifier, garbage: str) -> None:
    assert refusal(verifier, garbage) == "CREDENTIALS_INVALID"


def test_a_remembered_token_expires_all_the_same(
    verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = token(exp=time.time() + 30)
    assert verifier.verify(good).subject == "batch"
    assert verifier.verify(good).subject == "batch"
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 100)
    # PyJWT has its own look at the clock, so the token is judged anew: here still good, but not from memory.
    judged_again = Mock(return_value=(DEVELOPMENT_PRINCIPAL, 0.0))
    monkeypatch.setattr(verifier, "_verify", judged_again)
    verifier.verify(good)
    judged_again.assert_called_once_with(good)


def test_only_so_many_tokens_are_remembered(verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "_REMEMBERED_TOKENS", 3)
    for number in range(10):
        verifier.verify(token(sub=f"s{number}"))
    assert len(verifier._verified) == 3


def jwks(*keys: tuple[str, ed25519.Ed25519PrivateKey]) -> str:
    return json.dumps(
        {
            "keys": [
                {
                    **jwt.get_algorithm_by_name("EdDSA").to_jwk(key.public_key(), as_dict=True),
                    "kid": kid,
                    "use": "sig",
                }
                for kid, key in keys
            ]
        }
    )


def test_a_key_of_a_jwks_is_found_by_its_id(tmp_path: Path) -> None:
    other = ed25519.Ed25519PrivateKey.generate()
    (tmp_path / "keys.json").write_text(jwks(("old", ED_KEY), ("new", other)))
    verifier = TokenVerifier(
        key_file=tmp_path / "keys.json", issuer="issuer", audience="tallybook", algorithm="EdDSA"
    )
    assert verifier.verify(token(headers={"kid": "old"})).subject == "batch"
    assert verifier.verify(token(other, headers={"kid": "new"})).subject == "batch"
    assert refusal(verifier, token(other, headers={"kid": "old"})) == "CREDENTIALS_INVALID"
    assert refusal(verifier, token(headers={"kid": "unknown"})) == "CREDENTIALS_INVALID"
    assert refusal(verifier, token()) == "CREDENTIALS_INVALID"


@pytest.fixture
def looking_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "_KEY_FILE_LOOK_SECONDS", 0.0)


def replaced(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    os.utime(file, ns=(0, time.time_ns()))


@pytest.mark.usefixtures("looking_each_time")
def test_a_new_key_takes_over_and_what_the_old_one_signed_is_refused(key_file: Path) -> None:
    verifier = TokenVerifier(key_file=key_file, issuer="issuer", audience="tallybook", algorithm="EdDSA")
    old = token()
    assert verifier.verify(old).subject == "batch"
    fresh = ed25519.Ed25519PrivateKey.generate()
    replaced(key_file, pem(fresh))
    assert verifier.verify(token(fresh)).subject == "batch"
    assert refusal(verifier, old) == "CREDENTIALS_INVALID"


@pytest.mark.usefixtures("looking_each_time")
@pytest.mark.parametrize("break_it", [lambda file: file.unlink(), lambda file: replaced(file, b"half a key")])
def test_while_the_key_file_is_being_replaced_the_old_key_is_good(
    key_file: Path, break_it: Callable[[Path], None]
) -> None:
    verifier = TokenVerifier(key_file=key_file, issuer="issuer", audience="tallybook", algorithm="EdDSA")
    break_it(key_file)
    assert verifier.verify(token()).subject == "batch"


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", b"{", b'{"keys": []}', b'{"keys": 1}', b"[]", b'{"keys": [{}]}']
)
def test_a_file_that_holds_no_key_keeps_the_server_from_starting(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "k").write_bytes(content)
    with pytest.raises(KeyFileError, match="no public key"):
        TokenVerifier(key_file=tmp_path / "k", issuer="i", audience="a", algorithm="EdDSA")


def test_a_key_of_another_kind_keeps_the_server_from_starting(key_file: Path) -> None:
    with pytest.raises(KeyFileError, match="no public key for RS256"):
        TokenVerifier(key_file=key_file, issuer="i", audience="a", algorithm="RS256")


def test_a_missing_key_file_keeps_the_server_from_starting(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="no public key"):
        TokenVerifier(key_file=tmp_path / "none", issuer="i", audience="a", algorithm="EdDSA")
