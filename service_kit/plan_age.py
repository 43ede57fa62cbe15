"""How old the plans of a connection's statements may become.

PostgreSQL keeps a general plan for a statement that is asked again and again. It is made for tables of the
size that they have at that moment. In a book that has just been opened, to read a whole table, or to walk
through another index, is the cheapest plan, and the dearest when the table has grown. PostgreSQL plans again
when it has analysed the table, but that may be minutes away.
"""

import time
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import AdaptedConnection, event
from sqlalchemy.ext.asyncio import AsyncEngine

FORGET_PLANS: Final = "DISCARD PLANS"

_FIRST_SECONDS: Final = 1.0
_OLDEST_SECONDS: Final = 60.0
_AGE: Final = "tallybook plan age"


class PlanAge:
    """The age of the plans of one connection: they are to be forgotten whenever the connection has become
    about twice as old, and once a minute.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Of a connection that has just been opened. clock: seconds."""
        self._clock = clock
        self._allowed = _FIRST_SECONDS
        self._until = clock() + self._allowed

    def take_due(self) -> bool:
        """Whether they are to be forgotten now. Who is told so forgets them: the next are new."""
        now = self._clock()
        if now < self._until:
            return False
        self._allowed = min(2 * self._allowed, _OLDEST_SECONDS)
        self._until = now + self._allowed
        return True


def forget_old_plans(engine: AsyncEngine, clock: Callable[[], float] = time.monotonic) -> None:
    """Let every connection that the engine opens from now on forget its plans, if they are too old, when it
    is taken from the pool.
    """

    @event.listens_for(engine.sync_engine, "connect")
    def begin(_connection: AdaptedConnection, record: Any) -> None:
        record.info[_AGE] = PlanAge(clock)

    @event.listens_for(engine.sync_engine, "checkout")
    def look(connection: AdaptedConnection, record: Any, _proxy: object) -> None:
        if record.info[_AGE].take_due():
            connection.run_async(lambda driver: driver.execute(FORGET_PLANS))
