"""Generated stubs of `tallybook`."""
