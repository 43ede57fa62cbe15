"""What every service reads from its environment, checked once at start, printed without secrets."""

import difflib
import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit, urlunsplit

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

EX_CONFIG: Final = 78
"""sysexits.h: something is configured wrongly; starting again without a change is no use."""


class SettingsError(Exception):
    """The configuration is refused; `faults` has one line for each fault, naming the environment variable."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def _libpq_url(url: str) -> str:
    """The URL as libpq, asyncpg and psycopg read it: without the old scheme and SQLAlchemy's driver."""
    normalised = re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", url)
    if not normalised.startswith("postgresql://"):
        raise ValueError("must begin with postgresql://")
    return normalised


DatabaseUrl = Annotated[str, AfterValidator(_libpq_url)]


class ServiceSettings(BaseSettings):
    """The settings of every service. A subclass gives the prefix of its environment variables:

    class LedgerSettings(ServiceSettings):
        model_config = SettingsConfigDict(env_prefix="TALLYBOOK_LEDGER_")
        port: Annotated[int, Field(ge=0, le=65535)] = 50051
    """

    model_config = SettingsConfigDict(env_prefix="TALLYBOOK_", env_ignore_empty=True, frozen=True)

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)]
    """0 lets the system choose; the number is logged, and written to `port_file`."""
    port_file: Path | None = None
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Where Prometheus scrapes, on `host`; 0 means nowhere."""

    database_url: DatabaseUrl
    """postgresql://user:password@host:port/name, or ...@/name?host=/socket/directory."""
    migration_database_url: DatabaseUrl | None = None
    """The same database as its owner; `migrate` uses it. Unset: `database_url`."""
    runtime_role: str | None = None
    """The role of `database_url`, to which `migrate` grants what the tables allow. Unset: no grants."""
    database_pool_size: Annotated[int, Field(ge=1, le=1000)] = 10
    database_wait_seconds: Annotated[float, Field(ge=0)] = 60.0
    """How long to wait at start for the database to accept connections."""
    statement_timeout_seconds: Annotated[float, Field(gt=0)] = 30.0

    tls_certificate_file: Path | None = None
    """The server's certificate chain, PEM."""
    tls_key_file: Path | None = None
    token_issuer: str | None = None
    token_audience: str | None = None
    token_public_key_file: Path | None = None
    """The public key of who signs the tokens: PEM, or a JWKS (*.json). Read again when it changes."""
    token_algorithm: Literal["RS256", "ES256", "EdDSA"] = "EdDSA"  # noqa: S105  # the name of an algorithm
    development_principal: bool = False
    """Let calls without a token through with all roles and clients. Refused beyond loopback."""

    log_format: Literal["auto", "json", "console"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    default_deadline_seconds: Annotated[float, Field(gt=0)] = 30.0
    """For unary calls whose caller set none."""
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
    def load(cls) -> Self:
        """Read the process's environment; SettingsError names every fault."""
        from_environment: dict[str, Any] = {}  # nothing is given, so that everything is read
        try:
            return cls(**from_environment)
        except ValidationError as invalid:
            raise SettingsError([_fault_line(cls, error) for error in invalid.errors()]) from None

    @classmethod
    def variable(cls, field: str) -> str:
        """The environment variable of a field: "port" is TALLYBOOK_LEDGER_PORT."""
        return f"{cls.model_config.get('env_prefix', '')}{field}".upper()

    @classmethod
    def unknown_variables(cls) -> list[str]:
        """One line for each variable with our prefix that is no setting: most often a typing error."""
        known = {cls.variable(field) for field in cls.model_fields}
        prefix = cls.variable("")
        lines = []
        for name in sorted(set(os.environ) - known):
            if name.startswith(prefix):
                similar = difflib.get_close_matches(name, known, n=1)
                lines.append(f"{name} is no setting" + (f": did you mean {similar[0]}?" if similar else ""))
        return lines

    def printable(self) -> dict[str, Any]:
        """The settings for a log line, with passwords in URLs masked."""
        values = self.model_dump(mode="json")
        return {name: _masked(value) if name.endswith("_url") else value for name, value in values.items()}

    def is_loopback(self) -> bool:
        """Whether `host` is this machine alone; a name other than localhost is taken for the world."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def serving_faults(self) -> list[str]:
        """Why a server must not start with these settings, one line a fault; a subclass may add its own."""
        return [*self._missing_files(), *self._incomplete_pairs(), *self._open_doors()]

    def _missing_files(self) -> list[str]:
        files = (name for name in type(self).model_fields if name.endswith("_file") and name != "port_file")
        return [
            f"{self.variable(name)}: there is no file {value}"
            for name in files
            if (value := getattr(self, name)) is not None and not value.is_file()
        ]

    def _incomplete_pairs(self) -> list[str]:
        belonging_together = (
            ("tls_certificate_file", "tls_key_file"),
            ("token_public_key_file", "token_issuer", "token_audience"),
        )
        faults = []
        for group in belonging_together:
            missing = [name for name in group if getattr(self, name) is None]
            if missing and len(missing) < len(group):
                names = ", ".join(self.variable(name) for name in missing)
                faults.append(f"{names}: required together with {self.variable(_first_given(self, group))}")
        return faults

    def _open_doors(self) -> list[str]:
        tokens = self.variable("token_public_key_file")
        development = self.variable("development_principal")
        faults = []
        if self.is_loopback():
            if self.token_public_key_file is None and not self.development_principal:
                faults.append(
                    f"{tokens}: nobody could call this server; set it, or {development}=true for development"
                )
            return faults
        beyond = f"required, since {self.variable('host')}={self.host} is reachable from other machines"
        if self.tls_certificate_file is None:
            faults.append(f"{self.variable('tls_certificate_file')}: {beyond}")
        if self.token_public_key_file is None:
            faults.append(f"{tokens}: {beyond}")
        if self.development_principal:
            faults.append(f"{development}: only for loopback, but {self.variable('host')}={self.host}")
        return faults


def _first_given(settings: ServiceSettings, names: tuple[str, ...]) -> str:
    return next(name for name in names if getattr(settings, name) is not None)


def _fault_line(settings: type[ServiceSettings], error: Any) -> str:
    field = str(error["loc"][0]) if error["loc"] else ""
    message = str(error["msg"]).removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    given = error.get("input")
    # A URL may hold a password, and an absent value has nothing to show.
    if isinstance(given, str) and not field.endswith("_url"):
        message += f", not {given!r}"
    return f"{settings.variable(field)}: {message}"


def _masked(url: str | None) -> str | None:
    if url is None:
        return None
    parts = urlsplit(url)
    user_info, at, host = parts.netloc.rpartition("@")
    user, colon, _ = user_info.partition(":")
    netloc = f"{user}{colon}{'***' if colon else ''}{at}{host}"
    query = re.sub(r"((?:^|&)(?:password|passwd|sslpassword)=)[^&]*", r"\1***", parts.query)
    return urlunsplit((parts.scheme, netloc, parts.path, query, parts.fragment))
