"""What tests stand on: a real PostgreSQL, servers, clients, and a small service to try the kit with."""
