"""The rules of billing: periods, invoices, rating, collection, dunning, activity files."""
