"""Processes are killed here, on purpose."""
