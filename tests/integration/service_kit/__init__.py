"""The service kit on real sockets, signals and databases."""
