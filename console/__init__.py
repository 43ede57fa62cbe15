"""What people use: the `tallybook` command, a client of the contracts."""

import service_kit  # noqa: F401  # before gRPC
