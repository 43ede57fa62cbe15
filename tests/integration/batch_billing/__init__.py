"""The billing processes, against a real PostgreSQL, the real ledger and the sandbox gateway, over gRPC."""
