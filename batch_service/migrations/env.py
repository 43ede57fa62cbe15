"""Alembic's environment of the batch service."""

from batch_service.tables import metadata
from service_kit.migrations import run_in_environment

run_in_environment(metadata)
