"""python -m batch_service [serve|worker|migrate|check-config]"""

import sys

from batch_service.service import BATCH
from batch_service.worker_command import run_worker
from service_kit.cli import main

if __name__ == "__main__":
    sys.exit(main(BATCH, commands={"worker": run_worker}))
