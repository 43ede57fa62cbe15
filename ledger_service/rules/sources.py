"""The details of source rows: what a transaction has beyond what all transactions have.

One tuple type for each kind of source in the contract. Drafts carry them in, transactions carry them out.
"""

from datetime import date
from enum import IntEnum
from typing import NamedTuple


class ExternalPayment(NamedTuple):
    """Of 2, in external_payments. `reuse`: how many payments, all voided by now, had the code before."""

    reference_code: str
    received_date: date
    reuse: int | None = None


class ElectronicPayment(NamedTuple):
    """Of 3, in payments. `payment_method_kind`: 1 card, 2 electronic check."""

    gateway_reference: str
    payment_method_kind: int


class ElectronicRefund(NamedTuple):
    """Of 12, in payments: a row of its own. `payment_event_no` is the payment that is refunded."""

    payment_event_no: int
    gateway_reference: str


class CheckRefund(NamedTuple):
    """Of 13, in check_refund."""

    payment_event_no: int
    check_number: str


class BalanceTransfer(NamedTuple):
    """Of 4 and 5, in balance_transfer. The row belongs to the source account and names the target."""

    counterpart_acct_no: int


class WriteOff(NamedTuple):
    """Of 6, in write_offs. `kind`: 1 write-off, 2 dispute hold, which alone has `expires_on`."""

    kind: int
    invoice_no: int
    expires_on: date | None


class Resolution(IntEnum):
    """How a dispute ends (rule 15)."""

    WRITE_OFF = 1
    """Written off for good."""
    RE_AGE = 2
    """Owed, with the payment terms from the day of the settlement on."""
    KEEP_DATES = 3
    """Owed, with the due date that the invoice has."""


class RefundReversal(NamedTuple):
    """Of 8, in refunds. The row is the refund's and is shared by all of its reversals. `refund_event_no`: the
    refund, 0 as drafted.
    """

    charge_event_no: int
    refund_event_no: int = 0


class ExternalCharge(NamedTuple):
    """Of 14, in external_charge."""

    description: str


class DunningCharge(NamedTuple):
    """Of 15, in dunning_charge."""

    dunning_step: int
    description: str


class NewInvoiceLine(NamedTuple):
    """Of 21 and 22 as drafted through PostTransactions: the line, and the invoice that it belongs to."""

    line_type: int
    description: str
    billing_period_start: date
    billing_period_end: date


class InvoiceLine(NamedTuple):
    """Of 21 and 22, in gl_detail."""

    line_type: int
    description: str
    line_no: int
    invoice_no: int


class CreditMemoLine(NamedTuple):
    """Of 24, in credit_memo. The row is the memo's and is shared by all of its lines."""

    charge_event_no: int


class VoidOf(NamedTuple):
    """Of all voids as drafted: what they void. A void has no source row of its own."""

    event_no: int


class InvoiceVoid(NamedTuple):
    """What VoidInvoice voids."""

    invoice_no: int


class DisputeSettlement(NamedTuple):
    """What SettleDispute settles: the hold, and the invoice that it is against."""

    event_no: int
    invoice_no: int
    resolution: Resolution


Source = (
    ExternalPayment
    | ElectronicPayment
    | ElectronicRefund
    | CheckRefund
    | BalanceTransfer
    | WriteOff
    | RefundReversal
    | ExternalCharge
    | DunningCharge
    | NewInvoiceLine
    | InvoiceLine
    | CreditMemoLine
    | VoidOf
    | InvoiceVoid
    | DisputeSettlement
)
