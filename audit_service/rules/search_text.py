"""Text as the search stores and compares it."""

import unicodedata


def storable(text: str) -> str:
    """`text` without NUL, which a protobuf string may hold and PostgreSQL's text can't: shown as U+FFFD."""
    return text.replace("\0", "\ufffd")


def folded(text: str) -> str:
    """The form in which two texts that differ only in case, or in how accents are encoded, are the same.

    It does not depend on the locale of the database, as lower() and ILIKE do.
    """
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", storable(text)).casefold())
