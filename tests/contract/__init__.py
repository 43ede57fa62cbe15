"""What the contracts promise of every RPC, whatever it does."""
