"""Measurements against the raw limit of the same machine, in the same run: `python -m benchmarks`."""
