"""What every service reads from its environment, checked once at start, printed without secrets."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

EX_CONFIG = 78
"""sysexits.h: something is configured wrongly; starting again without a change is no use."""


class SettingsError(Exception):
    """The environment is wrong; `faults` has one line for each, naming the environment variable."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class ServiceSettings(BaseSettings):
    """The settings of every service. A subclass gives the prefix of its environment variables:

    class LedgerSettings(ServiceSettings):
        model_config = SettingsConfigDict(env_prefix="TALLYBOOK_LEDGER_")
        port: int = 50051
    """

    model_config = SettingsConfigDict(env_prefix="TALLYBOOK_", frozen=True)

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)]
    """0 lets the system choose; the number is logged, and written to `port_file`."""
    port_file: Path | None = None
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Where Prometheus scrapes, on `host`; 0 means nowhere."""

    database_url: str
    """postgresql://user:password@host:port/name, or ...@/name?host=/socket/directory."""
    migration_database_url: str | None = None
    """The same database as its owner; `migrate` uses it. Unset: `database_url`."""
    runtime_role: str | None = None
    """The role of `database_url`, to which `migrate` grants what the tables allow. Unset: no grants."""
    database_pool_size: Annotated[int, Field(ge=1, le=1000)] = 10
    database_wait_seconds: Annotated[float, Field(ge=0)] = 60.0
    """How long to wait at start for the database to accept connections."""
    statement_timeout_seconds: Annotated[float, Field(gt=0)] = 30.0

    tls_certificate_file: Path | None = None
    tls_key_file: Path | None = None
    token_issuer: str | None = None
    token_audience: str | None = None
    token_public_key_file: Path | None = None
    """A PEM public key, or a JWKS (*.json), of who signs the tokens."""
    token_algorithm: Literal["RS256", "ES256", "EdDSA"] = "EdDSA"  # noqa: S105  # the name of an algorithm
    development_principal: bool = False
    """Let calls without a token through with all roles and clients. Refused beyond loopback."""

    log_format: Literal["auto", "json", "console"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    default_deadline_seconds: Annotated[float, Field(gt=0)] = 30.0
    default_stream_deadline_seconds: Annotated[float, Field(gt=0)] = 3600.0
    max_message_bytes: Annotated[int, Field(ge=4096)] = 16 * 1024 * 1024
    drain_seconds: Annotated[float, Field(ge=0)] = 10.0
    """How long running calls may take to finish after SIGTERM."""
    stop_with_parent: bool = False
    """Stop when standard input ends: a launcher that dies takes its services along."""

    audit_target: str | None = None
    """host:port of the audit service, for the relay of the outbox. Unset: events wait in the outbox."""
    audit_tls_root_file: Path | None = None
    audit_token_file: Path | None = None

    @classmethod
    def load(cls, environment: dict[str, str] | None = None) -> Self:
        """Read the environment (default: the process's own); SettingsError names every fault."""
        raise NotImplementedError

    def printable(self) -> dict[str, object]:
        """The settings for a log line: passwords in URLs masked."""
        raise NotImplementedError
