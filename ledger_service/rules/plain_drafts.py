"""Plain drafts: those of a call of which each is a document of its own, looked at field by field.

Most calls of many drafts are payments or charges that nothing is wrong with and that have nothing to do with
each other. To find that out costs little when it is asked of all of them at once. The answer is only ever
"surely" or "don't know": what is not known here is decided as documents, whose rules alone refuse (ADR 0022).
"""

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain, repeat
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from ledger_service.rules.applications import BY_CHARGE_DATE, Instruction
from ledger_service.rules.books import NOT_NUMBERED, Books
from ledger_service.rules.documents import Document
from ledger_service.rules.drafts import Draft
from ledger_service.rules.sources import Source
from ledger_service.rules.transaction_types import TRANSACTION_TYPES, TransactionType
from service_kit.money import CURRENCY_EXPONENTS, LARGEST_MINOR_UNITS, SMALLEST_MINOR_UNITS


class Columns(NamedTuple):
    """The fields of drafts, in the order of `Draft`."""

    types: tuple[TransactionType, ...]
    acct_nos: tuple[int, ...]
    plan_instance_nos: tuple[int, ...]
    amounts: tuple[int, ...]
    currencies: tuple[str, ...]
    effective_dates: tuple[date, ...]
    reason_codes: tuple[str, ...]
    comments: tuple[str, ...]
    sources: tuple[Source, ...]
    applications: tuple[Instruction, ...]


class OfType(NamedTuple):
    """The drafts of one type: their places, and of their fields those that are looked at by type."""

    places: Sequence[int]
    acct_nos: Sequence[int]
    amounts: Sequence[int]
    sources: Sequence[Source]


@dataclass(frozen=True, slots=True)
class PlainDrafts:
    """Drafts that are surely right in themselves.

    currencies: pairs of account and currency.
    sides: by account and effect, the sum of the amounts.
    plan_changes: by plan instance and its account, what happens to the balance.
    names: by register of the books, what is given only once, with the client first.
    """

    client_no: int
    roles: Container[str]
    columns: Columns
    by_type: Mapping[int, OfType]
    currencies: frozenset[tuple[int, str]]
    sides: Mapping[tuple[int, int], int]
    plan_changes: Mapping[tuple[int, int], int]
    names: Mapping[str, frozenset[tuple[Any, ...]]]

    def __len__(self) -> int:
        return len(self.columns.types)

    def documents(self) -> list[Document]:
        """The documents, one by one."""
        drafts = map(Draft._make, zip(*self.columns, strict=True))
        return [Document(self.client_no, draft.type.document, (draft,), self.roles) for draft in drafts]

    def balance_changes(self) -> dict[tuple[int, int], int]:
        """By client and account: what happens to the balance."""
        changes: defaultdict[tuple[int, int], int] = defaultdict(int)
        for (acct_no, effect), amount in self.sides.items():
            changes[self.client_no, acct_no] += effect * amount
        return changes

    def plan_balance_changes(self) -> dict[tuple[int, int], int]:
        """By client and plan instance: what happens to the balance."""
        return {(self.client_no, plan): change for (plan, _), change in self.plan_changes.items()}


class _Name(NamedTuple):
    """What drafts of a type give only once, and where the books have what was given."""

    register: str
    of: Callable[[int, OfType], Iterable[tuple[Any, ...]]]


def _reference_codes(client_no: int, checks: OfType) -> Iterable[tuple[Any, ...]]:
    return zip(repeat(client_no), checks.acct_nos, map(attrgetter("reference_code"), checks.sources))


def _gateway_references(client_no: int, payments: OfType) -> Iterable[tuple[Any, ...]]:
    return zip(repeat(client_no), map(attrgetter("gateway_reference"), payments.sources))


# The types whose rule (`single_postings`) asks for nothing else than that a name is free.
_PLAIN_TYPES: Final[Mapping[int, _Name | None]] = MappingProxyType(
    {
        2: _Name("reference_codes", _reference_codes),
        3: _Name("gateway_references", _gateway_references),
        14: None,
        15: None,
    }
)


# ------------------------------------------------------------------------------------------- in themselves


def plain_drafts(client_no: int, drafts: Sequence[Draft], roles: Container[str]) -> PlainDrafts | None:
    """The drafts, if `check_draft` surely has nothing against any of them."""
    columns = Columns._make(zip(*drafts, strict=True))
    by_type = _by_type(columns)
    if not (
        all(_is_plain(code, drafts, roles) for code, drafts in by_type.items())
        and all(columns.amounts)
        and CURRENCY_EXPONENTS.keys() >= set(columns.currencies)
        and columns.applications.count(BY_CHARGE_DATE) == len(drafts)
        and not any("\0" in text for text in _texts(columns))
    ):
        return None
    names = _names(client_no, by_type)
    if names is None:
        return None
    return PlainDrafts(
        client_no,
        roles,
        columns,
        by_type,
        frozenset(zip(columns.acct_nos, columns.currencies, strict=True)),
        _sides(by_type),
        _plan_changes(columns),
        names,
    )


