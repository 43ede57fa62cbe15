"""The turns of groups of one poster that are under way at the same time and have something in common.

A group that writes its rows ahead (see `group_posting`) does so before it holds its accounts, and so beside
the group before it, also where both post on the same accounts. Here they learn whom they have to follow. Two
that write ahead follow each other with one step alone, the last, in which they hold their accounts; of all
others with an account in common the later waits for the end of the earlier. It could wait for the locks in
the database just as well; but then it might get them first, and the earlier would have written in vain.

Nobody waits for who came later, so nobody waits for ever: also not in the database, where who writes ahead
holds no more than the names that it writes, and who has one of the same names does not write beside it.
"""

import asyncio
from collections.abc import AsyncIterator, Hashable, Sequence
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

    names: those that it is about to give, if it writes its rows ahead; else None.
    """

    accounts: AbstractSet[AccountKey]
    names: Names | None
    _followed: list["Turn"] = field(default_factory=list)
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    def follow(self, others: Sequence["Turn"]) -> None:
        """Say whom it follows."""
        self._followed += others

    async def comes(self) -> None:
        """Wait until all that it follows have ended."""
        for each in self._followed:
            await each.wait_for_end()

    async def wait_for_end(self) -> None:
        """Return once it is committed, or given up."""
        await self._ended.wait()

    def end(self) -> None:
        """Let those that follow go on."""
        self._ended.set()

    def meets(self, other: "Turn") -> bool:
        """Whether the two have an account or a name in common."""
        return not self.accounts.isdisjoint(other.accounts) or self._shares_names(other)

    def can_overlap(self, other: "Turn") -> bool:
        """Whether the two may be under way at the same time."""
        if self.names is None or other.names is None:
            return self.names is other.names
        return not self._shares_names(other)

    def _shares_names(self, other: "Turn") -> bool:
        if self.names is None or other.names is None:
            return False
        return any(not ours.isdisjoint(theirs) for ours, theirs in zip(self.names, other.names, strict=True))


class AccountTurns:
    """The groups of a poster that are under way, in the order in which they came."""

    def __init__(self) -> None:
        self._under_way: list[Turn] = []
        self.numbering = asyncio.Lock()
        """Held while a group that writes ahead reserves its numbers and looks at the clock: so that of two
        the later has the higher numbers and the later time."""

    @asynccontextmanager
    async def turn(
        self, accounts: AbstractSet[AccountKey], names: Names | None = None
    ) -> AsyncIterator[Turn]:
        """The turn of a group, once all are out of the way that it can't overlap with."""
        turn = Turn(accounts, names)
        followed = [each for each in self._under_way if each.meets(turn)]
        self._under_way.append(turn)
        try:
            for each in followed:
                if not each.can_overlap(turn):
                    await each.wait_for_end()
            turn.follow(followed)
            yield turn
        finally:
            self._under_way.remove(turn)
            turn.end()
