"""Alembic's environment: the kit runs it."""

from ledger_service.tables import metadata
from service_kit.migrations import run_in_environment

run_in_environment(metadata)
