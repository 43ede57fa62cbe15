"""The ledger service: accounts, transactions, balances, invoices."""

import service_kit  # noqa: F401  # before gRPC
