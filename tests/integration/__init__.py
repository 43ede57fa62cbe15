"""Services and stores against a real PostgreSQL and real sockets."""
