"""Accounts with their plans and payment methods from any CSV file: `columns` says what is where, `rows`
reads, `opening` asks the services.
"""
