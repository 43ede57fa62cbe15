"""What never changes of accounts and plan instances, kept from group to group, so that it is read once."""

from dataclasses import dataclass, field

from ledger_service.rules.books import Account, AccountKey, Books, PlanInstanceKey
from ledger_service.rules.needs import Needs


@dataclass(slots=True)
class KnownAccounts:
    """Accounts that were posted on. size: with so many, plan instances included, all are forgotten again."""

    size: int
    _accounts: dict[AccountKey, Account] = field(default_factory=dict)
    _plan_instances: dict[PlanInstanceKey, int] = field(default_factory=dict)

    def books(self) -> Books:
        """Books in which these accounts are found. Those that are read into them are known from then on."""
        if len(self._accounts) + len(self._plan_instances) > self.size:
            self._accounts, self._plan_instances = {}, {}
        return Books(accounts=self._accounts, plan_instances=self._plan_instances)


def unknown(needs: Needs, books: Books) -> Needs:
    """The accounts and plan instances that are not found in the books yet."""
    # The difference of a set and a dict's keys would look at all that is known.
    return Needs(
        accounts={each for each in needs.accounts if each not in books.accounts},
        plan_instances={each for each in needs.plan_instances if each not in books.plan_instances},
    )
