"""The batch processes: one module with one class each, and one line in the registry."""
