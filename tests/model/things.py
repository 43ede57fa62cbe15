"""What there is in the model's books. Things know each other; their numbers are the service's, 0 until it has
answered.
"""

from dataclasses import dataclass, field
from datetime import date
from typing import Final

from tests.model.calls import Method

CHARGES: Final = {4, 9, 12, 13, 14, 15, 21}


def raises_balance(code: int) -> bool:
    """Rule 2: charge(-t) = not charge(t)."""
    return code in CHARGES if code > 0 else -code not in CHARGES


@dataclass(eq=False, slots=True)
class Account:
    """An account."""

    external_id: str
    currency: str
    term_days: int
    opened_on: date
    number: int = 0


@dataclass(eq=False, slots=True)
class Plan:
    """A plan instance."""

    account: Account
    number: int = 0


@dataclass(eq=False, slots=True)
class Row:
    """A row of a source table; several transactions may share one (rule 3)."""

    number: int = 0


@dataclass(eq=False, slots=True)
class Invoice:
    """An invoice. due_date: as it was made; a settled dispute may have given it another since."""

    account: Account
    plan: Plan | None
    period: tuple[date, date]
    due_date: date
    number: int = 0


@dataclass(frozen=True, slots=True)
class Targets:
    """Which charges a credit pays, and in which order: see `Method`."""

    method: Method
    charges: "tuple[Entry, ...]" = ()
    invoices: tuple[Invoice, ...] = ()


@dataclass(eq=False, slots=True)
class Entry:
    """A posted transaction.

    voids, void: what it voids, and what voided it. names: the payment or charge that it takes from.
    invoice: what it is a line of, or written off from.
    expires_on: of a dispute hold. received: of a check. pays: of a credit, where it was said.
    """

    account: Account
    plan: Plan | None
    code: int
    amount: int
    on: date
    row: Row
    reference: str = ""
    voids: "Entry | None" = None
    void: "Entry | None" = None
    names: "Entry | None" = None
    invoice: Invoice | None = None
    expires_on: date | None = None
    received: date | None = None
    pays: Targets | None = None
    number: int = 0

    @property
    def effect(self) -> int:
        """What it does to the balance."""
        return self.amount if raises_balance(self.code) else -self.amount


@dataclass(eq=False, slots=True)
class Applied:
    """That a credit paid a charge. amount: what was applied; live: what of that was not taken back since."""

    credit: Entry
    charge: Entry
    amount: int
    live: int


@dataclass(frozen=True, slots=True)
class Applying:
    """That a credit was to be applied, at that point of the history."""

    credit: Entry
    targets: Targets


@dataclass(eq=False, slots=True)
class Closed:
    """A closed statement (rule 6). opening, closing: balances. entries: by date, the adjustments first."""

    account: Account
    first: date
    last: date
    opening: int
    closing: int
    entries: list[Entry]
    number: int = 0


@dataclass(slots=True)
class Outcome:
    """What became of one draft, invoice or single operation: the reason of its refusal, or what it made."""

    reason: str = ""
    entries: list[Entry] = field(default_factory=list)
    invoice: Invoice | None = None
    account: Account | None = None
    plans: list[Plan] = field(default_factory=list)
    applied: list[Applied] = field(default_factory=list)
    closed: Closed | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a call: the reason why all of it is refused, or the outcome of each part."""

    refused: str
    outcomes: tuple[Outcome, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """What it looks like without the numbers."""
        return (self.refused, *(outcome.reason for outcome in self.outcomes))


@dataclass(frozen=True, slots=True)
class Aging:
    """What an account owes at a date, by days past due: 0, 1 to 30, 31 to 60, 61 to 90, more."""

    buckets: tuple[int, int, int, int, int]
    overdue_without_dunning_charges: int
    oldest_due_date: date | None
    unapplied_credit: int


class RefusedError(Exception):
    """The rules refuse it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
