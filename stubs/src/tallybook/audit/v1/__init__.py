"""Generated stubs of `tallybook.audit.v1`."""
