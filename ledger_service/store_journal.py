"""Reads the journal for an export: lines by event_no, page after page, within one snapshot."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from service_kit.database import RawConnection


@dataclass(frozen=True, slots=True)
class JournalRange:
    """Which lines; both days of a range are within it, None is no limit. Recording goes by days of UTC."""

    client_no: int
    effective_from: date | None
    effective_to: date | None
    recorded_from: date | None
    recorded_to: date | None


class JournalLine(NamedTuple):
    """One side of a transaction; the amount is in minor units. 0 and "": there is none."""

    event_no: int
    line_no: int
    gl_account: str
    amount: int
    currency_code: str
    transaction_type: int
    effective_date: date
    recorded_at: datetime
    acct_no: int
    plan_instance_no: int
    source_no: int
    invoice_no: int
    line_type: int
    voids_event_no: int


# A line of an invoice knows its invoice by itself; write-offs and credit memos by their source rows.
_LINES: Final = """
    SELECT j.event_no,
           j.line_no,
           coalesce(j.gl_account, ''),
           j.debit + j.credit,
           j.currency_code,
           j.transaction_type,
           j.effective_date,
           j.created_at,
           j.acct_no,
           coalesce(j.plan_instance_no, 0),
           j.source_no,
           coalesce(j.invoice_no, written_off.invoice_no, memo.invoice_no, 0),
           coalesce(j.line_type, 0),
           CASE WHEN j.transaction_type < 0 THEN coalesce(j.related_event_no, 0) ELSE 0 END
      FROM journal AS j
      LEFT JOIN transaction_type AS kind ON kind.code = j.transaction_type
      LEFT JOIN write_offs AS written_off
        ON kind.source_table = 'write_offs'
       AND written_off.client_no = j.client_no
       AND written_off.write_off_no = j.source_no
      LEFT JOIN credit_memo AS memo
        ON kind.source_table = 'credit_memo'
       AND memo.client_no = j.client_no
       AND memo.cm_no = j.source_no
     WHERE j.client_no = $1
       AND j.event_no > $2
       AND j.event_no <= $3
       AND ($4::date IS NULL OR j.effective_date >= $4)
       AND ($5::date IS NULL OR j.effective_date <= $5)
       AND ($6::date IS NULL OR j.created_at >= $6::timestamp AT TIME ZONE 'UTC')
       AND ($7::date IS NULL OR j.created_at < ($7::date + 1)::timestamp AT TIME ZONE 'UTC')
     ORDER BY j.event_no, j.line_no
     LIMIT $8
"""

_LAST_EVENT_NO: Final = """
    SELECT event_no FROM acct_transaction WHERE client_no = $1 ORDER BY event_no DESC LIMIT 1
"""

# Both lines of a transaction are on one page, since every transaction has two.
LINES_OF_A_PAGE: Final = 2_000
# So many numbers a statement looks through at most, whatever the range leaves out of them.
_NUMBERS_OF_A_STATEMENT: Final = 200_000


async def journal_pages(
    snapshot: RawConnection, wanted: JournalRange
) -> AsyncIterator[Sequence[JournalLine]]:
    """All lines of the range, in pages; an empty page where a stretch of the books has none of them."""
    limits: Sequence[Any] = (
        wanted.effective_from,
        wanted.effective_to,
        wanted.recorded_from,
        wanted.recorded_to,
    )
    last = await snapshot.fetchval(_LAST_EVENT_NO, wanted.client_no) or 0
    after = 0
    while after < last:
        upto = min(after + _NUMBERS_OF_A_STATEMENT, last)
        rows = await snapshot.fetch(_LINES, wanted.client_no, after, upto, *limits, LINES_OF_A_PAGE)
        lines = [JournalLine(*row) for row in rows]
        yield lines
        after = lines[-1].event_no if len(lines) == LINES_OF_A_PAGE else upto
