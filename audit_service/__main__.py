"""python -m audit_service [serve|migrate|check-config|rederive]"""

import sys

from audit_service.rederivation import run_rederive
from audit_service.service import AUDIT
from service_kit.cli import main

if __name__ == "__main__":
    sys.exit(main(AUDIT, commands={"rederive": run_rederive}))
