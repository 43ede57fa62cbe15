"""The rules of the batch engine."""
