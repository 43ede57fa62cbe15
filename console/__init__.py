"""What people use: the `tallybook` command, a client of the contracts."""
