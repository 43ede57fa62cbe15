"""A draft: a transaction that somebody wants to be posted, and the faults that it has whatever the books
say.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import Final, NamedTuple

from ledger_service.rules import refusals
from ledger_service.rules.applications import BY_CHARGE_DATE, Instruction
from ledger_service.rules.invoice_line_types import INVOICE_LINE_TYPES
from ledger_service.rules.sources import (
    BalanceTransfer,
    NewInvoiceLine,
    Source,
    WriteOff,
)
from ledger_service.rules.transaction_types import AmountRule, TransactionType
from service_kit.money import CURRENCY_EXPONENTS

DISPUTE_HOLD: Final = 2


class Draft(NamedTuple):
    """A draft of one transaction.

    plan_instance_no: 0 is the account itself or, where the draft refers to another transaction or an
        invoice, the plan instance of that.
    amount, currency: minor units; 0 and "" when they are not given.
    source: the details of the source row, or what is voided.
    application: of a payment or a cash credit, which charges it pays.
    """

    type: TransactionType
    acct_no: int
    plan_instance_no: int
    amount: int
    currency: str
    effective_date: date
    reason_code: str
    comment: str
    source: Source | None
    application: Instruction = BY_CHARGE_DATE


def check_draft(draft: Draft, roles: Container[str]) -> None:
    """Refuse a draft that no state of the books could make good. The order is that of `refusals`."""
    kind = draft.type
    if type(draft.source) is not (kind.source or type(None)):
        raise refusals.source_mismatch(kind)
    if kind.required_role is not None and kind.required_role not in roles:
        raise refusals.type_not_allowed(kind)
    if draft.application is not BY_CHARGE_DATE and not kind.directable:
        raise refusals.not_directable(kind)
    _check_amount(draft)
    check_texts(draft)
    check_source = _SOURCE_CHECKS.get(type(draft.source))
    if check_source is not None:
        check_source(draft)


def check_invoice_lines(drafts: Sequence[Draft], roles: Container[str]) -> None:
    """As `check_draft` does each of the lines of one invoice; what they have in common is checked once."""
    check_draft(drafts[0], roles)
    for draft in drafts[1:]:
        assert isinstance(draft.source, NewInvoiceLine)
        _check_amount(draft)
        if "\0" in draft.source.description:
            raise refusals.text_with_nul("source")


def _check_amount(draft: Draft) -> None:
    if draft.amount:
        if draft.type.amount is AmountRule.FORBIDDEN:
            raise refusals.amount_forbidden(draft.type)
        if draft.currency not in CURRENCY_EXPONENTS:
            raise refusals.currency_unknown(draft.currency)
    elif draft.type.amount is AmountRule.REQUIRED:
        raise refusals.amount_required(draft.type)


def check_texts(draft: Draft) -> None:
    """The texts that the type needs are there, and can be stored; REASON_REQUIRED, INVALID_REQUEST."""
    kind = draft.type
    if kind.reason_code_required and not draft.reason_code.strip():
        raise refusals.reason_required(kind, "reason_code")
    if kind.comment_required and not draft.comment.strip():
        raise refusals.reason_required(kind, "comment")
    if "\0" in draft.reason_code:
        raise refusals.text_with_nul("reason_code")
    if "\0" in draft.comment:
        raise refusals.text_with_nul("comment")
    if draft.source is not None:
        for value in draft.source:
            if isinstance(value, str) and "\0" in value:
                raise refusals.text_with_nul("source")


def _check_transfer(draft: Draft) -> None:
    assert isinstance(draft.source, BalanceTransfer)
    if draft.source.counterpart_acct_no == draft.acct_no:
        raise refusals.transfer_to_itself(draft.acct_no)


def _check_write_off(draft: Draft) -> None:
    assert isinstance(draft.source, WriteOff)
    expires_on = draft.source.expires_on
    if (draft.source.kind == DISPUTE_HOLD) != (expires_on is not None):
        raise refusals.expiry_mismatch()
    if expires_on is not None and expires_on < draft.effective_date:
        raise refusals.date_invalid(
            "write_off.expires_on", f"the hold would end on {expires_on}, before it begins"
        )


def _check_invoice_line(draft: Draft) -> None:
    assert isinstance(draft.source, NewInvoiceLine)
    line = draft.source
    if INVOICE_LINE_TYPES[line.line_type].transaction_type != draft.type.code:
        raise refusals.line_type_mismatch(draft.type, line.line_type)
    if line.billing_period_end < line.billing_period_start:
        raise refusals.date_invalid(
            "billing_period_end",
            f"the billing period would end on {line.billing_period_end}, before it starts",
        )


_SOURCE_CHECKS: Final[Mapping[type, Callable[[Draft], None]]] = MappingProxyType(
    {
        BalanceTransfer: _check_transfer,
        WriteOff: _check_write_off,
        NewInvoiceLine: _check_invoice_line,
    }
)
