"""The benchmarks at work."""
