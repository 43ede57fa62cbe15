"""Generated stubs of `tallybook.ledger`."""
