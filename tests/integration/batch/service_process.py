"""A batch service of its own for the staged processes: python -m tests.integration.batch.service_process."""

import sys

from batch_service.service import batch_definition
from service_kit.cli import main
from tests.integration.batch.staged_processes import staged_processes

if __name__ == "__main__":
    sys.exit(main(batch_definition(staged_processes)))
