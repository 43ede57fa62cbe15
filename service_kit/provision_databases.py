"""python -m service_kit.provision_databases SERVICE ...: create the databases that the services name.

A service is told where its database is, and so is this: it reads TALLYBOOK_<SERVICE>_DATABASE_URL and
TALLYBOOK_<SERVICE>_MIGRATION_DATABASE_URL, and creates what they name, with their passwords, on the server of
TALLYBOOK_ADMIN_DATABASE_URL. Run again, it creates what is missing and sets the passwords anew.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

import asyncpg

from service_kit.database import DatabaseUnavailableError
from service_kit.migrations import wait_until_reachable
from service_kit.provisioning import ServiceDatabase, provision
from service_kit.settings import EX_CONFIG

EX_UNAVAILABLE = 69
_ADMIN = "TALLYBOOK_ADMIN_DATABASE_URL"
_WAIT_SECONDS = 60.0


class EnvironmentFaultError(Exception):
    """A variable is missing, or two contradict each other; the message says which."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to create for one service."""

    database: ServiceDatabase
    passwords: Mapping[str, str]


def main(arguments: list[str] | None = None) -> int:
    """Provision; the exit status is 78 for a wrong environment, 69 when the server can't be reached."""
    parser = argparse.ArgumentParser(prog="python -m service_kit.provision_databases", description=__doc__)
    parser.add_argument("services", nargs="+", metavar="SERVICE", help="ledger, batch, audit")
    services = parser.parse_args(arguments).services
    try:
        orders = [order_of(service, os.environ) for service in services]
        asyncio.run(_provision(_variable(os.environ, _ADMIN), orders))
    except EnvironmentFaultError as fault:
        sys.stderr.write(f"{fault}\n")
        return EX_CONFIG
    except DatabaseUnavailableError as fault:
        sys.stderr.write(f"{_ADMIN}: {fault}\n")
        return EX_UNAVAILABLE
    except asyncpg.PostgresError as fault:
        sys.stderr.write(f"{_ADMIN}: {fault}\n")
        return EX_CONFIG
    return 0


def order_of(service: str, environment: Mapping[str, str]) -> Order:
    """What the environment of `service` ("ledger") names; EnvironmentFaultError when it does not fit."""
    prefix = f"TALLYBOOK_{service.upper()}"
    runtime = urlsplit(_variable(environment, f"{prefix}_DATABASE_URL"))
    owner = urlsplit(_variable(environment, f"{prefix}_MIGRATION_DATABASE_URL"))
    if runtime.path != owner.path:
        raise EnvironmentFaultError(
            f"{prefix}_DATABASE_URL and {prefix}_MIGRATION_DATABASE_URL name two databases"
        )
    name = unquote(runtime.path.removeprefix("/"))
    if not (name and runtime.username and owner.username):
        raise EnvironmentFaultError(f"{prefix}_DATABASE_URL: a role and a database are required")
    database = ServiceDatabase(name, owner=_role(owner), runtime_role=_role(runtime))
    passwords = {_role(url): unquote(url.password) for url in (owner, runtime) if url.password}
    return Order(database, passwords)


def _role(url: SplitResult) -> str:
    return unquote(url.username or "")


def _variable(environment: Mapping[str, str], name: str) -> str:
    if not environment.get(name):
        raise EnvironmentFaultError(f"{name}: required")
    return environment[name]


async def _provision(admin_url: str, orders: list[Order]) -> None:
    await wait_until_reachable(admin_url, _WAIT_SECONDS)
    for order in orders:
        await provision(admin_url, [order.database], passwords=order.passwords)


if __name__ == "__main__":
    sys.exit(main())
