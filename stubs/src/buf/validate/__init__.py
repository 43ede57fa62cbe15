"""The schema of protovalidate's rules, for stubs that import it."""
