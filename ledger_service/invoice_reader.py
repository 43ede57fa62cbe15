"""What can be asked about invoices, answered in the domain's terms."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncEngine

from ledger_service import store_invoices
from ledger_service.rules import refusals
from ledger_service.store_invoices import Invoice, InvoiceFilter, InvoiceLineItem
from service_kit.database import raw_connection


class InvoiceReader:
    """Reads invoices and their lines."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def invoice(self, client_no: int, invoice_no: int) -> tuple[Invoice, Sequence[InvoiceLineItem]]:
        """An invoice and its lines, in order; INVOICE_NOT_FOUND."""
        async with self._engine.connect() as connection:
            driver = await raw_connection(connection)
            invoice = await store_invoices.find_invoice(driver, client_no, invoice_no)
            if invoice is None:
                raise refusals.invoice_not_found(client_no, invoice_no)
            return invoice, await store_invoices.read_lines(driver, client_no, invoice_no)

    async def account_of(self, client_no: int, invoice_no: int) -> int:
        """The account of an invoice; INVOICE_NOT_FOUND."""
        async with self._engine.connect() as connection:
            invoice = await store_invoices.find_invoice(
                await raw_connection(connection), client_no, invoice_no
            )
        if invoice is None:
            raise refusals.invoice_not_found(client_no, invoice_no)
        return invoice.acct_no

    async def invoices(
        self, wanted: InvoiceFilter, *, before_invoice_no: int, limit: int
    ) -> Sequence[Invoice]:
        """At most `limit` invoices with lower numbers than `before_invoice_no`, newest first."""
        async with self._engine.connect() as connection:
            return await store_invoices.list_invoices(
                await raw_connection(connection), wanted, before_invoice_no, limit
            )
