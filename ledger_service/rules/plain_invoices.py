"""Plain invoices: those of a call that surely nothing is wrong with, each for a period that was never billed.

Each of their lines is a plain draft.
"""

from collections.abc import Container, Sequence
from datetime import date
from functools import partial
from itertools import islice, repeat
from operator import le
from types import MappingProxyType
from typing import Final, NamedTuple

from ledger_service.rules.books import Books, Period
from ledger_service.rules.business_dates import FIRST_BUSINESS_DATE, last_business_date
from ledger_service.rules.documents import Document
from ledger_service.rules.drafts import Draft
from ledger_service.rules.invoice_line_types import INVOICE_LINE_TYPES
from ledger_service.rules.invoices import due_date
from ledger_service.rules.plain_drafts import (
    Columns,
    InvoiceColumns,
    PlainDrafts,
    SourceColumns,
    plain_drafts,
)
from ledger_service.rules.postings import NewInvoice
from ledger_service.rules.sources import NewInvoiceLine
from ledger_service.rules.transaction_types import TRANSACTION_TYPES, DocumentKind
from service_kit.money import CURRENCY_EXPONENTS

TYPES_OF_LINES: Final = MappingProxyType(
    {code: TRANSACTION_TYPES[line.transaction_type] for code, line in INVOICE_LINE_TYPES.items()}
)
"""By line type: whether a line is posted as a charge (21) or as a credit (22)."""


class LineColumns(NamedTuple):
    """What each line has of its own, invoice after invoice."""

    line_types: Sequence[int]
    descriptions: Sequence[str]
    amounts: Sequence[int]
    currencies: Sequence[str]


def plain_invoices(
    client_no: int, invoices: InvoiceColumns, lines: LineColumns, roles: Container[str], today: date
) -> PlainDrafts | None:
    """The invoices, if `check_invoice_lines` surely has nothing against any, and each has another period."""
    kinds = list(map(TYPES_OF_LINES.__getitem__, lines.line_types))
    periods = list(zip(repeat(client_no), *invoices[:4]))
    if not (
        all(TYPES_OF_LINES[line_type].required_role in roles for line_type in set(lines.line_types))
        and all(lines.amounts)
        and CURRENCY_EXPONENTS.keys() >= set(lines.currencies)
        and not any("\0" in text for text in set(lines.descriptions))
        and all(map(le, invoices.period_starts, invoices.period_ends))
        and min(invoices.invoice_dates) >= FIRST_BUSINESS_DATE
        and max(invoices.invoice_dates) <= last_business_date(today)
        and len(set(periods)) == len(periods)
    ):
        return None
    no_texts = [""] * len(kinds)
    columns = Columns(
        kinds,
        invoices.of_lines(invoices.acct_nos),
        invoices.of_lines(invoices.plan_instance_nos),
        lines.amounts,
        lines.currencies,
        invoices.of_lines(invoices.invoice_dates),
        no_texts,
        no_texts,
    )
    line_nos = [number for count in invoices.line_counts for number in range(1, count + 1)]
    rows = SourceColumns(
        range(len(kinds)), columns.acct_nos, (lines.line_types, lines.descriptions, line_nos)
    )
    return plain_drafts(
        client_no,
        columns,
        {"gl_detail": rows},
        {"periods": periods},
        partial(_documents, client_no, columns, invoices, lines, roles),
        invoices,
    )


def _documents(
    client_no: int, columns: Columns, invoices: InvoiceColumns, lines: LineColumns, roles: Container[str]
) -> list[Document]:
    sources = map(
        NewInvoiceLine,
        lines.line_types,
        lines.descriptions,
        invoices.of_lines(invoices.period_starts),
        invoices.of_lines(invoices.period_ends),
    )
    drafts = map(Draft, *columns, sources)
    return [
        Document(client_no, DocumentKind.INVOICE, list(islice(drafts, count)), roles)
        for count in invoices.line_counts
    ]


def make_invoices(drafts: PlainDrafts, books: Books) -> list[NewInvoice]:
    """Make the invoices of drafts that were entered, each the first of its billing period."""
    invoices, columns, client_no = drafts.invoices, drafts.columns, drafts.client_no
    if invoices is None:
        return []
    accounts = [books.accounts[client_no, acct_no] for acct_no in invoices.acct_nos]
    days_and_accounts = zip(invoices.invoice_dates, accounts, strict=True)
    effects = (kind.effect * amount for kind, amount in zip(columns.types, columns.amounts, strict=True))
    made = list(
        map(
            NewInvoice,
            repeat(client_no),
            invoices.acct_nos,
            invoices.plan_instance_nos,
            invoices.period_starts,
            invoices.period_ends,
            repeat(1),
            invoices.invoice_dates,
            [due_date(day, account.payment_term_days) for day, account in days_and_accounts],
            [sum(islice(effects, lines)) for lines in invoices.line_counts],
            [account.currency for account in accounts],
        )
    )
    periods = zip(drafts.names["periods"], made, strict=True)
    books.enter_all(books.periods, {period: Period(1, invoice) for period, invoice in periods})
    return made
