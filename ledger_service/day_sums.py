"""Sums up accounts by day, behind the calls that find that they have a long history.

A balance at a date counts the transactions on the nearer side of it. Where those were many, the account is
summed up afterwards, so that the next question reads a sum for each day and what was posted since. Who posts
takes no part in it, and who asks does not wait for it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from ledger_service.store_day_sums import sum_up
from service_kit.database import driver_connection

_log = structlog.get_logger()

MANY: Final = 1_000
"""So many transactions are read for a balance before the account is summed up."""

# Each may be on a page of its own, and a statement has its time limit.
_AT_ONCE: Final = 10_000
_MOST_WAITING: Final = 1_000


class DaySums:
    """Takes the accounts that are to be summed up; made by `running_day_sums`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        # In the order of their arrival, each once.
        self._waiting: dict[tuple[int, int], None] = {}
        self._wanted = asyncio.Event()

    def counted(self, client_no: int, acct_no: int, transactions: int) -> None:
        """So many transactions of an account were read for one balance."""
        # Whoever finds no place asks again when it is read the next time.
        if transactions > MANY and len(self._waiting) < _MOST_WAITING:
            self._waiting[client_no, acct_no] = None
            self._wanted.set()

    async def work(self) -> None:
        """Sum up what waits, one account after the other, for ever."""
        while True:
            await self._wanted.wait()
            while self._waiting:
                client_no, acct_no = next(iter(self._waiting))
                try:
                    await self._sum_up(client_no, acct_no)
                except Exception as failure:  # noqa: BLE001  # the balances are right without the sums, too
                    _log.warning("an account was not summed up by day", acct_no=acct_no, cause=str(failure))
                del self._waiting[client_no, acct_no]
            self._wanted.clear()

    async def _sum_up(self, client_no: int, acct_no: int) -> None:
        async with driver_connection(self._engine) as connection:
            while await sum_up(connection, client_no, acct_no, _AT_ONCE) == _AT_ONCE:
                pass


@asynccontextmanager
async def running_day_sums(engine: AsyncEngine) -> AsyncIterator[DaySums]:
    """Sums up accounts within the block."""
    day_sums = DaySums(engine)
    work = asyncio.create_task(day_sums.work())
    try:
        yield day_sums
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
