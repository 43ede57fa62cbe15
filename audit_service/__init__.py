"""The audit service: the append-only, provable log of what happened, and its search."""

import service_kit  # noqa: F401  # before gRPC
