"""What can be asked about accounts, answered in the domain's terms."""

from collections.abc import Sequence
from datetime import date
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from ledger_service import store_reads
from ledger_service.aging import AccountAging, AgingQuery, list_aging
from ledger_service.day_sums import DaySums
from ledger_service.rules.refusals import account_not_found
from ledger_service.rules.statements import (
    MOST_LINES,
    Statement,
    compose_statement,
    require_period,
    require_readable,
)
from ledger_service.store_reads import Account, AccountBalance, AccountBalances
from service_kit.database import driver_connection
from service_kit.errors import DomainError, ErrorKind

Found = TypeVar("Found")


class AccountReader:
    """Reads accounts and writes nothing. Where one account is asked for and missing: ACCOUNT_NOT_FOUND."""

    def __init__(self, engine: AsyncEngine, lookups: AsyncEngine, day_sums: DaySums) -> None:
        """lookups: connections with LOOKUP_SETTINGS."""
        # One statement is a state of the books by itself: no transaction is begun for it.
        self._engine = store_reads.single_statements_of(engine)
        self._snapshots = store_reads.snapshot_of(engine)
        self._lookups = lookups
        self._snapshot_lookups = store_reads.snapshot_of(lookups)
        self._day_sums = day_sums

    async def account(self, client_no: int, acct_no: int) -> Account:
        """The account with this number."""
        async with self._engine.connect() as connection:
            return _existing(
                await store_reads.find_account(connection, client_no, acct_no), client_no, acct_no
            )

    async def account_by_external_id(self, client_no: int, external_id: str) -> Account:
        """The account with the caller's own identifier."""
        async with self._engine.connect() as connection:
            account = await store_reads.find_account_by_external_id(connection, client_no, external_id)
        if account is None:
            raise DomainError(
                ErrorKind.NOT_FOUND,
                "ACCOUNT_NOT_FOUND",
                f"client {client_no} has no account with the external_id {external_id!r}",
                metadata={"external_id": external_id},
            )
        return account

    async def accounts(self, client_no: int, *, after: int, limit: int) -> list[Account]:
        """The first accounts with a number above `after`, by number."""
        async with self._engine.connect() as connection:
            return await store_reads.list_accounts(connection, client_no, after=after, limit=limit)

    async def balances_now(self, client_no: int, acct_no: int) -> AccountBalances:
        """The balances of an account and its plan instances, as they are stored."""
        async with driver_connection(self._lookups) as connection:
            return _existing(
                await store_reads.balances_now(connection, client_no, acct_no), client_no, acct_no
            )

    async def balances_at_date(self, client_no: int, acct_no: int, as_of: date) -> AccountBalances:
        """Counting what takes effect on `as_of` or earlier, whenever it was recorded."""
        async with driver_connection(self._lookups) as connection:
            found, counted = await store_reads.balances_at_date(connection, client_no, acct_no, as_of)
        self._day_sums.counted(client_no, acct_no, counted)
        return _existing(found, client_no, acct_no)

    async def balances_at_event(self, client_no: int, acct_no: int, event_no: int) -> AccountBalances:
        """Counting what was recorded up to `event_no`, whenever it takes effect."""
        async with driver_connection(self._lookups) as connection:
            found = await store_reads.balances_at_event(connection, client_no, acct_no, event_no)
        return _existing(found, client_no, acct_no)

    async def balances_of(self, client_no: int, acct_nos: Sequence[int]) -> list[AccountBalance]:
        """The stored balances of those accounts that exist, in this order."""
        async with self._engine.connect() as connection:
            return await store_reads.balances_of_accounts(connection, client_no, acct_nos)

    async def aging(self, query: AgingQuery, limit: int) -> list[AccountAging]:
        """The first `limit` accounts that the query selects, by number."""
        async with self._snapshots.connect() as snapshot:
            return await list_aging(snapshot, query, limit)

    async def statement(
        self, client_no: int, acct_no: int, period_start: date, period_end: date
    ) -> tuple[Account, Statement]:
        """The account and its statement for a period, from the first day to the last."""
        require_period(period_start, period_end)
        async with self._snapshot_lookups.connect() as snapshot:
            account = _existing(
                await store_reads.find_account(snapshot, client_no, acct_no), client_no, acct_no
            )
            opening_balance, counted = await store_reads.balance_before(
                snapshot, client_no, acct_no, period_start
            )
            transactions = await store_reads.transactions_within(
                snapshot, client_no, acct_no, period_start, period_end, MOST_LINES + 1
            )
        self._day_sums.counted(client_no, acct_no, counted)
        require_readable(len(transactions), period_start, period_end)
        return account, compose_statement(opening_balance, transactions)


def _existing(found: Found | None, client_no: int, acct_no: int) -> Found:
    if found is None:
        raise account_not_found(client_no, acct_no)
    return found
