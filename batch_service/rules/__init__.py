"""The rules of the batch service: pure functions, no I/O, no generated code."""
