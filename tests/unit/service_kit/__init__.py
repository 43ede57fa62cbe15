"""The rules of the service kit."""
