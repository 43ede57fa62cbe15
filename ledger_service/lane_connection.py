"""The connection of a lane of the poster, kept from group to group, and with it its statements' plans."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from ledger_service.settings import LedgerSettings
from ledger_service.store_books import POSTING_SETTINGS
from service_kit.database import LOST_RACE, RawConnection, open_connection

# A plan is made for tables of the size that they have at that moment. In a book that has just been opened, to
# read a whole table is the cheapest plan, and the dearest when it has grown. PostgreSQL plans again when it
# has analysed a table, but that may be minutes away.
_FIRST_PLANS_SECONDS: Final = 1.0
_OLDEST_PLANS_SECONDS: Final = 300.0


class LaneConnection:
    """A connection that is opened when it is first needed. clock: seconds, for the age of plans."""

    def __init__(self, settings: LedgerSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._held: RawConnection | None = None
        self._plans_age = 0.0
        self._plans_until = 0.0

    @asynccontextmanager
    async def trusted(self) -> AsyncIterator[RawConnection]:
        """The connection, which is given up when anything but a lost race happens on it."""
        connection = await self._open()
        try:
            if self._clock() >= self._plans_until:
                await connection.execute("DISCARD PLANS")
                self._keep_plans(min(2 * self._plans_age, _OLDEST_PLANS_SECONDS))
            yield connection
        except LOST_RACE:
            raise
        except BaseException:
            connection.terminate()
            self._held = None
            raise

    async def aclose(self) -> None:
        """Close it."""
        held, self._held = self._held, None
        if held is not None:
            await held.close()

    async def _open(self) -> RawConnection:
        if self._held is None or self._held.is_closed():
            opened = await open_connection(self._settings, name="ledger poster")
            try:
                await opened.execute(POSTING_SETTINGS)
            except BaseException:
                opened.terminate()
                raise
            self._held = opened
            self._keep_plans(_FIRST_PLANS_SECONDS)
        return self._held

    def _keep_plans(self, seconds: float) -> None:
        self._plans_age = seconds
        self._plans_until = self._clock() + seconds
