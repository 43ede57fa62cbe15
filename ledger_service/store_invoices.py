"""Reads invoices and their lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from service_kit.database import RawConnection


@dataclass(frozen=True, slots=True)
class Invoice:
    """A stored invoice. `total` in minor units; `plan_instance_no` 0 where the account itself is billed."""

    client_no: int
    invoice_no: int
    acct_no: int
    plan_instance_no: int
    billing_period_start: date
    billing_period_end: date
    invoice_date: date
    due_date: date
    total: int
    currency_code: str
    created_at: datetime
    voided: bool


@dataclass(frozen=True, slots=True)
class InvoiceLineItem:
    """A line of an invoice with its transaction. `amount` in minor units, positive."""

    invoice_detail_no: int
    event_no: int
    line_type: int
    description: str
    amount: int


@dataclass(frozen=True, slots=True)
class InvoiceFilter:
    """What a list of invoices is limited to; 0 and None are no limit. Both days are included."""

    client_no: int
    acct_no: int
    invoice_from: date | None
    invoice_to: date | None


_INVOICE: Final = """
    SELECT client_no,
           invoice_no,
           acct_no,
           coalesce(plan_instance_no, 0),
           billing_period_start,
           billing_period_end,
           invoice_date,
           coalesce((SELECT re_aged.due_date
                       FROM invoice_due_date AS re_aged
                      WHERE re_aged.client_no = invoice.client_no
                        AND re_aged.invoice_no = invoice.invoice_no
                      ORDER BY re_aged.event_no DESC
                      LIMIT 1), invoice.due_date),
           total,
           currency_code,
           created_at,
           EXISTS (SELECT FROM invoice_void
                    WHERE invoice_void.client_no = invoice.client_no
                      AND invoice_void.invoice_no = invoice.invoice_no)
      FROM invoice
"""

_INVOICE_BY_NUMBER: Final = _INVOICE + " WHERE client_no = $1 AND invoice_no = $2"

# The lines are the transactions with the numbers of the invoice's range.
_LINES: Final = """
    SELECT detail.invoice_detail_no, line.event_no, detail.line_type, detail.description, line.amount
      FROM invoice
      JOIN acct_transaction AS line
        ON line.client_no = invoice.client_no
       AND line.event_no BETWEEN invoice.first_event_no AND invoice.last_event_no
      JOIN gl_detail AS detail
        ON detail.client_no = line.client_no
       AND detail.invoice_detail_no = line.source_no
     WHERE invoice.client_no = $1
       AND invoice.invoice_no = $2
     ORDER BY line.event_no
"""


async def find_invoice(connection: RawConnection, client_no: int, invoice_no: int) -> Invoice | None:
    """The invoice with this number, if the client has it."""
    row = await connection.fetchrow(_INVOICE_BY_NUMBER, client_no, invoice_no)
    return None if row is None else Invoice(*row)


async def read_lines(connection: RawConnection, client_no: int, invoice_no: int) -> list[InvoiceLineItem]:
    """The lines of an invoice, in order."""
    return [InvoiceLineItem(*row) for row in await connection.fetch(_LINES, client_no, invoice_no)]


async def list_invoices(
    connection: RawConnection, wanted: InvoiceFilter, before_invoice_no: int, limit: int
) -> Sequence[Invoice]:
    """At most `limit` invoices with numbers below `before_invoice_no`, newest first."""
    conditions: list[tuple[str, Any]] = [
        ("client_no =", wanted.client_no),
        ("invoice_no <", before_invoice_no),
    ]
    # Only what is asked for is in the statement, so that its plan has the index for it.
    if wanted.acct_no:
        conditions.append(("acct_no =", wanted.acct_no))
    if wanted.invoice_from is not None:
        conditions.append(("invoice_date >=", wanted.invoice_from))
    if wanted.invoice_to is not None:
        conditions.append(("invoice_date <=", wanted.invoice_to))
    where = " AND ".join(f"{condition} ${place}" for place, (condition, _) in enumerate(conditions, 1))
    values = [value for _, value in conditions]
    statement = f"{_INVOICE} WHERE {where} ORDER BY invoice_no DESC LIMIT ${len(values) + 1}"
    return [Invoice(*row) for row in await connection.fetch(statement, *values, limit)]
