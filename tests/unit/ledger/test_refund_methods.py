"""Which refund a payment has, and how its money is returned (rule 14)."""

from datetime import UTC, date, datetime

import pytest

from ledger_service.rules.refunds import refund_for
from ledger_service.rules.sources import CheckRefund, ElectronicRefund
from ledger_service.rules.transaction_types import TRANSACTION_TYPES
from ledger_service.rules.transactions import Transaction
from service_kit.errors import DomainError


def transaction(code: int) -> Transaction:
    """Transaction 7, of a type."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    kind = TRANSACTION_TYPES[code]
    return Transaction(1, 7, 3, 0, kind, 1, 100, "USD", date(2026, 1, 1), now, 0, 0, "", "", None)


def test_a_check_is_refunded_by_check_and_an_electronic_payment_through_its_gateway() -> None:
    assert refund_for(transaction(2), "check_number", "4711") == (
        TRANSACTION_TYPES[13],
        CheckRefund(7, "4711"),
    )
    assert refund_for(transaction(3), "gateway_reference", "gw") == (
        TRANSACTION_TYPES[12],
        ElectronicRefund(7, "gw"),
    )


@pytest.mark.parametrize(
    ("code", "method", "reason"),
    [
        (2, "gateway_reference", "SOURCE_MISMATCH"),
        (3, "check_number", "SOURCE_MISMATCH"),
        *(
            (code, "check_number", "PAYMENT_NOT_REFUNDABLE")
            for code in TRANSACTION_TYPES
            if code not in {2, 3}
        ),
    ],
)
def test_what_is_no_payment_or_was_paid_otherwise_is_not_refunded(
    code: int, method: str, reason: str
) -> None:
    with pytest.raises(DomainError) as refusal:
        refund_for(transaction(code), method, "1")
    assert refusal.value.reason == reason
