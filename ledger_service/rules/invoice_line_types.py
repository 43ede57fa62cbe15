"""The table of invoice line types: what a line bills, and so whether it is a charge or a credit (rule 20)."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ledger_service.rules import gl_accounts as gl


@dataclass(frozen=True, slots=True)
class InvoiceLineType:
    """One row: `transaction_type` is 21 for charges and 22 for credits; the GL accounts are those of the
    line.
    """

    code: int
    name: str
    transaction_type: int
    debit_gl_account: str
    credit_gl_account: str


def _charge(code: int, name: str, revenue: str) -> InvoiceLineType:
    return InvoiceLineType(code, name, 21, gl.ACCOUNTS_RECEIVABLE, revenue)


def _credit(code: int, name: str, contra_revenue: str) -> InvoiceLineType:
    return InvoiceLineType(code, name, 22, contra_revenue, gl.ACCOUNTS_RECEIVABLE)


INVOICE_LINE_TYPES: Final[Mapping[int, InvoiceLineType]] = MappingProxyType(
    {
        row.code: row
        for row in (
            _charge(1, "Recurring Charge", gl.RECURRING_REVENUE),
            _charge(2, "Tax Charge", gl.TAX_PAYABLE),
            _credit(3, "Service Credit", gl.SERVICE_CREDITS),
            _credit(4, "Coupon Credit", gl.COUPONS),
            _charge(5, "Activation Charge", gl.ACTIVATION_REVENUE),
            _charge(6, "Usage Charge", gl.USAGE_REVENUE),
            _charge(7, "Recurring Arrears Charge", gl.RECURRING_REVENUE),
            _charge(8, "Order Charge", gl.ORDER_REVENUE),
            _charge(9, "Surcharge", gl.SURCHARGE_REVENUE),
        )
    }
)
