"""The ledger service: accounts, transactions, balances, invoices."""
