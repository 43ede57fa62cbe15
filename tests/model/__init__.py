"""The ledger beside a model of it: the same random operations, and the same answers."""
