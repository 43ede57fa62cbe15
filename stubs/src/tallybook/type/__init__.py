"""Generated stubs of `tallybook.type`."""
