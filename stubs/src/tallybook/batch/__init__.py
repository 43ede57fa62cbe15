"""Generated stubs of `tallybook.batch`."""
