"""Generated stubs of `tallybook.payments`."""
