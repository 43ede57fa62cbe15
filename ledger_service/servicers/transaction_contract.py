"""Transactions in the form of the contract."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from ledger_service.rules import sources
from ledger_service.rules.transactions import Transaction
from service_kit.dates import write_date, write_instant
from tallybook.ledger.v1 import transaction_pb2


def transaction_to_proto(transaction: Transaction) -> transaction_pb2.Transaction:
    """The contract's form of a transaction, with its source row."""
    message = transaction_pb2.Transaction()
    write_transaction(message, transaction)
    return message


def write_transaction(into: transaction_pb2.Transaction, transaction: Transaction) -> None:
    """Write a transaction into an empty message, field by field: a page has a hundred of them, and to make
    each part by itself and copy it into the whole takes twice as long.
    """
    kind = transaction.type
    into.event_no = transaction.event_no
    into.client_no = transaction.client_no
    into.acct_no = transaction.acct_no
    into.plan_instance_no = transaction.plan_instance_no
    into.transaction_type = kind.code  # type: ignore[assignment]  # the numbers of the enum are the codes
    into.source_no = transaction.source_no
    amount = into.amount
    amount.currency_code = transaction.currency
    amount.minor_units = transaction.amount
    write_date(into.effective_date, transaction.effective_date)
    write_instant(into.created_at, transaction.created_at)
    if kind.is_void:
        into.voids_event_no = transaction.related_event_no
    into.voided_by_event_no = transaction.voided_by_event_no
    into.reason_code = transaction.reason_code
    into.comment = transaction.comment
    source = transaction.source
    if source is not None:
        field, write = _SOURCES[type(source)]
        details = getattr(into, field)
        details.SetInParent()
        write(details, source)
    elif abs(kind.code) in _WITHOUT_DETAILS:
        getattr(into, _WITHOUT_DETAILS[abs(kind.code)]).SetInParent()


def _external_payment(into: transaction_pb2.ExternalPayment, source: sources.ExternalPayment) -> None:
    into.reference_code = source.reference_code
    write_date(into.received_date, source.received_date)


def _electronic_payment(into: transaction_pb2.ElectronicPayment, source: sources.ElectronicPayment) -> None:
    into.payment_method_kind = transaction_pb2.PaymentMethodKind.ValueType(source.payment_method_kind)
    into.gateway_reference = source.gateway_reference


def _balance_transfer(into: transaction_pb2.BalanceTransfer, source: sources.BalanceTransfer) -> None:
    into.counterpart_acct_no = source.counterpart_acct_no


def _write_off(into: transaction_pb2.WriteOff, source: sources.WriteOff) -> None:
    into.kind = transaction_pb2.WriteOffKind.ValueType(source.kind)
    into.invoice_no = source.invoice_no
    if source.expires_on is not None:
        write_date(into.expires_on, source.expires_on)


def _refund_reversal(into: transaction_pb2.RefundReversal, source: sources.RefundReversal) -> None:
    into.charge_event_no = source.charge_event_no


def _electronic_refund(into: transaction_pb2.ElectronicRefund, source: sources.ElectronicRefund) -> None:
    into.payment_event_no = source.payment_event_no
    into.gateway_reference = source.gateway_reference


def _check_refund(into: transaction_pb2.CheckRefund, source: sources.CheckRefund) -> None:
    into.payment_event_no = source.payment_event_no
    into.check_number = source.check_number


def _external_charge(into: transaction_pb2.ExternalCharge, source: sources.ExternalCharge) -> None:
    into.description = source.description


def _dunning_charge(into: transaction_pb2.DunningCharge, source: sources.DunningCharge) -> None:
    into.dunning_step = source.dunning_step
    into.description = source.description


def _invoice_line(into: transaction_pb2.InvoiceLine, source: sources.InvoiceLine) -> None:
    into.invoice_no = source.invoice_no
    into.line_type = transaction_pb2.InvoiceLineType.ValueType(source.line_type)
    into.description = source.description


def _credit_memo_line(into: transaction_pb2.CreditMemoLine, source: sources.CreditMemoLine) -> None:
    into.charge_event_no = source.charge_event_no


_SOURCES: Final[Mapping[type, tuple[str, Callable[[Any, Any], None]]]] = MappingProxyType(
    {
        sources.ExternalPayment: ("external_payment", _external_payment),
        sources.ElectronicPayment: ("electronic_payment", _electronic_payment),
        sources.BalanceTransfer: ("balance_transfer", _balance_transfer),
        sources.WriteOff: ("write_off", _write_off),
        sources.RefundReversal: ("refund_reversal", _refund_reversal),
        sources.ElectronicRefund: ("electronic_refund", _electronic_refund),
        sources.CheckRefund: ("check_refund", _check_refund),
        sources.ExternalCharge: ("external_charge", _external_charge),
        sources.DunningCharge: ("dunning_charge", _dunning_charge),
        sources.InvoiceLine: ("invoice_line", _invoice_line),
        sources.CreditMemoLine: ("credit_memo_line", _credit_memo_line),
    }
)

# The sources without details of their own, by type.
_WITHOUT_DETAILS: Final[Mapping[int, str]] = MappingProxyType(
    {9: "balance_forward", 18: "balance_forward", 10: "cash_credit"}
)
