"""python -m ledger_service [serve|migrate|check-config|...]: the command line that every service has."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from service_kit.server import ServiceDefinition
from service_kit.settings import ServiceSettings

SettingsType = TypeVar("SettingsType", bound=ServiceSettings)
Servicers = TypeVar("Servicers")


def main(
    definition: ServiceDefinition[SettingsType, Servicers],
    arguments: list[str] | None = None,
    *,
    commands: Mapping[str, Callable[[SettingsType, list[str]], int]] | None = None,
) -> int:
    """Run one command and return the exit status.

    serve (default)  serve until SIGTERM; --wait-for-migrations waits for the schema instead of refusing to
    start migrate          bring the schema to head and grant the runtime role what the tables allow
    check-config     read and print the settings, check the authorisation table, start nothing
    commands: further ones of the service, e.g. {"worker": run_worker}; each gets the settings and its own
    arguments.
    """
    raise NotImplementedError
