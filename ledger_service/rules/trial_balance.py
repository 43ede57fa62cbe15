"""The trial balance: what each general ledger account was debited and credited, by currency."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple


class TrialBalanceLine(NamedTuple):
    """A general ledger account in one currency, in minor units."""

    currency_code: str
    gl_account: str
    name: str
    debits: int
    credits: int


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """The lines of one currency, by account code."""

    currency_code: str
    lines: tuple[TrialBalanceLine, ...]

    @property
    def total_debits(self) -> int:
        """The sum of all debits."""
        return sum(line.debits for line in self.lines)

    @property
    def total_credits(self) -> int:
        """The sum of all credits; that of the debits in sound books."""
        return sum(line.credits for line in self.lines)


def by_currency(lines: Iterable[TrialBalanceLine]) -> list[TrialBalance]:
    """One trial balance a currency, by currency code."""
    in_order = sorted(lines)
    return [
        TrialBalance(currency_code, tuple(of_currency))
        for currency_code, of_currency in groupby(in_order, key=lambda line: line.currency_code)
    ]
