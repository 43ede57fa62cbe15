"""Where Alembic starts."""

from service_kit.migrations import run_in_environment
from tests.support.echo_service.tables import metadata

run_in_environment(metadata)
