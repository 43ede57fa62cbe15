"""The ledger through its contract, on a real database."""
