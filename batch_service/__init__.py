"""The batch service: schedules, sessions and per-record outcomes of the nightly processes."""

import service_kit  # noqa: F401  # before gRPC
