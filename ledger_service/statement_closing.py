"""Closes statements: the one change of the books that posts nothing, and so goes beside the poster.

It takes the locks that the poster takes, in the same order. So a posting is either committed before a close
looks, or gets its number after it: it is on the statement or on the next one, never on both or none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from ledger_service import store_groups, store_statements
from ledger_service.audit_events import statements_event
from ledger_service.requests import CALL_SCOPE, FirstAnswer
from ledger_service.rules import refusals
from ledger_service.rules.closed_statements import ClosedStatement, close_statement, require_closable
from service_kit import outbox
from service_kit.clock import Clock
from service_kit.database import RawConnection, raw_connection
from service_kit.errors import DomainError

_ATTEMPTS: Final = 5
# Another call with the same key was first, or a lock was waited for too long.
_LOST_RACE: Final = (
    asyncpg.UniqueViolationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
)


@dataclass(frozen=True, slots=True)
class Closing:
    """A call that closes statements up to `period_end`, the accounts each once.

    answer: makes the answer, which is stored, from what became of each account, in the order of the call.
    """

    client_no: int
    request_id: str
    fingerprint: bytes
    actor: str
    acct_nos: Sequence[int]
    period_end: date
    answer: Callable[[Sequence["Closed | DomainError"]], bytes]


@dataclass(frozen=True, slots=True)
class Closed:
    """The statement of an account that ends on the day asked for, and whether this call closed it."""

    statement: ClosedStatement
    now: bool


class StatementCloser:
    """Closes the statements of many accounts in one commit, each account decided on its own."""

    def __init__(self, engine: AsyncEngine, clock: Clock, wake_relay: Callable[[], None]) -> None:
        self._engine = engine
        self._clock = clock
        self._wake_relay = wake_relay

    async def close(self, closing: Closing) -> bytes:
        """The answer, the first one when the key is known; REQUEST_ID_REUSED."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                async with self._engine.connect() as connection:
                    driver = await raw_connection(connection)
                    async with driver.transaction():
                        answer = await self._close_once(driver, closing)
                self._wake_relay()
                return answer
            except _LOST_RACE:
                if attempt == _ATTEMPTS:
                    raise
        raise AssertionError("the last attempt answers or raises")

    async def _close_once(self, connection: RawConnection, closing: Closing) -> bytes:
        key = (closing.client_no, CALL_SCOPE, closing.request_id)
        known = (await store_groups.read_known_keys(connection, [key])).get(key)
        if known is not None:
            return _first_answer(known, closing)
        await store_statements.lock_accounts(connection, closing.client_no, closing.acct_nos)
        outcomes = await self._decide(connection, closing)
        answer = closing.answer(outcomes)
        closed = [each.statement for each in outcomes if isinstance(each, Closed) and each.now]
        now = self._clock.now()
        if closed:
            await store_statements.write_statements(connection, closed)
            await outbox.append(connection, [statements_event(closed, closing.actor, now)])
        if any(isinstance(each, Closed) for each in outcomes):
            await store_groups.write_keys(connection, [(*key, closing.fingerprint, answer, now)])
        return answer

    async def _decide(self, connection: RawConnection, closing: Closing) -> list[Closed | DomainError]:
        """What becomes of each account, whose locks are held."""
        client_no, period_end = closing.client_no, closing.period_end
        before = await store_statements.statements_ending_on(
            connection, client_no, closing.acct_nos, period_end
        )
        others = [acct_no for acct_no in closing.acct_nos if acct_no not in before]
        unclosed = await store_statements.read_unclosed(connection, client_no, others, period_end)
        refused: dict[int, DomainError] = {}
        for acct_no in others:
            try:
                if acct_no not in unclosed:
                    raise refusals.account_not_found(client_no, acct_no)
                require_closable(unclosed[acct_no], period_end)
            except DomainError as refusal:
                refused[acct_no] = refusal
        closable = [acct_no for acct_no in others if acct_no not in refused]
        statement_nos = await _reserve(connection, len(closable))
        now = self._clock.now()
        closed = {
            acct_no: Closed(close_statement(client_no, number, unclosed[acct_no], period_end, now), now=True)
            for acct_no, number in zip(closable, statement_nos, strict=True)
        }
        closed |= {acct_no: Closed(statement, now=False) for acct_no, statement in before.items()}
        return [refused.get(acct_no) or closed[acct_no] for acct_no in closing.acct_nos]


def _first_answer(known: FirstAnswer, closing: Closing) -> bytes:
    if known.fingerprint != closing.fingerprint:
        raise refusals.request_id_reused(closing.request_id)
    return known.answer


async def _reserve(connection: RawConnection, count: int) -> range:
    if not count:
        return range(0)
    first = (await store_groups.reserve_numbers(connection, {"statement_no": count}))["statement_no"]
    return range(first, first + count)
