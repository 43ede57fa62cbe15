"""The hash by which an event stands in the log's Merkle tree."""

from hashlib import sha256
from typing import Final

_LEAF_PREFIX: Final = b"\x00"
"""Keeps a leaf from being taken for an inner node, whose prefix is 0x01."""


def leaf_hash(event: bytes) -> bytes:
    """SHA-256(0x00 || event), 32 bytes, over the exact stored bytes (RFC 6962, section 2.1)."""
    return sha256(_LEAF_PREFIX + event).digest()
