"""What may be asked of a ledger, in the terms of the business.

A call is plain and can be compared: the same call again is the same request. Days that are left out mean
today.
"""

from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import TypeAlias


class Method(Enum):
    """In which order a credit pays charges; the numbers are those of the contract."""

    CHARGE_DATE = 1
    DUE_DATE = 2
    DIRECTED = 3
    NONE = 4


@dataclass(frozen=True, slots=True)
class Instruction:
    """How a credit is to be applied; directed, the numbers of charges and invoices."""

    method: Method
    charges: tuple[int, ...] = ()
    invoices: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A transaction that somebody wants to be posted.

    source: which details are given, by the name of their field in the contract; "" for none.
    names: the number of what the details name: an account, an invoice or a transaction.
    reference: the reference code, gateway reference or check number.
    received: of a check. period: of an invoice line.
    expires_on: of a dispute hold; None for a write-off for good.
    pays: None leaves it out, which means first in, first out.
    """

    code: int
    account: int
    on: date | None
    source: str
    plan: int = 0
    amount: int = 0
    currency: str = ""
    reason: str = ""
    comment: str = ""
    label: str = ""
    key: str = ""
    names: int = 0
    reference: str = ""
    received: date | None = None
    line_type: int = 0
    period: tuple[date, date] | None = None
    expires_on: date | None = None
    pays: Instruction | None = None


@dataclass(frozen=True, slots=True)
class OpenAccount:
    """CreateAccount. `opening` in minor units of `opening_currency`."""

    external_id: str
    currency: str
    term_days: int
    plans: int
    opening: int
    opening_currency: str
    on: date | None


@dataclass(frozen=True, slots=True)
class AddPlan:
    """CreatePlanInstance."""

    account: int


@dataclass(frozen=True, slots=True)
class Post:
    """PostTransactions."""

    drafts: tuple[Draft, ...]
    all_or_nothing: bool


@dataclass(frozen=True, slots=True)
class Operate:
    """An operation that posts what these drafts say, by the name of its RPC.

    Where the operation finds the account and the plan instance itself, the drafts have none.
    """

    operation: str
    drafts: tuple[Draft, ...]


@dataclass(frozen=True, slots=True)
class Void:
    """VoidTransaction."""

    event: int
    on: date | None


class Resolution(Enum):
    """How a dispute ends; the numbers are those of the contract."""

    WRITE_OFF = 1
    RE_AGE = 2
    KEEP_DATES = 3


@dataclass(frozen=True, slots=True)
class Settle:
    """SettleDispute."""

    event: int
    resolution: Resolution
    on: date | None


@dataclass(frozen=True, slots=True)
class VoidMemo:
    """VoidCreditMemo."""

    memo: int
    on: date | None


@dataclass(frozen=True, slots=True)
class InvoiceDraft:
    """An invoice to be created; each line is its line type and amount."""

    account: int
    plan: int
    period: tuple[date, date]
    on: date
    currency: str
    lines: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class CreateInvoices:
    """CreateInvoices."""

    invoices: tuple[InvoiceDraft, ...]


@dataclass(frozen=True, slots=True)
class VoidInvoice:
    """VoidInvoice."""

    invoice: int
    on: date | None


@dataclass(frozen=True, slots=True)
class ApplyCredit:
    """ApplyUnappliedCredit."""

    credit: int
    pays: Instruction | None
    on: date | None


@dataclass(frozen=True, slots=True)
class Close:
    """CloseStatements, up to a day."""

    accounts: tuple[int, ...]
    through: date


Call: TypeAlias = (
    OpenAccount
    | AddPlan
    | Post
    | Operate
    | Void
    | Settle
    | VoidMemo
    | CreateInvoices
    | VoidInvoice
    | ApplyCredit
    | Close
)  # fmt: skip
