"""The rules of the ledger service: pure functions, no I/O, no generated code."""
