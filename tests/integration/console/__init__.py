"""The command against services that really run."""
