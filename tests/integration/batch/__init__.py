"""The batch engine on a real database, with real workers."""
