"""Generated stubs of `tallybook.payments.v1`."""
