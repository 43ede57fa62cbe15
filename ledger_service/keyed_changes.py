"""Changes that post nothing, and so go beside the poster: each is made once for the key of its call.

The change, its audit events, its answer and the key are stored together, or not at all. Who comes again with
the key gets the first answer (AIP-155), also while the first call is still on its way: they meet at the key.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from ledger_service.requests import CALL_SCOPE, RequestKey
from ledger_service.rules import refusals
from ledger_service.store_groups import read_known_keys, write_keys
from service_kit.clock import Clock
from service_kit.database import LOST_RACE, RawConnection, raw_connection
from service_kit.errors import DomainError

# Who loses a race once finds taken the next time what was lost.
_ATTEMPTS: Final = 5


@dataclass(frozen=True, slots=True)
class KeyedCall:
    """A call that changes something: by whom, and under which key.

    fingerprint: of the whole call without its key; the same key with another fingerprint is refused.
    """

    client_no: int
    request_id: str
    fingerprint: bytes
    actor: str

    @property
    def key(self) -> RequestKey:
        """The key of the call."""
        return (self.client_no, CALL_SCOPE, self.request_id)


class Made(NamedTuple):
    """What a change is answered with. A call of which all was refused does not use up its key."""

    answer: bytes
    uses_key: bool = True


class KeyedChanges:
    """Makes changes, each in a transaction of its own."""

    def __init__(self, engine: AsyncEngine, clock: Clock, wake_relay: Callable[[], None]) -> None:
        self._engine = engine
        self._clock = clock
        self._wake_relay = wake_relay

    async def make(self, call: KeyedCall, change: Callable[[RawConnection], Awaitable[Made]]) -> bytes:
        """The answer, the first one when the key is known; REQUEST_ID_REUSED, and what the change refuses."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                async with self._engine.connect() as connection:
                    driver = await raw_connection(connection)
                    async with driver.transaction():
                        answer = await self._make_once(driver, call, change)
            except LOST_RACE:
                if attempt == _ATTEMPTS:
                    raise
            else:
                self._wake_relay()
                return answer
        raise AssertionError("the last attempt returns or raises")

    async def _make_once(
        self,
        connection: RawConnection,
        call: KeyedCall,
        change: Callable[[RawConnection], Awaitable[Made]],
    ) -> bytes:
        answer = await _first_answer(connection, call)
        if answer is not None:
            return answer
        try:
            made = await change(connection)
        except DomainError:
            # Perhaps because the same call was just done on another connection.
            answer = await _first_answer(connection, call)
            if answer is None:
                raise
            return answer
        if made.uses_key:
            row = (*call.key, call.fingerprint, made.answer, self._clock.now())
            await write_keys(connection, [row])
        return made.answer


async def _first_answer(connection: RawConnection, call: KeyedCall) -> bytes | None:
    first = (await read_known_keys(connection, [call.key])).get(call.key)
    if first is None:
        return None
    if first.fingerprint != call.fingerprint:
        raise refusals.request_id_reused(call.request_id)
    return first.answer
