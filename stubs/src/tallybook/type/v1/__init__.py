"""Generated stubs of `tallybook.type.v1`."""
