"""The ledger service under cProfile: `python -m benchmarks.profiled_ledger serve`.

Writes what it found to the file in TALLYBOOK_BENCHMARK_PROFILE when it ends. The functions of asyncio, gRPC
and the driver that are written in C count for whoever called them.
"""

import cProfile
import os
import sys

from ledger_service.service import LEDGER
from service_kit.cli import main

if __name__ == "__main__":
    profile = cProfile.Profile()
    status = profile.runcall(main, LEDGER)
    if "serve" in sys.argv:
        profile.dump_stats(os.environ["TALLYBOOK_BENCHMARK_PROFILE"])
    sys.exit(status)
