"""Measurements against the raw limit of the same machine, in the same run: `python -m benchmarks`."""

import service_kit  # noqa: F401  # before gRPC
