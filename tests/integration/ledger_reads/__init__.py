"""What the ledger answers about its books, on a real database."""
