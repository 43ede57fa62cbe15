"""python -m ledger_service [serve|migrate|check-config|...]: the command line that every service has."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import asyncpg
import structlog
from sqlalchemy.exc import DBAPIError

from service_kit import migrations
from service_kit.database import DatabaseUnavailableError, what_it_said
from service_kit.logs import configure_logs
from service_kit.server import EX_UNAVAILABLE, ServiceDefinition, check_configuration, run
from service_kit.settings import EX_CONFIG, ServiceSettings, SettingsError
from service_kit.start_error import StartError

SettingsType = TypeVar("SettingsType", bound=ServiceSettings)
Servicers = TypeVar("Servicers")
Command = Callable[[SettingsType, list[str]], int]

_log = structlog.get_logger()


def main(
    definition: ServiceDefinition[SettingsType, Servicers],
    arguments: list[str] | None = None,
    *,
    commands: Mapping[str, Command[SettingsType]] | None = None,
) -> int:
    """Run one command and return the exit status (sysexits.h: 78 for a configuration that is refused).

        serve (default)  serve until SIGTERM; --wait-for-migrations waits for the schema, if need be
        migrate          bring the schema to head and grant the runtime role what the tables allow
        check-config     check the settings and the authorisation table, print the settings, start nothing

    commands: further ones of the service, e.g. {"worker": run_worker}; each gets the settings and its part.
    """
    own = commands or {}
    parser = _parser(definition, list(own))
    given, rest = parser.parse_known_args(sys.argv[1:] if arguments is None else arguments)
    if rest and given.command not in own:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        settings = definition.settings.load()
    except SettingsError as refusal:
        return _fail(definition.name, EX_CONFIG, *refusal.faults)
    configure_logs(definition.name, log_format=settings.log_format, level=settings.log_level)
    for line in settings.unknown_variables():
        _log.warning("unknown setting", fault=line)
    if given.command in own:
        return own[given.command](settings, rest)
    return _COMMANDS[given.command](definition, settings, given)


def _parser(definition: ServiceDefinition[Any, Any], own: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m {definition.package or definition.name}",
        description=f"The {definition.name} service, configured by {definition.settings.variable('...')}",
    )
    command = parser.add_subparsers(dest="command", metavar="command", required=False)
    # After add_subparsers, whose own default would win over it.
    parser.set_defaults(command="serve", wait_for_migrations=False)
    serve = command.add_parser("serve", help="serve until SIGTERM (the default)")
    serve.add_argument(
        "--wait-for-migrations", action="store_true", help="wait for the schema instead of refusing to start"
    )
    command.add_parser("migrate", help="bring the schema to head and grant the runtime role its rights")
    command.add_parser("check-config", help="check and print the configuration, start nothing")
    for name in own:
        command.add_parser(name, add_help=False)
    return parser


def _serve(
    definition: ServiceDefinition[Any, Any], settings: ServiceSettings, given: argparse.Namespace
) -> int:
    _log.info("settings", **settings.printable())
    return run(definition, settings, wait_for_migrations=given.wait_for_migrations)


def _migrate(
    definition: ServiceDefinition[Any, Any], settings: ServiceSettings, _: argparse.Namespace
) -> int:
    package, url = _package(definition), settings.migration_database_url or settings.database_url

    async def migrate() -> str:
        await migrations.wait_until_reachable(url, settings.database_wait_seconds)
        return await migrations.upgrade(package, url, settings.runtime_role)

    variable = settings.variable(
        "migration_database_url" if settings.migration_database_url else "database_url"
    )
    try:
        revision = asyncio.run(migrate())
    except migrations.MigrationError as fault:
        return _fail(definition.name, EX_CONFIG, str(fault))
    except DatabaseUnavailableError as fault:
        return _fail(definition.name, EX_UNAVAILABLE, f"{variable}: {fault}")
    except (DBAPIError, asyncpg.PostgresError) as fault:
        return _fail(definition.name, EX_CONFIG, f"{variable}: {what_it_said(fault)}")
    _log.info("migrated", revision=revision, runtime_role=settings.runtime_role)
    return 0


def _check_config(
    definition: ServiceDefinition[Any, Any], settings: ServiceSettings, _: argparse.Namespace
) -> int:
    try:
        check_configuration(definition, settings)
    except StartError as refusal:
        return _fail(definition.name, refusal.exit_status, *refusal.reasons)
    for name, value in settings.printable().items():
        sys.stdout.write(f"{settings.variable(name)}={'' if value is None else value}\n")
    return 0


_COMMANDS: Mapping[str, Callable[[ServiceDefinition[Any, Any], ServiceSettings, argparse.Namespace], int]] = {
    "serve": _serve,
    "migrate": _migrate,
    "check-config": _check_config,
}


def _package(definition: ServiceDefinition[Any, Any]) -> str:
    assert definition.package is not None, f"{definition.name} has no database"
    return definition.package


def _fail(name: str, status: int, *reasons: str) -> int:
    for reason in reasons:
        sys.stderr.write(f"{name}: {reason}\n")
    return status
