"""What can be asked about transactions, answered in the domain's terms."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy.ext.asyncio import AsyncEngine

from ledger_service import store_transactions
from ledger_service.rules import refusals
from ledger_service.rules.transactions import Transaction
from ledger_service.store_transactions import TransactionFilter
from service_kit.database import driver_connection


class TransactionReader:
    """Reads transactions with their source rows."""

    def __init__(self, lookups: AsyncEngine) -> None:
        """lookups: connections with LOOKUP_SETTINGS."""
        self._lookups = lookups

    async def transaction(self, client_no: int, event_no: int) -> Transaction:
        """The transaction with this number; TRANSACTION_NOT_FOUND."""
        async with driver_connection(self._lookups) as connection:
            found = await store_transactions.find_transaction(connection, client_no, event_no)
        if found is None:
            raise refusals.transaction_not_found(client_no, event_no)
        return found

    async def transactions_of(self, client_no: int, event_nos: Sequence[int]) -> list[Transaction]:
        """Those of the transactions that the client has, in this order."""
        async with driver_connection(self._lookups) as connection:
            found = await store_transactions.read_transactions(
                connection, [(client_no, event_no) for event_no in event_nos]
            )
        return [found[key] for event_no in event_nos if (key := (client_no, event_no)) in found]

    async def credit_memo_lines(self, client_no: int, cm_no: int) -> list[Transaction]:
        """The lines of a credit memo, in order; CREDIT_MEMO_NOT_FOUND."""
        async with driver_connection(self._lookups) as connection:
            lines = await store_transactions.credit_memo_lines(connection, client_no, cm_no)
        if not lines:
            raise refusals.credit_memo_not_found(client_no, cm_no)
        return lines

    async def disputes(
        self, client_no: int, acct_no: int, expires_to: date | None, *, after: tuple[date, int], limit: int
    ) -> list[Transaction]:
        """At most `limit` dispute holds that stand, by the day on which they are to be settled."""
        async with driver_connection(self._lookups) as connection:
            return await store_transactions.list_disputes(
                connection, client_no, acct_no, expires_to, after=after, limit=limit
            )

    async def transactions(
        self, wanted: TransactionFilter, *, before_event_no: int, limit: int
    ) -> list[Transaction]:
        """At most `limit` transactions with lower numbers than `before_event_no`, newest first."""
        async with driver_connection(self._lookups) as connection:
            return await store_transactions.list_transactions(connection, wanted, before_event_no, limit)
