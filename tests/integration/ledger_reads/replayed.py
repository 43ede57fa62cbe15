"""The applications of books that a test wrote by itself.

Each account's transactions are gone through in the order in which they were posted, by the rule that applies
them.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final

from ledger_service.rules.applications import AccountItems, Entry
from ledger_service.rules.transaction_types import TRANSACTION_TYPES, DocumentKind

HISTORY: Final = """
    SELECT t.client_no, t.acct_no, t.event_no, t.transaction_type, t.amount, t.effective_date,
           coalesce(r.due_date, i.due_date, t.effective_date) AS due_date,
           coalesce(d.invoice_no, w.invoice_no, 0) AS invoice_no,
           coalesce(t.related_event_no, 0) AS related_event_no, t.created_at
      FROM unnest($1::bigint[], $2::bigint[]) AS wanted (client_no, acct_no)
      JOIN acct_transaction AS t USING (client_no, acct_no)
      LEFT JOIN gl_detail AS d
        ON d.client_no = t.client_no
       AND d.invoice_detail_no = CASE WHEN t.transaction_type IN (21, 22, -21, -22) THEN t.source_no END
      LEFT JOIN invoice AS i ON i.client_no = t.client_no AND i.invoice_no = d.invoice_no
      LEFT JOIN write_offs AS w
        ON w.client_no = t.client_no
       AND w.write_off_no = CASE WHEN t.transaction_type = 6 THEN t.source_no END
      LEFT JOIN LATERAL (
           SELECT n.due_date
             FROM invoice_due_date AS n
            WHERE n.client_no = t.client_no AND n.invoice_no = d.invoice_no
            ORDER BY n.event_no DESC
            LIMIT 1) AS r ON true
     ORDER BY t.client_no, t.acct_no, t.event_no
"""

WRITE_APPLICATIONS: Final = """
    INSERT INTO application (client_no, acct_no, application_no, credit_event_no, charge_event_no, amount,
                             takes_back_no, by_event_no, effective_date, created_at)
    SELECT *
      FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
                  $7::bigint[], $8::bigint[], $9::date[], $10::timestamptz[])
"""

WRITE_ITEM_BALANCES: Final = """
    INSERT INTO item_balance (client_no, acct_no, queue, effective_date, event_no, transaction_type,
                              open_amount)
    SELECT *
      FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::date[], $5::bigint[], $6::smallint[],
                  $7::bigint[])
"""

# All that is open has a row of its own.
WRITE_MARKS: Final = """
    UPDATE account_balance AS balance
       SET waiting_after = balance.last_event_no,
           held = coalesce((SELECT sum(open_amount)
                              FROM item_balance AS item
                             WHERE item.client_no = balance.client_no
                               AND item.acct_no = balance.acct_no
                               AND item.queue = 3), 0)
     WHERE balance.client_no = $1 AND balance.acct_no = ANY ($2)
"""


def replay(
    history: Sequence[Any], first_application_no: int
) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """The rows of application and of item_balance that the rows of HISTORY come to."""
    applications: list[tuple[Any, ...]] = []
    open_items: list[tuple[Any, ...]] = []
    for (client_no, acct_no), rows in groupby(history, key=lambda row: (row[0], row[1])):
        items = AccountItems()
        posted_at: dict[int, Any] = {}
        for document in _documents(list(rows)):
            posted_at |= {row[2]: row[9] for row in document}
            items.post([_entry(row) for row in document])
        for application_no, made in enumerate(items.made, first_application_no + len(applications)):
            made.application_no = application_no
            applications.append(
                (
                    client_no,
                    acct_no,
                    application_no,
                    made.credit_event_no,
                    made.charge_event_no,
                    made.amount,
                    None if made.takes_back is None else made.takes_back.application_no,
                    made.by_event_no,
                    made.effective_date,
                    posted_at[made.by_event_no],
                )
            )
        open_items += [
            (
                client_no,
                acct_no,
                item.queue.value,
                item.effective_date,
                item.event_no,
                item.kind.code,
                item.open_amount,
            )
            for item in items.open_items()
        ]
    return applications, open_items


def _entry(row: Any) -> Entry:
    _, _, event_no, code, amount, effective_date, due_date, invoice_no, related_event_no, _ = row
    kind = TRANSACTION_TYPES[code]
    return Entry(event_no, kind, amount, effective_date, due_date, invoice_no, related_event_no)


def columns_of(rows: Sequence[Any]) -> tuple[list[Any], ...]:
    """One array a column, for unnest."""
    return tuple(list(column) for column in zip(*rows, strict=True))


def _documents(rows: Sequence[Any]) -> Iterator[list[Any]]:
    """What of an account was posted as one: an invoice, a refund with its reversals, or their voids."""
    document: list[Any] = []
    for row in rows:
        if document and not _belongs_to(document[-1], row):
            yield document
            document = []
        document.append(row)
    if document:
        yield document


def _belongs_to(before: Any, row: Any) -> bool:
    kind, kind_before = TRANSACTION_TYPES[row[3]], TRANSACTION_TYPES[before[3]]
    if kind.is_void != kind_before.is_void:
        return False
    if abs(kind.code) in _REVERSALS:
        return abs(kind_before.code) in _REFUNDS | _REVERSALS
    return abs(kind.code) in _LINES and abs(kind_before.code) in _LINES and row[7] == before[7]


def _codes(document: DocumentKind) -> frozenset[int]:
    return frozenset(row.code for row in TRANSACTION_TYPES.values() if row.document is document)


_REFUNDS: Final = _codes(DocumentKind.REFUND)
_REVERSALS: Final = _codes(DocumentKind.REVERSAL)
_LINES: Final = _codes(DocumentKind.INVOICE)
