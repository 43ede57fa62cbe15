"""What can be asked about closed statements, answered in the domain's terms."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy.ext.asyncio import AsyncEngine

from ledger_service import store_statements
from ledger_service.rules import refusals
from ledger_service.rules.closed_statements import ClosedStatement
from ledger_service.rules.transactions import Transaction
from ledger_service.store_reads import snapshot_of
from ledger_service.store_statements import StatementFilter
from service_kit.database import raw_connection


@dataclass(frozen=True, slots=True)
class StatementPage:
    """A closed statement with some of its transactions, and the totals of all of them in minor units."""

    statement: ClosedStatement
    transactions: Sequence[Transaction]
    total_charges: int
    total_credits: int


class StatementReader:
    """Reads closed statements."""

    def __init__(self, lookups: AsyncEngine) -> None:
        """lookups: connections with LOOKUP_SETTINGS."""
        self._snapshots = snapshot_of(lookups)

    async def statement(
        self, client_no: int, statement_no: int, *, after: tuple[date, int], limit: int
    ) -> StatementPage:
        """A statement with its first transactions after a date and event_no; STATEMENT_NOT_FOUND."""
        async with self._snapshots.begin() as snapshot:
            driver = await raw_connection(snapshot)
            statement = await store_statements.find_statement(driver, client_no, statement_no)
            if statement is None:
                raise refusals.statement_not_found(client_no, statement_no)
            transactions = await store_statements.transactions_on(driver, statement, after=after, limit=limit)
            charges, credits_ = await store_statements.totals_of(driver, statement)
        return StatementPage(statement, transactions, charges, credits_)

    async def statements(
        self, wanted: StatementFilter, *, before_statement_no: int, limit: int
    ) -> Sequence[ClosedStatement]:
        """At most `limit` statements with lower numbers than `before_statement_no`, newest first."""
        async with self._snapshots.begin() as snapshot:
            return await store_statements.list_statements(
                await raw_connection(snapshot), wanted, before_statement_no, limit
            )
