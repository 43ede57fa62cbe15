"""python -m ledger_service [serve|migrate|check-config]"""

import sys

from ledger_service.service import LEDGER
from service_kit.cli import main

if __name__ == "__main__":
    sys.exit(main(LEDGER))
