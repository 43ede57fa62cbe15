"""Alembic's environment: the kit runs it."""

from audit_service.tables import metadata
from service_kit.migrations import run_in_environment

run_in_environment(metadata)
