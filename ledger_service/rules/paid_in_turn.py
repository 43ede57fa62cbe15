"""What plain drafts pay in its turn, or are paid by: what is frequent of `applications`, by columns (ADR 36).

On such an account nothing is posted but what meets what waits there, and no more than that comes to; and none
of it says whom it pays. So the first that waits is paid first, by what was posted first, until all that is
posted is used up. Nothing of what is posted is left open, and of what waits one at most is left in part. That
takes no more than the numbers and the amounts of both, in their order.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Final, NamedTuple

from ledger_service.rules.applications import Queue
from ledger_service.rules.books import AccountKey
from ledger_service.rules.commit_groups import AcceptedDrafts


class Front(NamedTuple):
    """The first that wait on an account, in the order in which they are paid, or pay; by columns.

    amounts: what is open of each, in minor units.
    row_dates: the effective dates of those that have a row of their own: these come first.
    """

    queue: Queue
    event_nos: Sequence[int]
    amounts: Sequence[int]
    row_dates: Sequence[date] = ()


NO_FRONTS: Final[Mapping[AccountKey, Front]] = MappingProxyType({})


@dataclass(slots=True)
class PaidInTurn:
    """What is paid in turn, as rows. Amounts are minor units.

    applications: client, account, credit, charge, amount and, of the two, that which was posted, with its
        effective date.
    opened: what needs a row, since a part of it is left: client, account, queue, event_no, and that part.
    changed: of what has a row: client, account, queue, effective date, event_no, and what is left.
    marks: by account, behind what everything waits in its turn now; 0 where that has not changed.
    """

    applications: list[tuple[int, int, int, int, int, int, date]] = field(default_factory=list)
    opened: list[tuple[int, int, Queue, int, int]] = field(default_factory=list)
    changed: list[tuple[int, int, Queue, date, int, int]] = field(default_factory=list)
    marks: dict[AccountKey, int] = field(default_factory=dict)


@dataclass(slots=True)
class _AtWork:
    """A front, and how far it is paid.

    place: of the last that was touched; -1 before the first.
    left: what is open of it still.
    by_event_no: of the last that was posted.
    """

    front: Front
    are_charges: bool
    place: int = -1
    event_no: int = 0
    left: int = 0
    by_event_no: int = 0

    def go_on(self) -> None:
        """Go on with the next one."""
        self.place += 1
        self.event_no = self.front.event_nos[self.place]
        self.left = self.front.amounts[self.place]


def pay_in_turn(
    accepted: Iterable[AcceptedDrafts],
    fronts: Mapping[AccountKey, Front],
    emptied: Container[AccountKey],
) -> PaidInTurn:
    """What is paid on these accounts, once the drafts are numbered. The fronts have at least as much as is
    posted; on those accounts that are emptied, nothing waits any more.
    """
    paid = PaidInTurn()
    by_client: defaultdict[int, dict[int, _AtWork]] = defaultdict(dict)
    for (client_no, acct_no), front in fronts.items():
        by_client[client_no][acct_no] = _AtWork(front, front.queue is Queue.CHARGE)
    for each in accepted:
        _pay(each, by_client[each.client_no], paid)
    for client_no, accounts in by_client.items():
        for acct_no, at_work in accounts.items():
            _close((client_no, acct_no), at_work, (client_no, acct_no) in emptied, paid)
    return paid


def _pay(accepted: AcceptedDrafts, accounts: Mapping[int, _AtWork], paid: PaidInTurn) -> None:
    client_no, columns = accepted.client_no, accepted.drafts.columns
    for acct_no, event_no, amount, day in zip(
        columns.acct_nos, accepted.event_nos, columns.amounts, columns.effective_dates, strict=True
    ):
        front = accounts.get(acct_no)
        if front is None:
            continue
        front.by_event_no = event_no
        wanted = amount
        while wanted:
            if not front.left:
                front.go_on()
            part = min(wanted, front.left)
            wanted -= part
            front.left -= part
            if front.are_charges:
                credit_no, charge_no = event_no, front.event_no
            else:
                credit_no, charge_no = front.event_no, event_no
            paid.applications.append((client_no, acct_no, credit_no, charge_no, part, event_no, day))


def _close(account: AccountKey, at_work: _AtWork, is_emptied: bool, paid: PaidInTurn) -> None:
    """What changes of the account besides its applications."""
    queue, event_nos, _, row_dates = at_work.front
    place, left = at_work.place, at_work.left
    for row, (day, event_no) in enumerate(zip(row_dates, event_nos[: place + 1], strict=False)):
        paid.changed.append((*account, queue, day, event_no, left if row == place else 0))
    mark = 0
    if place >= len(row_dates):
        mark = at_work.event_no
        if left:
            paid.opened.append((*account, queue, mark, left))
    paid.marks[account] = at_work.by_event_no if is_emptied else mark
