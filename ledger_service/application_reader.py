"""What can be asked about open items and applications, answered in the domain's terms."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncEngine

from ledger_service import store_applications
from ledger_service.rules import refusals
from ledger_service.rules.applications import Item
from ledger_service.store_applications import ItemKey, StoredApplication
from ledger_service.store_reads import single_statements_of
from service_kit.database import raw_connection


class ApplicationReader:
    """Reads which credit paid which charge, and what is open."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = single_statements_of(engine)

    async def open_items(
        self, client_no: int, acct_no: int, *, after: ItemKey, limit: int
    ) -> tuple[str, Sequence[Item]]:
        """The currency of an account, and its first open items after one of them; ACCOUNT_NOT_FOUND."""
        async with self._engine.connect() as connection:
            driver = await raw_connection(connection)
            currency = await store_applications.currency_of(driver, client_no, acct_no)
            if currency is None:
                raise refusals.account_not_found(client_no, acct_no)
            return currency, await store_applications.list_open_items(
                driver, client_no, acct_no, after=after, limit=limit
            )

    async def applications(
        self, client_no: int, of: str, number: int, *, after: int, limit: int
    ) -> Sequence[StoredApplication]:
        """The first applications with a number above `after`, by number. `of`: acct_no, credit_event_no or
        charge_event_no, and `number` that of it.
        """
        async with self._engine.connect() as connection:
            return await store_applications.list_applications(
                await raw_connection(connection), client_no, of, number, after=after, limit=limit
            )
