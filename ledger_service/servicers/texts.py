"""Texts that the database can hold. UTF-8 is the contract's own part; only NUL is left."""

from ledger_service.rules import refusals


def storable(text: str, field: str) -> str:
    """The text; INVALID_REQUEST about `field` when it has a NUL, which PostgreSQL's text can't hold."""
    if "\0" in text:
        raise refusals.text_with_nul(field)
    return text
