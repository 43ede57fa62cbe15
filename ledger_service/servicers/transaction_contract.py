"""Transactions in the form of the contract."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from ledger_service.rules import sources
from ledger_service.rules.transactions import Transaction
from service_kit.dates import date_to_proto, instant_to_proto
from tallybook.ledger.v1 import transaction_pb2
from tallybook.type.v1.money_pb2 import Money


def transaction_to_proto(transaction: Transaction) -> transaction_pb2.Transaction:
    """The contract's form of a transaction, with its source row."""
    is_void = transaction.type.is_void
    message = transaction_pb2.Transaction(
        event_no=transaction.event_no,
        client_no=transaction.client_no,
        acct_no=transaction.acct_no,
        plan_instance_no=transaction.plan_instance_no,
        transaction_type=transaction.type.code,  # type: ignore[arg-type]  # the numbers of the enum are the codes
        source_no=transaction.source_no,
        amount=Money(currency_code=transaction.currency, minor_units=transaction.amount),
        effective_date=date_to_proto(transaction.effective_date),
        created_at=instant_to_proto(transaction.created_at),
        voids_event_no=transaction.related_event_no if is_void else 0,
        voided_by_event_no=transaction.voided_by_event_no,
        reason_code=transaction.reason_code,
        comment=transaction.comment,
    )
    source = transaction.source
    if source is not None:
        field, make = _SOURCES[type(source)]
        getattr(message, field).CopyFrom(make(source))
    elif abs(transaction.type.code) in _WITHOUT_DETAILS:
        getattr(message, _WITHOUT_DETAILS[abs(transaction.type.code)]).SetInParent()
    return message


def _external_payment(source: sources.ExternalPayment) -> transaction_pb2.ExternalPayment:
    return transaction_pb2.ExternalPayment(
        reference_code=source.reference_code, received_date=date_to_proto(source.received_date)
    )


def _electronic_payment(source: sources.ElectronicPayment) -> transaction_pb2.ElectronicPayment:
    return transaction_pb2.ElectronicPayment(
        payment_method_kind=transaction_pb2.PaymentMethodKind.ValueType(source.payment_method_kind),
        gateway_reference=source.gateway_reference,
    )


def _balance_transfer(source: sources.BalanceTransfer) -> transaction_pb2.BalanceTransfer:
    return transaction_pb2.BalanceTransfer(counterpart_acct_no=source.counterpart_acct_no)


def _write_off(source: sources.WriteOff) -> transaction_pb2.WriteOff:
    return transaction_pb2.WriteOff(
        kind=transaction_pb2.WriteOffKind.ValueType(source.kind),
        invoice_no=source.invoice_no,
        expires_on=None if source.expires_on is None else date_to_proto(source.expires_on),
    )


def _refund_reversal(source: sources.RefundReversal) -> transaction_pb2.RefundReversal:
    return transaction_pb2.RefundReversal(charge_event_no=source.charge_event_no)


def _electronic_refund(source: sources.ElectronicRefund) -> transaction_pb2.ElectronicRefund:
    return transaction_pb2.ElectronicRefund(
        payment_event_no=source.payment_event_no, gateway_reference=source.gateway_reference
    )


def _check_refund(source: sources.CheckRefund) -> transaction_pb2.CheckRefund:
    return transaction_pb2.CheckRefund(
        payment_event_no=source.payment_event_no, check_number=source.check_number
    )


def _external_charge(source: sources.ExternalCharge) -> transaction_pb2.ExternalCharge:
    return transaction_pb2.ExternalCharge(description=source.description)


def _dunning_charge(source: sources.DunningCharge) -> transaction_pb2.DunningCharge:
    return transaction_pb2.DunningCharge(dunning_step=source.dunning_step, description=source.description)


def _invoice_line(source: sources.InvoiceLine) -> transaction_pb2.InvoiceLine:
    return transaction_pb2.InvoiceLine(
        invoice_no=source.invoice_no,
        line_type=transaction_pb2.InvoiceLineType.ValueType(source.line_type),
        description=source.description,
    )


def _credit_memo_line(source: sources.CreditMemoLine) -> transaction_pb2.CreditMemoLine:
    return transaction_pb2.CreditMemoLine(charge_event_no=source.charge_event_no)


_SOURCES: Final[Mapping[type, tuple[str, Callable[[Any], Any]]]] = MappingProxyType(
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
