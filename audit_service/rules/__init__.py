"""The rules of the audit service: pure functions, no I/O, no generated code."""
