"""Closes statements: the one change of the books that posts nothing, and so goes beside the poster.

It takes the locks that the poster takes, in the same order. So a posting is either committed before a close
looks, or gets its number after it: it is on the statement or on the next one, never on both or none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from ledger_service import store_groups, store_statements
from ledger_service.audit_events import statements_event
from ledger_service.keyed_changes import KeyedCall, KeyedChanges, Made
from ledger_service.rules import refusals
from ledger_service.rules.closed_statements import ClosedStatement, close_statement, require_closable
from service_kit import outbox
from service_kit.clock import Clock
from service_kit.database import RawConnection
from service_kit.errors import DomainError


@dataclass(frozen=True, slots=True)
class Closing:
    """A call that closes statements up to `period_end`, the accounts each once.

    answer: makes the answer, which is stored, from what became of each account, in the order of the call.
    """

    call: KeyedCall
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

    def __init__(self, clock: Clock, changes: KeyedChanges) -> None:
        self._clock = clock
        self._changes = changes

    async def close(self, closing: Closing) -> bytes:
        """The answer, the first one when the key is known; REQUEST_ID_REUSED."""

        async def change(connection: RawConnection) -> Made:
            call = closing.call
            await store_statements.lock_accounts(connection, call.client_no, closing.acct_nos)
            outcomes = await self._decide(connection, closing)
            closed = [each.statement for each in outcomes if isinstance(each, Closed) and each.now]
            if closed:
                await store_statements.write_statements(connection, closed)
                event = statements_event(closed, call.actor, self._clock.now())
                await outbox.append(connection, [event])
            return Made(closing.answer(outcomes), any(isinstance(each, Closed) for each in outcomes))

        return await self._changes.make(closing.call, change)

    async def _decide(self, connection: RawConnection, closing: Closing) -> list[Closed | DomainError]:
        """What becomes of each account, whose locks are held."""
        client_no, period_end = closing.call.client_no, closing.period_end
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


async def _reserve(connection: RawConnection, count: int) -> range:
    if not count:
        return range(0)
    first = (await store_groups.reserve_numbers(connection, {"statement_no": count}))["statement_no"]
    return range(first, first + count)
