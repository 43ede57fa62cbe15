"""The order in which committed transactions are told, and how far it is settled.

The order is that of event_no. It is an order of commits: numbers are reserved while the accounts are locked,
or compared with the accounts' last ones under the locks, and the locks are held until the commit, so of two
groups that touch one account the first to commit has the lower numbers; and whoever begins after another's
commit was answered gets higher numbers than it.

To poll for numbers above the last one seen would still lose transactions. A group reserves its numbers before
it commits, so between two polls a higher number can become visible before a lower one, which a later group of
another poster does not wait for; whoever has gone past it never sees it. Nor does a missing number say that
one is still to come: a group that is rolled back never uses its numbers.

The database's own transaction numbers can't be the order either. A group gets its own when it locks its first
account, and may then wait for another account whose holder has a higher one and commits first: its void would
be told before what it voids.

So a number is told once no lower one can appear any more, and that the database knows. When a group is
visible, whoever holds lower numbers had reserved them before (reservations come one after the other, and each
writes, so it gives the transaction its number): either its transaction has ended, or it runs and its number
is below the next one to be given out. Once all of those have ended, nothing up to this group is open. Any
long transaction that writes, in any database of the server, holds this up; it never makes it wrong.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Glimpse(NamedTuple):
    """One look at the database, at what is visible in one snapshot.

    last_event_no: the highest number of all commit groups; 0: there are none.
    last_of_clients: the highest number of each client that is watched.
    oldest_running: every transaction of the database with a lower number has ended.
    next_number: the next number that a transaction of the database will get.
    """

    last_event_no: int
    last_of_clients: Mapping[int, int]
    oldest_running: int
    next_number: int


@dataclass(slots=True)
class SettledOrder:
    """How far the order is settled: as far as `upto`, nothing can be added to it. None: not known yet."""

    upto: int | None = None
    _last_of_clients: Mapping[int, int] | None = None
    _awaited: Glimpse | None = None

    def take(self, glimpse: Glimpse) -> bool:
        """Take a newer look into account; whether more is settled now."""
        before = self.upto
        if self._awaited is not None and glimpse.oldest_running >= self._awaited.next_number:
            # Of each client the newer look: at the older one a lower number may not have been visible yet.
            self._settle(self._awaited.last_event_no, glimpse.last_of_clients)
            self._awaited = None
        if glimpse.oldest_running >= glimpse.next_number:
            self._settle(glimpse.last_event_no, glimpse.last_of_clients)
        elif self._awaited is None and (self.upto is None or glimpse.last_event_no > self.upto):
            self._awaited = glimpse
        return self.upto != before

    def last_of(self, client_no: int) -> int:
        """A number beyond which nothing of what is settled is the client's."""
        if self.upto is None or self._last_of_clients is None:
            return 0
        # Who was not watched at that moment may have anything, and what came later is not settled.
        return min(self._last_of_clients.get(client_no, self.upto), self.upto)

    def _settle(self, upto: int, last_of_clients: Mapping[int, int]) -> None:
        assert self.upto is None or upto >= self.upto, "what is committed stays visible"
        self.upto = upto
        self._last_of_clients = last_of_clients
