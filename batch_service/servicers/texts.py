"""Texts that the database can hold. UTF-8 is the contract's own part; only NUL is left."""

from service_kit.errors import invalid_field


def storable(value: str, field: str) -> str:
    """The text; INVALID_REQUEST about `field` when it has a NUL, which PostgreSQL's text can't hold."""
    if "\0" in value:
        raise invalid_field(field, "must not contain the character NUL")
    return value
