"""The settings of the batch service, read from TALLYBOOK_BATCH_*."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from service_kit.settings import ServiceSettings


class BatchSettings(ServiceSettings):
    """What the batch service and its workers can be told."""

    model_config = SettingsConfigDict(env_prefix="TALLYBOOK_BATCH_", env_ignore_empty=True, frozen=True)

    port: Annotated[int, Field(ge=0, le=65535)] = 50052

    workers: Annotated[int, Field(ge=0, le=256)] = 4
    """How many chunks this process works at the same time; 0: none, workers run elsewhere."""
    lease_seconds: Annotated[float, Field(gt=0)] = 15.0
    """How long a worker may be silent before its chunks are given to another."""
    sweep_seconds: Annotated[float, Field(gt=0)] = 5.0
    """How often lost chunks are looked for. Lease and sweep together have to stay below 30 s."""
    redelivery_seconds: Annotated[float, Field(gt=0)] = 30.0
    """After what time a chunk that nobody took is delivered again; doubled each time."""
    transient_seconds: Annotated[float, Field(ge=0)] = 600.0
    """How long a session waits for what can't be reached before it ends in Error."""
    losses_allowed: Annotated[int, Field(ge=1)] = 3
    """How many workers a chunk may take down before it is split. With 1 every chunk is worked alone."""

    ledger_target: str | None = None
    """host:port of the ledger service."""
    ledger_tls_root_file: Path | None = None
    ledger_token_file: Path | None = None
    gateway_target: str | None = None
    """host:port of the payment gateway. Unset: a sandbox of our own, which moves no money."""
    gateway_tls_root_file: Path | None = None
    gateway_token_file: Path | None = None
    gateway_deadline_seconds: Annotated[float, Field(gt=0)] = 2.0
    """How long the gateway may take to answer, until what became of a payment is unknown and has to be
    asked for.
    """
