"""Generated stubs of `tallybook.audit`."""
