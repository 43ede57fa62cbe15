"""What a full check of a client's books looks for, and how what it read is judged.

The checks together prove what the one posting path promises. Where one promise follows from others it has
no check of its own: an account's balance is that of its plan instances and its own, because each stored
balance is the sum of its transactions, and each transaction is on a plan instance of its account.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from ledger_service.rules.digests import TransactionRow, part_digest
from ledger_service.rules.transaction_types import TRANSACTION_TYPES, DocumentKind


class Check(IntEnum):
    """What is checked; the numbers are those of the contract."""

    ACCOUNT_BALANCE = 1
    PLAN_INSTANCE_BALANCE = 2
    SOURCE_ROW = 3
    VOID_PAIR = 4
    JOURNAL = 5
    COMMIT_GROUP = 6
    DOCUMENT = 7
    APPLICATION = 8
    STATEMENT = 9


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault: what was expected and what was found, and where. 0: it concerns no one account, transaction
    ...
    """

    check: Check
    table: str
    message: str
    acct_no: int = 0
    plan_instance_no: int = 0
    event_no: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a check has come."""

    check: Check
    rows_checked: int
    complete: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """The end of a full check."""

    transactions: int
    accounts: int
    findings: int


def codes_of(*documents: DocumentKind) -> list[int]:
    """The transaction types that are parts of documents of these kinds."""
    return [row.code for row in TRANSACTION_TYPES.values() if row.document in documents]


# The types of which several transactions share a source row (rule 3): these are found by source_no, all
# others by the event_no that their source row names.
SHARED_SOURCE_TYPES: Final = codes_of(
    DocumentKind.TRANSFER, DocumentKind.TRANSFER_TARGET, DocumentKind.REVERSAL, DocumentKind.CREDIT_MEMO
)

# Which type may take from which: a refund from its payment, a reversal from a charge to the customer, a
# line of a memo from a charge line of an invoice.
TAKES_FROM: Final[Mapping[int, frozenset[int]]] = MappingProxyType(
    {
        **{
            row.refundable_by: frozenset({row.code})
            for row in TRANSACTION_TYPES.values()
            if row.refundable_by is not None
        },
        **{
            code: frozenset(row.code for row in TRANSACTION_TYPES.values() if row.reversible)
            for code in codes_of(DocumentKind.REVERSAL)
        },
        **{
            code: frozenset(
                row.code
                for row in TRANSACTION_TYPES.values()
                if row.document is DocumentKind.INVOICE and row.is_charge
            )
            for code in codes_of(DocumentKind.CREDIT_MEMO)
        },
    }
)


@dataclass(frozen=True, slots=True)
class CommitPart:
    """What was recorded of a client's transactions when they were committed; see `digests`."""

    group_no: int
    first_event_no: int
    last_event_no: int
    transactions: int
    digest: bytes


def judge_parts(parts: Sequence[CommitPart], rows: Sequence[TransactionRow]) -> list[Finding]:
    """The faults of a client's rows, against the parts in which they were committed.

    `parts` and `rows` are in the order of event_no, and `rows` has all that there is of the parts.
    """
    findings = []
    event_nos = [row[1] for row in rows]
    judged, last_event_no = 0, 0
    for part in parts:
        start = bisect_left(event_nos, part.first_event_no)
        end = bisect_right(event_nos, part.last_event_no)
        findings += [_outside(event_no) for event_no in event_nos[judged:start]]
        if part.first_event_no <= last_event_no:
            findings.append(
                _of_part(part, f"it begins within the part before it, which ends with event {last_event_no}")
            )
        findings += _judge_part(part, rows[start:end])
        judged, last_event_no = end, part.last_event_no
    return [*findings, *map(_outside, event_nos[judged:])]


def _judge_part(part: CommitPart, rows: Sequence[TransactionRow]) -> Iterator[Finding]:
    event_nos = range(part.first_event_no, part.last_event_no + 1)
    if part.transactions != len(event_nos):
        yield _of_part(part, f"it is of {part.transactions} transactions, but has {len(event_nos)} event_nos")
        return
    missing = sorted(set(event_nos).difference(row[1] for row in rows))
    if missing:
        yield _of_part(
            part, f"{len(missing)} of its transactions are missing, first event {missing[0]}", missing[0]
        )
    # Without a row the digest can't be right: that would be the same fault again.
    elif (digest := part_digest(rows)) != part.digest:
        yield _of_part(
            part,
            f"its transactions are not those that were committed: their digest is {digest.hex()}, but the one"
            f" recorded is {part.digest.hex()}",
            part.first_event_no if len(event_nos) == 1 else 0,
        )


def _of_part(part: CommitPart, message: str, event_no: int = 0) -> Finding:
    where = f"commit group {part.group_no}, events {part.first_event_no} to {part.last_event_no}"
    return Finding(Check.COMMIT_GROUP, "commit_group_part", f"{where}: {message}", event_no=event_no)


def _outside(event_no: int) -> Finding:
    return Finding(
        Check.COMMIT_GROUP,
        "acct_transaction",
        f"event {event_no} is of no commit group: it was not posted by the ledger",
        event_no=event_no,
    )


class JournalTotals:
    """The sums of the journal's two sides by currency, as batches of it are read."""

    def __init__(self) -> None:
        self.debits: Counter[str] = Counter()
        self.credits: Counter[str] = Counter()

    def add(self, currency_code: str, debits: int, credits_: int) -> None:
        """Count a batch."""
        self.debits[currency_code] += debits
        self.credits[currency_code] += credits_

    def findings(self) -> list[Finding]:
        """One for each currency whose sides differ."""
        return [
            Finding(
                Check.JOURNAL,
                "journal",
                f"in {currency_code} the debits are {self.debits[currency_code]} and the credits"
                f" {self.credits[currency_code]} minor units: they must be equal",
            )
            for currency_code in sorted(self.debits.keys() | self.credits.keys())
            if self.debits[currency_code] != self.credits[currency_code]
        ]
