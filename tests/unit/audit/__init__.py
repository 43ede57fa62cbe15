"""The rules of the audit service, tested without a database."""
