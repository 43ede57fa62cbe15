"""Posts one commit group on one connection: reads what the rules ask for, decides, writes what is accepted.

A decision must still be right when it is committed, however many post at the same time. Whoever writes
anything about an account also changes its row in account_balance, in the same commit. That gives three ways:

- Holding the accounts. Their rows are locked first, in order. What is read then stays true until the commit.
  Nobody's work is lost, but beginning, locking, reserving numbers and committing are four more round trips.
- Without locks. All is read of one state of the database, together with the version of each account's row and
  the next numbers. All is written by one statement, a transaction by itself, and only if each row that it
  changes has the version that was read, and the numbers are still to be had. Else somebody else was faster:
  nothing is written, and the group is posted again, holding. A row that somebody is just changing is waited
  for before its version is compared. So whatever is written was decided on what holds at the commit, exactly
  as under locks; and what is refused was refused on one state, which was true when it was read. Plain drafts
  on accounts that this process posted on before need not even be read for (`remembered_books`): they are
  decided on what it left there, and written if that is still so. What is not accepted like that is read for.
- Ahead. Plain drafts are decided by what never changes of their accounts, and their rows are written before
  the accounts are held, while the group before is still being committed (`account_turns`). That their names
  are free is said by the unique indexes. Then the accounts are locked, and what depends on their balances is
  done: that they stay in their range, which credit pays which charge, and the balances themselves. Whatever
  is not surely right, or finds a later number than its own on an account, is posted again, holding.

The numbers of an account grow in the order of its commits in each way: with locks they are reserved under
them; without, nobody reserved any between the reading and the writing; ahead, it is seen under the locks.

Who holds the accounts has a transaction at work in the database before it looks at the clock, and whoever
asks for what was recorded on a day that is over waits for it. Who takes no locks has none until it writes: so
in the last seconds of a day it holds the accounts too.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, TypeAlias

import asyncpg
from prometheus_client import Counter

from ledger_service import store_applications, store_books, store_groups
from ledger_service.account_turns import Names, Turn
from ledger_service.audit_events import events_of
from ledger_service.foresight import Foresight, foresee
from ledger_service.group_decisions import Decided, GroupDecisions, Refusal
from ledger_service.joined_calls import Group
from ledger_service.known_accounts import KnownAccounts, unknown
from ledger_service.remembered_books import RememberedBooks
from ledger_service.requests import FirstAnswer, PostingRequest, RequestKey
from ledger_service.rules.applications import AccountItems
from ledger_service.rules.books import AccountKey, Books
from ledger_service.rules.commit_groups import (
    CommitGroup,
    Posted,
    lay_out,
    numbers_needed,
    numbers_of_drafts,
)
from ledger_service.rules.group_applications import (
    APPLICATION,
    FrontKey,
    GroupApplications,
    ItemsNeeded,
    apply_group,
    items_needed,
    sides_of,
)
from ledger_service.rules.needs import Needs
from ledger_service.rules.plain_drafts import WELL_IN_RANGE, stay_in_range
from ledger_service.store_round_trips import (
    Change,
    Found,
    Question,
    Step,
    are_many,
    ask,
    ask_together,
    write,
    write_together,
)
from service_kit import outbox
from service_kit.clock import Clock
from service_kit.database import RawConnection

_GUESSES: Final = Counter(
    "tallybook_ledger_guessed_groups",
    "Groups that were decided on remembered books, by outcome.",
    ["outcome"],
)

Result: TypeAlias = Decided | FirstAnswer | Refusal

# More drafts than these are written step by step; and the more there are, the less the round trips matter.
_MOST_WITHOUT_LOCKS: Final = 64
# From the look at the clock until the database is at work it takes milliseconds.
_END_OF_A_DAY: Final = timedelta(seconds=10)


# The indexes by which a name is given only once.
_NAMES: Final = frozenset(
    {
        "request_key_pkey",
        "external_payments_reference_code_key",
        "payments_gateway_reference_key",
        "invoice_billing_period_key",
    }
)


class _NotSurelyRightError(Exception):
    """The rules that all documents have are to decide."""


class _DayEndsError(asyncpg.SerializationError):
    """The day may end before the group is written: it has to hold its accounts."""


def _no_items() -> store_applications.ItemsByAccount:
    return store_applications.ItemsByAccount(partial(AccountItems, is_whole=False))


@dataclass(slots=True, repr=False)  # or whatever fails would print the books to the log
class GroupPosting:
    """A group on its way. First `find_named`, then one of the three ways, and no more."""

    connection: RawConnection
    requests: Sequence[PostingRequest]
    clock: Clock
    known_accounts: KnownAccounts
    posted: CommitGroup | None = None
    """What was written."""
    _group: Group = field(init=False)
    _books: Books = field(default_factory=Books)
    _needs: Needs = field(default_factory=Needs)
    _known: dict[RequestKey, FirstAnswer] = field(default_factory=dict)
    _numbers: dict[str, int] = field(default_factory=dict)
    _items: store_applications.ItemsByAccount = field(default_factory=_no_items)

    def __post_init__(self) -> None:
        self._group = Group.of(self.requests)

    @property
    def is_small(self) -> bool:
        """Whether it can do without locks."""
        return sum(request.weight for request in self.requests) <= _MOST_WITHOUT_LOCKS

    @property
    def may_be_ahead(self) -> bool:
        """Whether its rows can be written ahead."""
        return all(request.plain is not None for request in self.requests)

    @property
    def accounts(self) -> AbstractSet[AccountKey]:
        """The accounts that it posts on; all that is asked about names is known."""
        return self._needs.accounts

    @property
    def names(self) -> Names:
        """What it is about to give that is given only once."""
        keys = set(self._group.keys)
        return (self._needs.reference_codes, self._needs.gateway_references, self._needs.periods, keys)

    async def find_named(self) -> None:
        """Read the transactions and invoices that the requests name, and what stands and falls with them."""
        self._group.add_needs(self._needs)
        await store_books.read_unchanging(self.connection, self._needs, self._books)
        self._needs.add_what_is_bound(self._books)

    async def post_holding(self) -> Sequence[Result]:
        """Post it under the locks of its accounts."""
        async with self.connection.transaction():
            await store_books.lock_accounts(self.connection, self._needs, self._books)
            await ask(self.connection, self._questions())
            decisions, results = self._decide()
            accepted = decisions.accepted
            if accepted:
                numbers = store_groups.reserved_numbers(numbers_needed(accepted), self._numbers)
                needed = items_needed(accepted, self._books.waiting)
                await self._ask_to_write([numbers, *self._fronts(needed.fronts)], needed)
                group, applied = self._lay_out(accepted, needed)
                await self._number(applied)
                await self._write(decisions, group, applied)
                self.posted = group
        return results

    async def post_ahead(self, turn: Turn) -> Sequence[Result] | None:
        """Post plain drafts, their rows first; None where not surely all of them are to be accepted.

        SerializationError when another server has posted on its accounts meanwhile.
        """
        try:
            async with self.connection.transaction():
                await turn.to_number()
                await self._look_and_number()
                now = self.clock.now()
                turn.is_numbered.set()
                decisions = GroupDecisions(self._books, self._known)
                results = decisions.accept_at_once(self.requests)
                if results is None:
                    raise _NotSurelyRightError
                self.posted = await self._write_ahead(turn, decisions, now)
                return results
        except (_NotSurelyRightError, asyncpg.NumericValueOutOfRangeError):
            return None
        except asyncpg.UniqueViolationError as violation:
            if violation.constraint_name in _NAMES:
                return None
            raise

    async def _look_and_number(self) -> None:
        """Read what is not known yet, and reserve the numbers of plain drafts. Those come last, since the
        clock is looked at next: beside another server nothing else keeps later numbers from having earlier
        times.
        """
        self._books = self.known_accounts.books()
        new = unknown(self._needs, self._books)
        count = numbers_of_drafts(request.plain for request in self.requests if request.plain is not None)
        await ask(
            self.connection,
            [
                *store_books.accounts_as_they_are(new, self._books, {}),
                *store_books.changing(new, self._books),
                store_groups.known_keys(self._group.keys, self._known),
                store_groups.reserved_numbers(count, self._numbers),
            ],
        )

    async def _write_ahead(self, turn: Turn, decisions: GroupDecisions, now: datetime) -> CommitGroup:
        plain = [request.plain for request in self.requests if request.plain is not None]
        most = sum(sum(drafts.columns.amounts) for drafts in plain)
        if most > WELL_IN_RANGE:  # then a balance may leave its range of which nothing is told
            raise _NotSurelyRightError
        group = lay_out(decisions.accepted, self._numbers, now)
        unsettled = Books()
        async with _meanwhile(write(self.connection, store_groups.appended(group))):
            settled = store_groups.settled_if_quiet(group, sides_of(plain), unsettled)
            answers = _answers(decisions, group)
        await turn.to_hold()
        await write_together(self.connection, [*settled, *answers])
        if not stay_in_range(most, unsettled.balances.values(), unsettled.plan_balances.values()):
            raise _NotSurelyRightError
        if unsettled.balances:
            await self._apply(group, decisions.accepted, unsettled)
        return group

    async def _apply(self, group: CommitGroup, accepted: Sequence[Posted], books: Books) -> None:
        """Apply what is posted on the accounts in the books, and settle them."""
        needed = items_needed(accepted, books.waiting)
        fronts = await store_applications.read_fronts(
            self.connection, needed, self._items, _per_account(group)
        )
        await self._ask_to_write([], needed)
        applied = apply_group(accepted, needed, self._items, fronts)
        await self._number(applied)
        rows = store_applications.applied_changes(applied, group.created_at)
        settled = store_groups.settled_of(books.balances, group, applied)
        await write(self.connection, [*rows, settled])

    async def post_without_locks(self, remembered: RememberedBooks) -> Sequence[Result]:
        """Post it unless somebody is faster, or the day is about to end: SerializationError then."""
        foresight = foresee(self._group)
        memory = remembered if self._group.has_only_plain_drafts else None
        if memory is None:
            remembered.forget(self.accounts)
        else:
            # They name no transactions and no invoices: so nothing is in the books but what is guessed.
            results = await self._post_as_remembered(memory, foresight)
            if results is not None:
                return results
            self._books, self._numbers, self._items = Books(), {}, _no_items()
        versions: store_books.Versions = {}
        questions = [
            *store_books.accounts_as_they_are(self._needs, self._books, versions),
            *self._questions(),
        ]
        if foresight.kinds:
            questions.append(store_groups.next_numbers(foresight.kinds, self._numbers))
            questions += self._fronts(foresight.fronts)
        await ask_together(self.connection, questions)
        decisions, results = self._decide()
        if decisions.accepted:
            needed = items_needed(decisions.accepted, self._books.waiting)
            await self._write_if_unchanged(decisions, needed, versions, memory)
        return results

    async def _post_as_remembered(
        self, remembered: RememberedBooks, foresight: Foresight
    ) -> Sequence[Result] | None:
        """Post plain drafts on the books as this process left them; None, with nothing written, where those
        are not known, or not so any more; where anything is refused, was posted before, or may be applied.
        That names and keys are free is said by their indexes.
        """
        versions: store_books.Versions = {}
        if not remembered.recall(self._needs, foresight.kinds, self._books, versions, self._numbers):
            return None
        decisions, results = self._decide()
        if not all(isinstance(result, Decided) and result.posts_all() for result in results):
            return None
        needed = items_needed(decisions.accepted, self._books.waiting)
        if not needed.is_nothing:
            return None
        try:
            await self._write_if_unchanged(decisions, needed, versions, remembered)
        except _DayEndsError:
            raise
        except asyncpg.UniqueViolationError:
            _GUESSES.labels("name_taken").inc()
            remembered.forget_numbers()  # they are not given back
            return None
        except asyncpg.SerializationError:
            _GUESSES.labels("outdated").inc()
            remembered.was_wrong(self.accounts)
            return None
        _GUESSES.labels("right").inc()
        return results

    async def _write_if_unchanged(
        self,
        decisions: GroupDecisions,
        needed: ItemsNeeded,
        versions: store_books.Versions,
        memory: RememberedBooks | None,
    ) -> None:
        """Write what is accepted, if the accounts still have these versions. memory: keeps what is left."""
        accepted = decisions.accepted
        counts = numbers_needed(accepted)
        unforeseen: list[Question] = []
        if not self._numbers:  # then it could not be known before the decisions what is needed
            unforeseen.append(store_groups.next_numbers([*counts, APPLICATION], self._numbers))
            unforeseen += self._fronts(needed.fronts)
        await self._ask_to_write(unforeseen, needed)
        group, applied = self._lay_out(accepted, needed)
        if _ends_its_day(group.created_at):
            raise _DayEndsError("the day might end before this is being written")
        if applied.count:
            counts[APPLICATION] = applied.count
            applied.number(self._numbers[APPLICATION])
        left: list[Any] = []
        take = None if memory is None else left.extend
        steps = [*_rows(group, applied), *_conclusion(decisions, group, applied, versions, take)]
        await write_together(self.connection, steps, [store_groups.taken(counts, self._numbers)])
        self.posted = group
        if memory is not None:
            after = {kind: first + counts.get(kind, 0) for kind, first in self._numbers.items()}
            memory.keep(left, self._books, versions, after)

    def _questions(self) -> list[Question]:
        changing = store_books.changing(self._needs, self._books)
        return [*changing, store_groups.known_keys(self._group.keys, self._known)]

    def _decide(self) -> tuple[GroupDecisions, Sequence[Result]]:
        decisions = GroupDecisions(self._books, self._known)
        # Two of them may have one key, so they are told apart by what they are.
        results: dict[int, Result] = {}
        for joined in self._group.joined:
            decided = decisions.decide_joined(joined)
            results.update(zip(map(id, joined.calls), decided, strict=True))
        for request in self._group.alone:
            results[id(request)] = decisions.decide(request)
        return decisions, [results[id(request)] for request in self.requests]

    def _fronts(self, wanted: Mapping[FrontKey, int]) -> list[Question]:
        return store_applications.fronts(wanted, self._items)

    async def _ask_to_write(self, questions: Sequence[Question], needed: ItemsNeeded) -> None:
        """Ask these, and what else only follows from the decisions."""
        await ask(self.connection, [*questions, *store_applications.tails_and_wholes(needed, self._items)])
        await store_applications.read_undone(self.connection, needed, self._items)

    def _lay_out(
        self, accepted: Sequence[Posted], needed: ItemsNeeded
    ) -> tuple[CommitGroup, GroupApplications]:
        """Number what is accepted, and apply it (rule 8). Nothing is refused for that."""
        # After the accounts were read: so of one account, later numbers have later times.
        group = lay_out(accepted, self._numbers, self.clock.now())
        return group, apply_group(accepted, needed, self._items)

    async def _number(self, applied: GroupApplications) -> None:
        if applied.count:
            count = {APPLICATION: applied.count}
            reserved = await store_groups.reserve_numbers(self.connection, count)
            applied.number(reserved[APPLICATION])

    async def _write(self, decisions: GroupDecisions, group: CommitGroup, applied: GroupApplications) -> None:
        rows = _rows(group, applied)
        if are_many(rows):
            # The answers are made while the database takes the rows.
            async with _meanwhile(write(self.connection, rows)):
                rest = _conclusion(decisions, group, applied)
            await write(self.connection, rest)
        else:
            await write(self.connection, [*rows, *_conclusion(decisions, group, applied)])


def _ends_its_day(recorded_at: datetime) -> bool:
    """Days of recording are those of UTC, and so is the clock."""
    return (recorded_at + _END_OF_A_DAY).date() != recorded_at.date()


def _rows(group: CommitGroup, applied: GroupApplications) -> list[Step]:
    return [*store_groups.appended(group), *store_applications.applied_changes(applied, group.created_at)]


def _conclusion(
    decisions: GroupDecisions,
    group: CommitGroup,
    applied: GroupApplications,
    versions: store_books.Versions | None = None,
    take: Callable[[Found], None] | None = None,
) -> list[Step]:
    """All that is written besides the rows; see `store_groups.settled`."""
    return [*store_groups.settled(group, applied, versions, take), *_answers(decisions, group)]


def _answers(decisions: GroupDecisions, group: CommitGroup) -> list[Step]:
    """What is said of the group: answers, marks, and what the audit service is told."""
    keys = [(*row, group.created_at) for row in decisions.key_rows()]
    events = events_of(group, decisions.accepted)
    return [
        store_groups.answered(keys),
        *store_groups.marked(group),
        Change(outbox.INSERT_EVENTS, outbox.columns_of(events)),
    ]


def _per_account(group: CommitGroup) -> int:
    """How many transactions it has for each of its accounts, rounded up."""
    return -(-len(group.transactions) // len(group.balance_changes))


@asynccontextmanager
async def _meanwhile(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Begin the work, and wait for its end after the block."""
    at_work = asyncio.create_task(work)
    try:
        await asyncio.sleep(0)
        yield
    finally:
        await at_work
