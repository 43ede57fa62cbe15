"""The chart of general ledger accounts that the journal is kept in.

Every transaction type and every invoice line type names one account that it debits and one that it credits
(`transaction_types`, `invoice_line_types`), so the journal is a view over the transactions and its debits
equal its credits by construction. Every charge debits accounts receivable and everything else credits it:
so the balance of 1200 is the sum of all account balances.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

CHECK_CLEARING: Final = "1000"
ELECTRONIC_CLEARING: Final = "1010"
ACCOUNTS_RECEIVABLE: Final = "1200"
TRANSFER_CLEARING: Final = "1300"
TAX_PAYABLE: Final = "2200"
OPENING_BALANCES: Final = "3900"
RECURRING_REVENUE: Final = "4000"
ACTIVATION_REVENUE: Final = "4010"
USAGE_REVENUE: Final = "4020"
ORDER_REVENUE: Final = "4030"
SURCHARGE_REVENUE: Final = "4040"
OTHER_REVENUE: Final = "4100"
LATE_FEE_REVENUE: Final = "4200"
SERVICE_CREDITS: Final = "4900"
COUPONS: Final = "4910"
CREDIT_MEMOS: Final = "4920"
CASH_CREDITS: Final = "4930"
REFUNDED_CHARGES: Final = "4940"
BAD_DEBT: Final = "6100"


@dataclass(frozen=True, slots=True)
class GlAccount:
    """An account of the general ledger. `kind` is its place in the balance sheet or the income statement."""

    code: str
    name: str
    kind: str


CHART: Final[Mapping[str, GlAccount]] = MappingProxyType(
    {
        account.code: account
        for account in (
            GlAccount(CHECK_CLEARING, "Cash clearing, checks", "asset"),
            GlAccount(ELECTRONIC_CLEARING, "Cash clearing, electronic payments", "asset"),
            GlAccount(ACCOUNTS_RECEIVABLE, "Accounts receivable", "asset"),
            # Both legs of a transfer meet here, so it is always back to zero.
            GlAccount(TRANSFER_CLEARING, "Transfers between accounts, clearing", "asset"),
            GlAccount(TAX_PAYABLE, "Tax payable", "liability"),
            GlAccount(OPENING_BALANCES, "Opening balances", "equity"),
            GlAccount(RECURRING_REVENUE, "Recurring revenue", "revenue"),
            GlAccount(ACTIVATION_REVENUE, "Activation revenue", "revenue"),
            GlAccount(USAGE_REVENUE, "Usage revenue", "revenue"),
            GlAccount(ORDER_REVENUE, "Order revenue", "revenue"),
            GlAccount(SURCHARGE_REVENUE, "Surcharge revenue", "revenue"),
            GlAccount(OTHER_REVENUE, "Other charges", "revenue"),
            GlAccount(LATE_FEE_REVENUE, "Late fees", "revenue"),
            GlAccount(SERVICE_CREDITS, "Service credits", "contra revenue"),
            GlAccount(COUPONS, "Coupons", "contra revenue"),
            GlAccount(CREDIT_MEMOS, "Credit memos", "contra revenue"),
            GlAccount(CASH_CREDITS, "Cash credits", "contra revenue"),
            GlAccount(REFUNDED_CHARGES, "Charges reversed with refunds", "contra revenue"),
            GlAccount(BAD_DEBT, "Bad debt", "expense"),
        )
    }
)
