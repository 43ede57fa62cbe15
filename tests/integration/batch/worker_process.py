"""A worker process of its own for the staged processes: python -m tests.integration.batch.worker_process."""

import sys

from batch_service.settings import BatchSettings
from batch_service.worker_command import run_worker
from tests.integration.batch.staged_processes import staged_processes

if __name__ == "__main__":
    sys.exit(run_worker(BatchSettings.load(), [], build=staged_processes))
