"""The rules of the ledger without a database."""
