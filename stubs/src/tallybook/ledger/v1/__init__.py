"""Generated stubs of `tallybook.ledger.v1`."""
