"""What containers run beside the services: the health check, and the job that makes the databases."""

import pytest

from service_kit import health_check, provision_databases
from service_kit.provision_databases import EnvironmentFaultError, order_of
from service_kit.provisioning import ServiceDatabase

ENVIRONMENT = {
    "TALLYBOOK_LEDGER_DATABASE_URL": "postgresql://serves:p%40ss@db:5432/books",
    "TALLYBOOK_LEDGER_MIGRATION_DATABASE_URL": "postgresql://owns:other@db:5432/books",
}


def test_databases_roles_and_passwords_are_those_that_the_service_is_given() -> None:
    order = order_of("ledger", ENVIRONMENT)
    assert order.database == ServiceDatabase("books", owner="owns", runtime_role="serves")
    assert order.passwords == {"serves": "p@ss", "owns": "other"}


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"TALLYBOOK_LEDGER_DATABASE_URL": ""}, "TALLYBOOK_LEDGER_DATABASE_URL: required"),
        ({"TALLYBOOK_LEDGER_MIGRATION_DATABASE_URL": "postgresql://owns@db/other"}, "name two databases"),
        ({"TALLYBOOK_LEDGER_DATABASE_URL": "postgresql://db/books"}, "a role and a database are required"),
    ],
)
def test_an_environment_that_does_not_fit_is_refused(changed: dict[str, str], complaint: str) -> None:
    with pytest.raises(EnvironmentFaultError, match=complaint):
        order_of("ledger", {**ENVIRONMENT, **changed})


def test_the_job_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TALLYBOOK_LEDGER_DATABASE_URL", raising=False)
    assert provision_databases.main(["ledger"]) == 78
    assert capsys.readouterr().err == "TALLYBOOK_LEDGER_DATABASE_URL: required\n"


def test_a_server_that_does_not_answer_is_not_healthy(capsys: pytest.CaptureFixture[str]) -> None:
    assert health_check.main(["127.0.0.1:1", "--seconds", "0.2"]) == 1
    assert "127.0.0.1:1 does not answer" in capsys.readouterr().err


def test_certificates_that_are_not_there_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert health_check.main(["127.0.0.1:1", "--tls-root-file", "/nowhere/ca.pem"]) == 1
    assert "/nowhere/ca.pem" in capsys.readouterr().err
