"""The books as the last small groups of this process left them, so that the next need not ask.

It is a guess, since others may have posted meanwhile: good enough for a group that is only written if each of
its accounts still has the version that is remembered, and the numbers are still the next (`group_posting`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final, NamedTuple

from ledger_service.rules.applications import Waiting
from ledger_service.rules.books import Account, AccountKey, Books, PlanInstanceKey
from ledger_service.rules.needs import Needs
from ledger_service.store_books import Versions
from ledger_service.store_round_trips import Found

# Who guessed wrong has others beside it, and does not guess for so many groups.
_GROUPS_THAT_ASK: Final = 20


class _Left(NamedTuple):
    """How an account was left, by its row of this version, and its plan instances that were named."""

    version: int
    account: Account
    balance: int
    waiting: Waiting
    plan_balances: dict[PlanInstanceKey, int]


@dataclass(slots=True)
class RememberedBooks:
    """What is remembered from group to group. size: with so many accounts, plan instances included, all are
    forgotten again.
    """

    size: int
    _accounts: dict[AccountKey, _Left] = field(default_factory=dict)
    _plan_instances: dict[PlanInstanceKey, int] = field(default_factory=dict)
    """By plan instance: its account."""
    _next_numbers: dict[str, int] = field(default_factory=dict)
    _groups_to_ask: int = 0

    def recall(
        self, needs: Needs, kinds: Iterable[str], books: Books, versions: Versions, numbers: dict[str, int]
    ) -> bool:
        """Enter in the books, versions and next numbers what plain drafts need, but whether names are free;
        False where it is not all remembered, or was wrong lately: what is entered then is good for nothing.
        """
        if self._groups_to_ask:
            self._groups_to_ask -= 1
            return False
        try:
            numbers.update({kind: self._next_numbers[kind] for kind in kinds})
            left = {key: self._accounts[key] for key in needs.accounts}
            for plan_instance in needs.plan_instances:
                acct_no = self._plan_instances[plan_instance]
                of_account = left[plan_instance[0], acct_no]
                books.plan_instances[plan_instance] = acct_no
                books.plan_balances[plan_instance] = of_account.plan_balances[plan_instance]
        except KeyError:
            return False
        for key, (version, account, balance, waiting, _) in left.items():
            versions[key] = version
            books.accounts[key] = account
            books.balances[key] = balance
            books.last_events[key] = waiting.last_event_no
            books.waiting[key] = waiting
        return True

    def keep(self, rows: Found, books: Books, decided_on: Versions, next_numbers: Mapping[str, int]) -> None:
        """Remember how a group left its accounts.

        rows: what `store_groups.settled` tells of them. books: with all that the group did. decided_on: the
            versions before it.
        """
        if len(self._accounts) + len(self._plan_instances) > self.size:
            self._accounts.clear()
            self._plan_instances.clear()
        left_as = {}
        for client_no, acct_no, balance, last_event_no, waiting, after, last_day, version in rows:
            key = (client_no, acct_no)
            before = self._accounts.get(key)
            left_as[key] = _Left(
                version,
                books.accounts[key],
                balance,
                Waiting(waiting, after, date.fromordinal(last_day), last_event_no),
                before.plan_balances if before is not None and before.version == decided_on[key] else {},
            )
        self._accounts |= left_as
        for plan_instance, balance in books.plan_balances.items():
            acct_no = self._plan_instances[plan_instance] = books.plan_instances[plan_instance]
            left = left_as.get((plan_instance[0], acct_no))
            if left is not None:
                left.plan_balances[plan_instance] = balance
        self._next_numbers.update(next_numbers)

    def forget(self, accounts: Iterable[AccountKey]) -> None:
        """Forget these accounts, and the numbers: somebody else posts on them, or has."""
        self.forget_numbers()
        for account in accounts:
            self._accounts.pop(account, None)

    def forget_numbers(self) -> None:
        """Forget the numbers, which were taken otherwise."""
        self._next_numbers.clear()

    def was_wrong(self, accounts: Iterable[AccountKey]) -> None:
        """Forget these accounts, and ask for a while: somebody else posts beside these groups."""
        self.forget(accounts)
        self._groups_to_ask = _GROUPS_THAT_ASK
