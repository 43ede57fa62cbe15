"""The audit service, tested on PostgreSQL and over gRPC."""