def _by_type(columns: Columns) -> dict[int, OfType]:
    codes = list(map(attrgetter("code"), columns.types))
    facts = OfType(range(len(codes)), columns.acct_nos, columns.amounts, columns.sources)
    distinct = set(codes)
    if len(distinct) == 1:
        return {codes[0]: facts}
    return {
        each: OfType._make(
            [value for value, code in zip(column, codes, strict=True) if code == each] for column in facts
        )
        for each in distinct
    }


def _is_plain(code: int, drafts: OfType, roles: Container[str]) -> bool:
    kind = TRANSACTION_TYPES[code]
    return (
        code in _PLAIN_TYPES
        and kind.required_role in roles
        and set(map(type, drafts.sources)) == {kind.source}
    )


def _texts(columns: Columns) -> Iterable[str]:
    distinct = {*columns.reason_codes, *columns.comments}
    return chain(
        distinct, (value for value in chain.from_iterable(columns.sources) if isinstance(value, str))
    )


def _names(client_no: int, by_type: Mapping[int, OfType]) -> dict[str, frozenset[tuple[Any, ...]]] | None:
    """None when one is given twice."""
    names = {}
    for code, drafts in by_type.items():
        name = _PLAIN_TYPES[code]
        if name is not None:
            given = frozenset(name.of(client_no, drafts))
            if len(given) < len(drafts.sources):
                return None
            names[name.register] = given
    return names


def _sides(by_type: Mapping[int, OfType]) -> dict[tuple[int, int], int]:
    sides: dict[tuple[int, int], int] = {}
    for code, drafts in by_type.items():
        effect = TRANSACTION_TYPES[code].effect
        for acct_no, amount in zip(drafts.acct_nos, drafts.amounts, strict=True):
            side = (acct_no, effect)
            sides[side] = sides.get(side, 0) + amount
    return sides


def _plan_changes(columns: Columns) -> dict[tuple[int, int], int]:
    changes: dict[tuple[int, int], int] = {}
    if any(columns.plan_instance_nos):
        for kind, acct_no, plan_instance_no, amount in zip(*columns[:4], strict=True):
            if plan_instance_no:
                plan_instance = (plan_instance_no, acct_no)
                changes[plan_instance] = changes.get(plan_instance, 0) + kind.effect * amount
    return changes


# ----------------------------------------------------------------------------------------------- in the books


def enter_if_surely_right(drafts: PlainDrafts, books: Books) -> bool:
    """Enter the drafts in the books, if the rules of their types surely have nothing against any of them."""
    client_no = drafts.client_no
    changes = drafts.balance_changes()
    plan_changes = drafts.plan_balance_changes()
    if not (
        all(_has_currency(books, client_no, *pair) for pair in drafts.currencies)
        and all(books.plan_instances.get((client_no, plan)) == acct for plan, acct in drafts.plan_changes)
        and all(names.isdisjoint(getattr(books, register)) for register, names in drafts.names.items())
        and _stay_in_range(drafts, books, changes, plan_changes)
    ):
        return False
    books.enter_all(books.balances, {key: books.balances[key] + change for key, change in changes.items()})
    books.enter_all(
        books.plan_balances, {key: books.plan_balances[key] + change for key, change in plan_changes.items()}
    )
    books.enter_all(books.last_events, dict.fromkeys(changes, NOT_NUMBERED))
    for register, names in drafts.names.items():
        books.enter_all(getattr(books, register), dict.fromkeys(names, NOT_NUMBERED))
    return True


def _has_currency(books: Books, client_no: int, acct_no: int, currency: str) -> bool:
    account = books.accounts.get((client_no, acct_no))
    return account is not None and account.currency == currency


def _stay_in_range(
    drafts: PlainDrafts,
    books: Books,
    changes: Iterable[tuple[int, int]],
    plan_changes: Iterable[tuple[int, int]],
) -> bool:
    """Whether no balance can leave its range, in whatever order the drafts are posted."""
    most = sum(drafts.columns.amounts)
    balances = chain(
        (books.balances[account] for account in changes),
        (books.plan_balances[plan_instance] for plan_instance in plan_changes),
    )
    return all(SMALLEST_MINOR_UNITS + most <= each <= LARGEST_MINOR_UNITS - most for each in balances)
