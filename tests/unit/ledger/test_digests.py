"""The digest of a commit group, as its documentation says it, computed here in another way."""

import hashlib
from datetime import UTC, date, datetime

from ledger_service.rules.digests import TransactionRow, group_digest, part_digest

ROW: TransactionRow = (
    1, 1_000, 7, None, -2, 45_678, 500, "USD", date(2026, 3, 4), datetime(2026, 3, 4, 5, 6, 7, 8, tzinfo=UTC),
    999, "REASON", "öffnen",
)  # fmt: skip


def spelled_out(row: TransactionRow) -> bytes:
    """The bytes of a transaction, field by field."""

    def integer(value: int | None, size: int) -> bytes:
        return (value or 0).to_bytes(size, "big", signed=True)

    days = row[8].toordinal()
    microseconds = round((row[9] - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1_000_000)
    return b"".join(
        [
            *(integer(value, 8) for value in row[:4]),
            integer(row[4], 2),
            integer(row[5], 8),
            integer(row[6], 8),
            row[7].encode("ascii"),
            integer(days, 4),
            integer(microseconds, 8),
            integer(row[10], 8),
            (row[11] or "").encode() + b"\0",
            (row[12] or "").encode() + b"\0",
        ]
    )


def test_a_part_is_hashed_over_its_rows_as_documented() -> None:
    plain: TransactionRow = (*ROW[:3], 3, 2, *ROW[5:10], None, None, None)
    expected = hashlib.sha256(spelled_out(ROW) + spelled_out(plain)).digest()
    assert part_digest([ROW, plain]) == expected


def test_a_known_answer_so_that_no_later_version_reads_old_digests_wrongly() -> None:
    assert part_digest([ROW]).hex() == "1ccf78cbbe65366a185d112f55a658bf0b8ae7646dca90e20b8d76423f778165"


def test_a_group_is_hashed_over_its_parts() -> None:
    parts = [(1, b"a" * 32), (2, b"b" * 32)]
    spelled = (1).to_bytes(8, "big") + b"a" * 32 + (2).to_bytes(8, "big") + b"b" * 32
    assert group_digest(parts) == hashlib.sha256(spelled).digest()


def test_every_column_counts() -> None:
    digests = {part_digest([ROW])}
    for place, value in enumerate(ROW):
        other: object
        if isinstance(value, int) or value is None:
            other = (value or 0) + 1
        elif isinstance(value, str):
            other = value.swapcase()
        elif isinstance(value, datetime):
            other = value.replace(microsecond=9)
        else:
            other = value.replace(day=5)
        changed = (*ROW[:place], other, *ROW[place + 1 :])
        digests.add(part_digest([changed]))  # type: ignore[list-item]
    assert len(digests) == len(ROW) + 1
