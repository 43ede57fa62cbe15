"""The rules beneath the ledger's reads."""
