"""The turns of groups of one poster that are under way at the same time and have something in common.

A group that writes its rows ahead (see `group_posting`) does so before it holds its accounts, and so beside
the group before it, also where both post on the same accounts. Here they learn whom they have to follow, and
do so with two steps alone: they take their numbers one after the other, and they hold their accounts one
after the other. Of any other two of which one writes ahead, the later waits for the end of the earlier. It
could wait for the locks in the database just as well; but then it might get them first, and the earlier would
have written in vain.

Nobody waits for who came later, so nobody waits for ever: also not in the database, where who writes ahead
holds no more than the names that it writes, and nobody with one of the same names is under way beside it.
"""

import asyncio
from collections.abc import AsyncIterator, Hashable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from ledger_service.rules.books import AccountKey

Names: TypeAlias = Sequence[AbstractSet[Hashable]]
"""What may be given only once: a set for each kind of name, always in the same order."""


@dataclass(slots=True, eq=False)
class Turn:
    """A group under way.

    names: those that it is about to give.
    is_ahead: whether it writes its rows ahead.
    is_numbered: set once it has its numbers and its time. has_ended: once it is committed, or given up.
    """

    accounts: AbstractSet[AccountKey]
    names: Names
    is_ahead: bool
    is_numbered: asyncio.Event = field(default_factory=asyncio.Event)
    has_ended: asyncio.Event = field(default_factory=asyncio.Event)
    _followed: list["Turn"] = field(default_factory=list)

    async def to_number(self) -> None:
        """Wait until all that it follows have their numbers and their time."""
        for each in list(self._followed):
            await each.is_numbered.wait()

    async def to_hold(self) -> None:
        """Wait until all that it follows are committed, or given up."""
        for each in list(self._followed):
            await each.has_ended.wait()

    async def after(self, others: Iterable["Turn"]) -> None:
        """Follow others: wait for the end of those that it can't overlap with."""
        self._followed += others
        for each in list(self._followed):
            if not self._can_overlap(each):
                await each.has_ended.wait()

    def end(self) -> None:
        """Let those that follow go on."""
        self.is_numbered.set()
        self.has_ended.set()
        # Or each would keep the one before it, for as long as any is under way.
        self._followed.clear()

    def meets(self, other: "Turn") -> bool:
        """Whether the two have an account or a name in common."""
        return not self.accounts.isdisjoint(other.accounts) or self._shares_names(other)

    def _can_overlap(self, other: "Turn") -> bool:
        if self.is_ahead and other.is_ahead:
            return not self._shares_names(other)
        return not self.is_ahead and not other.is_ahead

    def _shares_names(self, other: "Turn") -> bool:
        return any(not ours.isdisjoint(theirs) for ours, theirs in zip(self.names, other.names, strict=True))


class AccountTurns:
    """The groups of a poster that are under way, in the order in which they came."""

    def __init__(self) -> None:
        self._under_way: list[Turn] = []

    @asynccontextmanager
    async def turn(
        self, accounts: AbstractSet[AccountKey], names: Names, *, is_ahead: bool
    ) -> AsyncIterator[Turn]:
        """The turn of a group, once all are out of the way that it can't overlap with."""
        turn = Turn(accounts, names, is_ahead)
        met = [each for each in self._under_way if each.meets(turn)]
        self._under_way.append(turn)
        try:
            await turn.after(met)
            yield turn
        finally:
            self._under_way.remove(turn)
            turn.end()
