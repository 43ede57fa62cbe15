"""Which general ledger accounts a client's transactions are booked to: the defaults, and what it changed.

One side of every transaction is accounts receivable, and stays so: the balance of 1200 is the sum of all
account balances. The other side, the counter account, has a default by type or line type, and a client may
name another. A change concerns transactions that are recorded after it and, of these, those that take effect
on a stated day or later; the newest change that concerns a transaction decides. So what was exported once
never changes. The view `journal` applies the same rule to every row.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import Final, NamedTuple

from ledger_service.rules import refusals
from ledger_service.rules.gl_accounts import ACCOUNTS_RECEIVABLE
from ledger_service.rules.invoice_line_types import INVOICE_LINE_TYPES
from ledger_service.rules.transaction_types import TRANSACTION_TYPES, DocumentKind


class MappingKey(NamedTuple):
    """What is booked: a transaction type that is no void and, of invoice lines, the line type (else 0)."""

    transaction_type: int
    line_type: int = 0


@dataclass(frozen=True, slots=True)
class DefaultMapping:
    """The ledger's own mapping of a key.

    raises_balance: receivables are debited and the counter account is credited; else the other way round.
    """

    key: MappingKey
    name: str
    counter_account: str
    raises_balance: bool


class Override(NamedTuple):
    """A change of a counter account. gl_account: None for the default again. effective_from: None for all."""

    key: MappingKey
    gl_account: str | None
    from_event_no: int
    effective_from: date | None
    created_at: datetime
    actor: str


@dataclass(frozen=True, slots=True)
class GlMapping:
    """The mapping of a key, for something that is recorded now, with all changes, oldest first."""

    default: DefaultMapping
    own_account: str | None
    overrides: tuple[Override, ...]

    @property
    def counter_account(self) -> str:
        """The account beside receivables."""
        return self.own_account or self.default.counter_account

    @property
    def debit_account(self) -> str:
        """The account that is debited."""
        return ACCOUNTS_RECEIVABLE if self.default.raises_balance else self.counter_account

    @property
    def credit_account(self) -> str:
        """The account that is credited."""
        return self.counter_account if self.default.raises_balance else ACCOUNTS_RECEIVABLE


def _defaults() -> list[DefaultMapping]:
    types = [
        DefaultMapping(
            MappingKey(kind.code),
            kind.name,
            _counter(kind.debit_gl_account, kind.credit_gl_account),
            kind.is_charge,
        )
        for kind in TRANSACTION_TYPES.values()
        if not kind.is_void and kind.document is not DocumentKind.INVOICE
    ]
    lines = [
        DefaultMapping(
            MappingKey(line.transaction_type, line.code),
            line.name,
            _counter(line.debit_gl_account, line.credit_gl_account),
            TRANSACTION_TYPES[line.transaction_type].is_charge,
        )
        for line in INVOICE_LINE_TYPES.values()
    ]
    return types + lines


def _counter(debit: str | None, credit: str | None) -> str:
    (counter,) = {debit, credit} - {ACCOUNTS_RECEIVABLE}
    assert counter is not None, "every type, or its line type, names its accounts"
    return counter


DEFAULT_MAPPINGS: Final[Mapping[MappingKey, DefaultMapping]] = MappingProxyType(
    {default.key: default for default in _defaults()}
)
"""First the transaction types, then the invoice line types, each by number."""

# Both legs of a transfer meet on their counter account, which is why it is always back to zero.
_TRANSFER_LEGS: Final = frozenset(
    default.key
    for default in DEFAULT_MAPPINGS.values()
    if TRANSACTION_TYPES[default.key.transaction_type].document
    in {DocumentKind.TRANSFER, DocumentKind.TRANSFER_TARGET}
)


def changed_together(key: MappingKey) -> list[MappingKey]:
    """The keys that a change of `key` changes."""
    return sorted(_TRANSFER_LEGS) if key in _TRANSFER_LEGS else [key]


def check_counter_account(code: str, chart: Iterable[str]) -> None:
    """GL_ACCOUNT_NOT_ALLOWED for receivables, GL_ACCOUNT_NOT_FOUND for what is not in the chart."""
    if code == ACCOUNTS_RECEIVABLE:
        raise refusals.gl_account_not_allowed(code)
    if code not in chart:
        raise refusals.gl_account_not_found(code)


def mappings_at(overrides: Iterable[Override], effective_date: date) -> list[GlMapping]:
    """The mapping of every key, for what is recorded now and takes effect on a day.

    `overrides` are all that the client made, oldest first: what is recorded now comes after each of them.
    """
    made: dict[MappingKey, list[Override]] = {key: [] for key in DEFAULT_MAPPINGS}
    for override in overrides:
        made[override.key].append(override)
    return [
        GlMapping(default, _in_force(made[key], effective_date), tuple(made[key]))
        for key, default in DEFAULT_MAPPINGS.items()
    ]


def _in_force(overrides: Iterable[Override], effective_date: date) -> str | None:
    account = None
    for override in overrides:
        if override.effective_from is None or override.effective_from <= effective_date:
            account = override.gl_account
    return account
