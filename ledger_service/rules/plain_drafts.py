"""Plain drafts: those of a call that surely nothing is wrong with, looked at field by field.

Most calls of many drafts are payments, charges or invoices that nothing is wrong with and that have nothing
to do with each other. To find that out costs little when it is asked of all of them at once. The answer is
only ever "surely" or "don't know": what is not known here is decided as documents, whose rules alone refuse
(ADR 0022).

Here is what plain drafts have in common, and what the books have to say about them. Which drafts are plain in
themselves is told in `plain_singles` and `plain_invoices`.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain, repeat
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeVar

from ledger_service.rules.books import NOT_NUMBERED, AccountKey, Books, Period, PlanInstanceKey
from ledger_service.rules.documents import Document
from ledger_service.rules.transaction_types import TransactionType
from service_kit.money import LARGEST_MINOR_UNITS, SMALLEST_MINOR_UNITS

Value = TypeVar("Value")
Key = TypeVar("Key")


class Columns(NamedTuple):
    """The fields that all drafts have, in the order of `Draft`."""

    types: Sequence[TransactionType]
    acct_nos: Sequence[int]
    plan_instance_nos: Sequence[int]
    amounts: Sequence[int]
    currencies: Sequence[str]
    effective_dates: Sequence[date]
    reason_codes: Sequence[str]
    comments: Sequence[str]


class SourceColumns(NamedTuple):
    """What drafts have for one source table.

    places: those of the drafts in the call.
    values: the columns after those that every source table has. The number of the invoice, which is the last,
        is added when it is known.
    """

    places: Sequence[int]
    acct_nos: Sequence[int]
    values: Sequence[Sequence[Any]]


class InvoiceColumns(NamedTuple):
    """What the lines of each invoice have in common, and how many there are."""

    acct_nos: Sequence[int]
    plan_instance_nos: Sequence[int]
    period_starts: Sequence[date]
    period_ends: Sequence[date]
    invoice_dates: Sequence[date]
    line_counts: Sequence[int]

    def of_lines(self, values: Iterable[Value]) -> list[Value]:
        """What each invoice has, once for each of its lines."""
        return list(chain.from_iterable(map(repeat, values, self.line_counts)))


@dataclass(frozen=True, slots=True)
class PlainDrafts:
    """Drafts that are surely right in themselves.

    columns: of every draft; a line of an invoice is one.
    sources: by source table.
    currencies: the accounts that there are drafts of, by currency.
    days: by effective date.
    sides: by effect and account, the sum of the amounts.
    balance_changes, plan_balance_changes: what happens to the balances.
    plan_instances: pairs of plan instance and account.
    names: by register of the books, what is given only once, with the client first.
    documents: makes the documents that the drafts are, to be decided one by one.
    invoices: where the drafts are lines of invoices; their names are the billing periods, in the same order.
    """

    client_no: int
    columns: Columns
    sources: Mapping[str, SourceColumns]
    currencies: Mapping[str, Collection[int]]
    days: Mapping[date, Collection[int]]
    sides: Mapping[int, Mapping[int, int]]
    balance_changes: Mapping[AccountKey, int]
    plan_balance_changes: Mapping[PlanInstanceKey, int]
    plan_instances: frozenset[tuple[int, int]]
    names: Mapping[str, Sequence[tuple[Any, ...]]]
    documents: Callable[[], list[Document]]
    invoices: InvoiceColumns | None = None

    def __len__(self) -> int:
        return len(self.columns.types)


def plain_drafts(
    client_no: int,
    columns: Columns,
    sources: Mapping[str, SourceColumns],
    names: Mapping[str, Sequence[tuple[Any, ...]]],
    documents: Callable[[], list[Document]],
    invoices: InvoiceColumns | None = None,
) -> PlainDrafts:
    """Drafts that were found to be right in themselves, summed up for the books."""
    sides = _sides(columns)
    accounts = frozenset(columns.acct_nos)
    return PlainDrafts(
        client_no,
        columns,
        sources,
        _accounts_by(columns.currencies, columns, accounts),
        _accounts_by(columns.effective_dates, columns, accounts),
        sides,
        _balance_changes(client_no, sides),
        *_plan_changes(client_no, columns),
        names,
        documents,
        invoices,
    )


def _is_uniform(column: Sequence[Any]) -> bool:
    """Whether all drafts have the same there, as those of most calls have; told without a step for each."""
    return column.count(column[0]) == len(column)


def _accounts_by(
    column: Sequence[Value], columns: Columns, all_accounts: Collection[int]
) -> Mapping[Value, Collection[int]]:
    if _is_uniform(column):
        return {column[0]: all_accounts}
    accounts = defaultdict(set)
    for value, acct_no in zip(column, columns.acct_nos, strict=True):
        accounts[value].add(acct_no)
    return accounts


def _sides(columns: Columns) -> Mapping[int, Mapping[int, int]]:
    if _is_uniform(columns.types):
        once = dict(zip(columns.acct_nos, columns.amounts, strict=True))
        if len(once) == len(columns.acct_nos):
            return {columns.types[0].effect: once}
    sides: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for kind, acct_no, amount in zip(columns.types, columns.acct_nos, columns.amounts, strict=True):
        side = sides[kind.effect]
        side[acct_no] = side.get(acct_no, 0) + amount
    return sides


def _balance_changes(client_no: int, sides: Mapping[int, Mapping[int, int]]) -> dict[AccountKey, int]:
    changes: dict[AccountKey, int] = {}
    for effect, amounts in sides.items():
        of_side = {(client_no, acct_no): effect * amount for acct_no, amount in amounts.items()}
        if not changes:
            changes = of_side
        else:
            add_changes(changes, of_side)
    return changes


def add_changes(changes: dict[Key, int], others: Mapping[Key, int]) -> None:
    """Add other changes of balances to these."""
    if changes.keys().isdisjoint(others):
        changes.update(others)
    else:
        for key, change in others.items():
            changes[key] = changes.get(key, 0) + change


def _plan_changes(
    client_no: int, columns: Columns
) -> tuple[dict[PlanInstanceKey, int], frozenset[tuple[int, int]]]:
    changes: dict[PlanInstanceKey, int] = {}
    if not any(columns.plan_instance_nos):
        return changes, frozenset()
    for kind, plan_instance_no, amount in zip(
        columns.types, columns.plan_instance_nos, columns.amounts, strict=True
    ):
        if plan_instance_no:
            plan_instance = (client_no, plan_instance_no)
            changes[plan_instance] = changes.get(plan_instance, 0) + kind.effect * amount
    pairs = set(zip(columns.plan_instance_nos, columns.acct_nos, strict=True))
    return changes, frozenset(pair for pair in pairs if pair[0])


# ----------------------------------------------------------------------------------------------- in the books


# What is entered under a name that is given in this very group; an invoice is entered once it is made.
_GIVEN: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "reference_codes": NOT_NUMBERED,
        "gateway_references": NOT_NUMBERED,
        "periods": Period(1, NOT_NUMBERED),
    }
)


def fit_their_accounts(drafts: PlainDrafts, books: Books) -> bool:
    """Whether accounts and plan instances are there, and of the right currency and account: for ever."""
    client_no = drafts.client_no
    return all(
        (account := books.accounts.get((client_no, acct_no))) is not None and account.currency == currency
        for currency, acct_nos in drafts.currencies.items()
        for acct_no in acct_nos
    ) and all(books.plan_instances.get((client_no, plan)) == acct for plan, acct in drafts.plan_instances)


def enter_if_surely_right(drafts: PlainDrafts, books: Books) -> bool:
    """Enter the drafts in the books, if the rules of their types surely have nothing against any of them."""
    if not (
        fit_their_accounts(drafts, books)
        and all(getattr(books, register).keys().isdisjoint(names) for register, names in drafts.names.items())
        and stay_in_range(
            sum(drafts.columns.amounts),
            (books.balances[account] for account in drafts.balance_changes),
            (books.plan_balances[plan_instance] for plan_instance in drafts.plan_balance_changes),
        )
    ):
        return False
    for balances, changes in (
        (books.balances, drafts.balance_changes),
        (books.plan_balances, drafts.plan_balance_changes),
    ):
        books.enter_all(balances, {key: balances[key] + change for key, change in changes.items()})
    books.enter_all(books.last_events, dict.fromkeys(drafts.balance_changes, NOT_NUMBERED))
    for register, names in drafts.names.items():
        books.enter_all(getattr(books, register), dict.fromkeys(names, _GIVEN[register]))
    return True


WELL_IN_RANGE: Final = LARGEST_MINOR_UNITS // 2
"""A balance that is no further from zero stays in its range, whatever is posted, if that comes to no more."""


def stay_in_range(most: int, *balances: Iterable[int]) -> bool:
    """Whether no balance can leave its range, in whatever order drafts of `most` in all are posted."""
    return all(
        SMALLEST_MINOR_UNITS + most <= each <= LARGEST_MINOR_UNITS - most
        for each in chain.from_iterable(balances)
    )
