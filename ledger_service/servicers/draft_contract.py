"""Drafts out of the form of the contract.

The contract's own rules (protovalidate) were checked before; this reads what they let through, and every
fault that is left is a DomainError about one draft.
"""

from collections.abc import Callable, Mapping
from datetime import date
from types import MappingProxyType
from typing import Any, Final

from google.type.date_pb2 import Date

from ledger_service.rules import sources
from ledger_service.rules.applications import BY_CHARGE_DATE, Instruction, Method
from ledger_service.rules.business_dates import business_date
from ledger_service.rules.drafts import Draft
from ledger_service.rules.transaction_types import TRANSACTION_TYPES
from service_kit.dates import date_from_proto
from tallybook.ledger.v1 import application_pb2, ledger_pb2, transaction_pb2


def business_date_from_proto(value: Date, field: str, today: date) -> date:
    """The day on which something takes effect; DATE_INVALID when there is none, or it is out of range."""
    return business_date(date_from_proto(value, field), field, today)


def draft_from_proto(message: ledger_pb2.TransactionDraft, today: date) -> Draft:
    """A draft; DATE_INVALID."""
    effective_date = (
        business_date_from_proto(message.effective_date, "effective_date", today)
        if message.HasField("effective_date")
        else today
    )
    source_field = message.WhichOneof("source")
    amount = message.amount
    return Draft(
        TRANSACTION_TYPES[message.transaction_type],
        message.acct_no,
        message.plan_instance_no,
        amount.minor_units,
        amount.currency_code,
        effective_date,
        message.reason_code,
        message.comment,
        None
        if source_field is None
        else _SOURCES[source_field](getattr(message, source_field), effective_date),
        instruction_of(message),
    )


def instruction_of(message: Any) -> Instruction:
    """Which charges the credit of a message with the field `application` pays."""
    return instruction_from_proto(message.application) if message.HasField("application") else BY_CHARGE_DATE


def instruction_from_proto(message: application_pb2.ApplicationInstruction) -> Instruction:
    """Which charges a credit pays; those that say nothing are one and the same."""
    if message.method <= Method.CHARGE_DATE:
        return BY_CHARGE_DATE
    return Instruction(Method(message.method), tuple(message.charge_event_nos), tuple(message.invoice_nos))


def external_payment_from_proto(
    message: transaction_pb2.ExternalPayment, effective_date: date
) -> sources.ExternalPayment:
    """The details of a check; the effective date where it was received on no other."""
    return sources.ExternalPayment(
        message.reference_code,
        date_from_proto(message.received_date, "external_payment.received_date")
        if message.HasField("received_date")
        else effective_date,
    )


def electronic_payment_from_proto(
    message: transaction_pb2.ElectronicPayment, _effective_date: date
) -> sources.ElectronicPayment:
    """The details of a payment that the gateway confirmed."""
    return sources.ElectronicPayment(message.gateway_reference, message.payment_method_kind)


def dunning_charge_from_proto(
    message: transaction_pb2.DunningCharge, _effective_date: date
) -> sources.DunningCharge:
    """The details of a late fee."""
    return sources.DunningCharge(message.dunning_step, message.description)


def _write_off(message: transaction_pb2.WriteOff, _effective_date: date) -> sources.WriteOff:
    expires_on = (
        date_from_proto(message.expires_on, "write_off.expires_on")
        if message.HasField("expires_on")
        else None
    )
    return sources.WriteOff(message.kind, message.invoice_no, expires_on)


def _new_invoice_line(message: ledger_pb2.NewInvoiceLine, _effective_date: date) -> sources.NewInvoiceLine:
    return sources.NewInvoiceLine(
        message.line_type,
        message.description,
        date_from_proto(message.billing_period_start, "new_invoice_line.billing_period_start"),
        date_from_proto(message.billing_period_end, "new_invoice_line.billing_period_end"),
    )


_SOURCES: Final[Mapping[str, Callable[[Any, date], sources.Source]]] = MappingProxyType(
    {
        "external_payment": external_payment_from_proto,
        "electronic_payment": electronic_payment_from_proto,
        "balance_transfer": lambda message, _: sources.BalanceTransfer(message.counterpart_acct_no),
        "write_off": _write_off,
        "refund_reversal": lambda message, _: sources.RefundReversal(message.charge_event_no),
        "electronic_refund": lambda message, _: sources.ElectronicRefund(
            message.payment_event_no, message.gateway_reference
        ),
        "check_refund": lambda message, _: sources.CheckRefund(
            message.payment_event_no, message.check_number
        ),
        "external_charge": lambda message, _: sources.ExternalCharge(message.description),
        "dunning_charge": dunning_charge_from_proto,
        "new_invoice_line": _new_invoice_line,
        "credit_memo_line": lambda message, _: sources.CreditMemoLine(message.charge_event_no),
        "void_of": lambda message, _: sources.VoidOf(message.event_no),
    }
)
