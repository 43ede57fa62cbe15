"""Generated stubs of `tallybook.batch.v1`."""
