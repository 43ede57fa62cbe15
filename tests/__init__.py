"""The tests of Tallybook."""

import service_kit  # noqa: F401  # before gRPC
