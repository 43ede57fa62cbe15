"""The audit service: the append-only, provable log of what happened, and its search."""
