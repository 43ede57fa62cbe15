"""Commit groups: what a client's rows are judged against."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from ledger_service.rules.digests import TransactionRow, part_digest
from ledger_service.rules.verification import CommitPart, JournalTotals, judge_parts


def row(event_no: int) -> TransactionRow:
    day, instant = date(2026, 6, 1), datetime(2026, 6, 1, tzinfo=UTC)
    return (7, event_no, 1, None, 9, event_no, 100, "USD", day, instant, None, None, None)


def part(group_no: int, *event_nos: int) -> CommitPart:
    digest = part_digest([row(event_no) for event_no in event_nos])
    return CommitPart(group_no, event_nos[0], event_nos[-1], len(event_nos), digest)


PARTS = [part(1, 11, 12, 13), part(2, 17), part(3, 18, 19)]
ROWS = [row(event_no) for event_no in (11, 12, 13, 17, 18, 19)]


def test_rows_that_are_as_they_were_committed_have_no_fault() -> None:
    assert judge_parts(PARTS, ROWS) == []


@pytest.mark.parametrize(
    ("parts", "rows", "event_no", "message"),
    [
        (PARTS, [*ROWS[:1], *ROWS[2:]], 12, "1 of its transactions are missing, first event 12"),
        (PARTS, ROWS[:-1], 19, "1 of its transactions are missing, first event 19"),
        (PARTS, [row(5), *ROWS], 5, "event 5 is of no commit group"),
        (PARTS, [*ROWS[:3], row(14), *ROWS[3:]], 14, "event 14 is of no commit group"),
        (PARTS, [*ROWS, row(20)], 20, "event 20 is of no commit group"),
        (PARTS[1:], ROWS[2:], 13, "event 13 is of no commit group"),
        ([replace(PARTS[0], digest=b"?"), *PARTS[1:]], ROWS, 0, "not those that were committed"),
        ([PARTS[0], replace(PARTS[1], digest=b"?"), PARTS[2]], ROWS, 17, "not those that were committed"),
        ([replace(PARTS[0], transactions=2), *PARTS[1:]], ROWS, 0, "of 2 transactions, but has 3 event_nos"),
        ([*PARTS, part(4, 19)], ROWS, 0, "begins within the part before it, which ends with event 19"),
    ],
)
def test_a_fault_is_named_with_its_event(
    parts: list[CommitPart], rows: list[TransactionRow], event_no: int, message: str
) -> None:
    (finding,) = judge_parts(parts, rows)

    assert finding.event_no == event_no
    assert message in finding.message


def test_the_sides_of_the_journal_must_be_equal_in_each_currency() -> None:
    totals = JournalTotals()
    totals.add("USD", 700, 500)
    totals.add("EUR", 9, 7)
    totals.add("USD", 0, 200)

    (finding,) = totals.findings()

    assert finding.message == "in EUR the debits are 9 and the credits 7 minor units: they must be equal"
