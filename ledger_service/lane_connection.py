"""The connection of a lane of the poster, kept from group to group, and with it its statements' plans."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

from ledger_service.settings import LedgerSettings
from ledger_service.store_books import POSTING_SETTINGS
from service_kit.database import LOST_RACE, RawConnection, open_connection
from service_kit.plan_age import FORGET_PLANS, PlanAge


class _Held(NamedTuple):
    connection: RawConnection
    plans: PlanAge


class LaneConnection:
    """A connection that is opened when it is first needed."""

    def __init__(
        self,
        settings: LedgerSettings,
        clock: Callable[[], float] = time.monotonic,
        *,
        opened: Callable[[], None] = lambda: None,
    ) -> None:
        """clock: seconds, for the age of plans. opened: called when there is a new connection, which may lead
        to another database than the ones before.
        """
        self._settings = settings
        self._clock = clock
        self._opened = opened
        self._held: _Held | None = None

    @asynccontextmanager
    async def trusted(self) -> AsyncIterator[RawConnection]:
        """The connection, which is given up when anything but a lost race happens on it."""
        connection, plans = await self._open()
        try:
            if plans.take_due():
                await connection.execute(FORGET_PLANS)
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
            await held.connection.close()

    async def _open(self) -> _Held:
        if self._held is None or self._held.connection.is_closed():
            connection = await open_connection(self._settings, name="ledger poster")
            try:
                await connection.execute(POSTING_SETTINGS)
            except BaseException:
                connection.terminate()
                raise
            self._held = _Held(connection, PlanAge(self._clock))
            self._opened()
        return self._held
