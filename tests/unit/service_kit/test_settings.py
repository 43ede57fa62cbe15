"""Settings: read from the environment, and every fault told in a line that names its variable."""

from pathlib import Path
from typing import Any

import pytest

from service_kit.settings import SettingsError
from tests.support.echo_service.service import EchoSettings

URL = "postgresql://echo:secret@db.internal/echo"


@pytest.fixture(autouse=True)
def _minimal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLYBOOK_ECHO_DATABASE_URL", URL)


def settings(**given: Any) -> EchoSettings:
    return EchoSettings(database_url=URL, **given)


def faults(monkeypatch: pytest.MonkeyPatch, **environment: str) -> list[str]:
    for name, value in environment.items():
        monkeypatch.setenv(f"TALLYBOOK_ECHO_{name}", value)
    with pytest.raises(SettingsError) as refused:
        EchoSettings.load()
    return refused.value.faults


def test_a_database_is_all_that_has_to_be_given() -> None:
    loaded = EchoSettings.load()
    assert (loaded.host, loaded.port, loaded.metrics_port) == ("127.0.0.1", 0, 0)


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLYBOOK_ECHO_PORT", "")
    assert EchoSettings.load().port == 0


def test_without_a_database_the_line_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TALLYBOOK_ECHO_DATABASE_URL")
    assert faults(monkeypatch) == ["TALLYBOOK_ECHO_DATABASE_URL: field required"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "abc"),
        # What Kubernetes puts into the environment for a service named tallybook-echo.
        ("PORT", "tcp://10.0.0.1:50051"),
        ("PORT", "70000"),
        ("LOG_FORMAT", "xml"),
        ("TOKEN_ALGORITHM", "HS256"),
        ("TOKEN_ALGORITHM", "none"),
        ("DRAIN_SECONDS", "-1"),
        ("DATABASE_POOL_SIZE", "0"),
    ],
)
def test_a_wrong_value_is_told_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    (line,) = faults(monkeypatch, **{name: value})
    assert line.startswith(f"TALLYBOOK_ECHO_{name}: ")
    assert repr(value) in line


def test_every_fault_has_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(faults(monkeypatch, PORT="x", DRAIN_SECONDS="y", LOG_LEVEL="z")) == 3


def test_a_fault_of_a_url_does_not_repeat_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = faults(monkeypatch, DATABASE_URL="mysql://u:secret@h/d")
    assert line == "TALLYBOOK_ECHO_DATABASE_URL: must begin with postgresql://"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg", "postgresql+psycopg"])
def test_every_way_to_spell_a_database_url_is_understood(scheme: str) -> None:
    assert EchoSettings(database_url=f"{scheme}://u@h/d").database_url == "postgresql://u@h/d"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (URL, "postgresql://echo:***@db.internal/echo"),
        ("postgresql://u@/d?host=/run/pg", "postgresql://u@/d?host=/run/pg"),
        ("postgresql://u:p%40ss:w@h:1/d", "postgresql://u:***@h:1/d"),
        ("postgresql://h/d?user=u&password=secret", "postgresql://h/d?user=u&password=***"),
    ],
)
def test_what_is_printed_has_no_password(url: str, shown: str) -> None:
    printed = EchoSettings(database_url=url, migration_database_url=url).printable()
    assert printed["database_url"] == printed["migration_database_url"] == shown
    assert "secret" not in str(printed)


def test_a_variable_that_is_no_setting_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLYBOOK_ECHO_DATABSE_URL", "x")
    monkeypatch.setenv("TALLYBOOK_ECHOES", "x")
    assert EchoSettings.unknown_variables() == [
        "TALLYBOOK_ECHO_DATABSE_URL is no setting: did you mean TALLYBOOK_ECHO_DATABASE_URL?"
    ]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_this_machine_is_loopback(host: str) -> None:
    assert settings(host=host).is_loopback()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.1", "ledger", "localhost.evil.example", ""])
def test_everything_else_is_the_world(host: str) -> None:
    assert not settings(host=host).is_loopback()


def test_on_loopback_somebody_must_be_able_to_call() -> None:
    (line,) = settings().serving_faults()
    assert "nobody could call this server" in line
    assert "TALLYBOOK_ECHO_DEVELOPMENT_PRINCIPAL=true" in line
    assert settings(development_principal=True).serving_faults() == []


def test_beyond_loopback_tls_and_tokens_are_required() -> None:
    lines = settings(host="0.0.0.0").serving_faults()
    assert [line.partition(":")[0] for line in lines] == [
        "TALLYBOOK_ECHO_TLS_CERTIFICATE_FILE",
        "TALLYBOOK_ECHO_TOKEN_PUBLIC_KEY_FILE",
    ]
    assert all("TALLYBOOK_ECHO_HOST=0.0.0.0 is reachable from other machines" in line for line in lines)


@pytest.fixture
def secured(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "file").touch()
    names = ("tls_certificate_file", "tls_key_file", "token_public_key_file")
    return {**dict.fromkeys(names, tmp_path / "file"), "token_issuer": "i", "token_audience": "a"}


def test_beyond_loopback_tls_and_tokens_are_enough(secured: dict[str, Any]) -> None:
    assert settings(host="0.0.0.0", **secured).serving_faults() == []


def test_beyond_loopback_there_is_no_development_principal(secured: dict[str, Any]) -> None:
    (line,) = settings(host="0.0.0.0", development_principal=True, **secured).serving_faults()
    assert line == "TALLYBOOK_ECHO_DEVELOPMENT_PRINCIPAL: only for loopback, but TALLYBOOK_ECHO_HOST=0.0.0.0"


@pytest.mark.parametrize(
    "missing", ["tls_certificate_file", "tls_key_file", "token_issuer", "token_audience"]
)
def test_half_of_a_pair_is_no_security(secured: dict[str, Any], missing: str) -> None:
    lines = settings(host="0.0.0.0", **{**secured, missing: None}).serving_faults()
    assert any(line.startswith(f"TALLYBOOK_ECHO_{missing.upper()}: required") for line in lines)


def test_a_file_that_is_not_there_is_told(secured: dict[str, Any], tmp_path: Path) -> None:
    (line,) = settings(**{**secured, "tls_key_file": tmp_path / "gone"}).serving_faults()
    assert line == f"TALLYBOOK_ECHO_TLS_KEY_FILE: there is no file {tmp_path / 'gone'}"
