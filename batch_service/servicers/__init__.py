"""The contracts of the batch service, translated to the domain and back."""
