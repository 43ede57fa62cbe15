"""Alembic's environment of the batch service."""

from batch_service import tables  # noqa: F401  # fills the metadata
from batch_service.metadata import metadata
from service_kit.migrations import run_in_environment

run_in_environment(metadata)
