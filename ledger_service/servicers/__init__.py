"""The contracts of the ledger service, translated to the domain and back."""
