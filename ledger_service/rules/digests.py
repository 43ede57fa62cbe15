"""The digests of commit groups: what they are taken over, byte by byte.

The digest of a client's part of a group is SHA-256 over its transactions in the order of event_no. A
transaction is

    client_no, event_no, acct_no, plan_instance_no    4 x 8 bytes, plan_instance_no 0 for none
    transaction_type                                  2 bytes
    source_no, amount                                 2 x 8 bytes
    currency_code                                     3 bytes, ASCII
    effective_date                                    4 bytes, days: 0001-01-01 is day 1
    created_at                                        8 bytes, microseconds since 1970-01-01T00:00:00Z
    related_event_no                                  8 bytes, 0 for none
    reason_code, comment                              UTF-8, each followed by a zero byte (none contains one)

with integers signed, in two's complement, most significant byte first. The digest of the group is SHA-256
over its parts in the order of client_no, each as client_no (8 bytes) and digest (32 bytes).
"""

import hashlib
import struct
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

TransactionRow = tuple[
    int, int, int, int | None, int, int, int, str, date, datetime, int | None, str | None, str | None
]
"""The columns of acct_transaction, in their order."""

_TRANSACTION: Final = struct.Struct(">qqqqhqq3siqq")
_PART: Final = struct.Struct(">q32s")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NO_TEXTS: Final = b"\0\0"


def part_digest(rows: Sequence[TransactionRow]) -> bytes:
    """The digest of one client's rows, which are given in the order of event_no."""
    pieces: list[bytes] = []
    instant, microseconds = _EPOCH, 0
    for row in rows:
        (
            client_no, event_no, acct_no, plan_instance_no, code, source_no, amount, currency, effective_date,
            created_at, related_event_no, reason_code, comment,
        ) = row  # fmt: skip
        if created_at is not instant:
            # All rows of a group have one instant, so this is worked out once.
            instant, microseconds = created_at, (created_at - _EPOCH) // _MICROSECOND
        pieces.append(
            _TRANSACTION.pack(
                client_no,
                event_no,
                acct_no,
                plan_instance_no or 0,
                code,
                source_no,
                amount,
                currency.encode(),
                effective_date.toordinal(),
                microseconds,
                related_event_no or 0,
            )
        )
        if reason_code or comment:
            pieces.append(f"{reason_code or ''}\0{comment or ''}\0".encode())
        else:
            pieces.append(_NO_TEXTS)
    return hashlib.sha256(b"".join(pieces)).digest()


def group_digest(parts: Iterable[tuple[int, bytes]]) -> bytes:
    """The digest of a group, from client and digest of each of its parts in the order of client_no."""
    return hashlib.sha256(b"".join(_PART.pack(client_no, digest) for client_no, digest in parts)).digest()
