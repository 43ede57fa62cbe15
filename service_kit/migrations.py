"""Alembic for every service: explicit, brief in its locks, safe to run twice at once, and it grants least
rights.
"""

from sqlalchemy import MetaData


class MigrationError(Exception):
    """A migration could not run, or the schema does not fit; the message says what to do."""


async def upgrade(service_package: str, database_url: str, runtime_role: str | None) -> str:
    """Bring the schema to head, then apply the grants; returns the revision.

    The grants come from the metadata of `<service_package>.tables`: each `Table.info["grants"]`, e.g.
    "SELECT, INSERT" (required: an append-only table names no UPDATE), and `MetaData.info["grants"]`, a
    mapping of the names of what else the migrations create (views, foreign tables of a library) to their
    grants.
    """
    raise NotImplementedError


async def current(database_url: str) -> str | None:
    """The revision of the schema, None when no migration ran."""
    raise NotImplementedError


async def check(service_package: str, database_url: str) -> list[str]:
    """How the schema at head differs from tables.py, one line each; empty when they agree. For a test."""
    raise NotImplementedError


def run_in_environment(metadata: MetaData) -> None:
    """What the env.py of a service calls; its other lines import this and its metadata."""
    raise NotImplementedError
