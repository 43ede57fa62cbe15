"""The contracts of the audit service, translated to the domain and back."""
