"""The table of transaction types: 16 types and their voids, one row a code, and everything that differs by
type.

What differs by type is a column here; the code that posts is one path. Rule 2 holds by construction: the
row of a void is made from the row of its type, with the other sign and the GL accounts swapped.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from ledger_service.rules import gl_accounts as gl
from ledger_service.rules import sources


class AmountRule(Enum):
    """Whether a draft of the type has an amount."""

    REQUIRED = auto()
    OPTIONAL = auto()
    """Omitted means: all there is (of a balance, of an invoice)."""
    FORBIDDEN = auto()
    """It has the amount of what it voids."""


class DocumentKind(Enum):
    """What a draft is a part of: the unit that is accepted or refused together."""

    SINGLE = auto()
    """A document of its own."""
    TRANSFER = auto()
    """5; its other leg (4) follows from it and is never drafted."""
    TRANSFER_TARGET = auto()
    REFUND = auto()
    """12 or 13, with the reversals (8) that go with it."""
    REVERSAL = auto()
    INVOICE = auto()
    """21 and 22: the lines of one new invoice."""
    CREDIT_MEMO = auto()
    """24: the lines of one memo."""
    VOID = auto()
    """The void of one transaction, and of what can't stand without it."""
    CREDIT_MEMO_VOID = auto()
    """-24: the voids of all lines of one memo."""
    INVOICE_VOID = auto()
    """-21 and -22: the voids of all lines of one invoice; made by VoidInvoice, never drafted."""
    DISPUTE_SETTLEMENT = auto()
    """-6, and 6 where the amount is written off for good; made by SettleDispute, never drafted."""


class VoidRule(Enum):
    """How a transaction is voided (rule 13)."""

    ALONE = auto()
    WITH_OTHER_LEG = auto()
    WITH_REVERSALS = auto()
    THROUGH_REFUND = auto()
    THROUGH_INVOICE = auto()
    THROUGH_CREDIT_MEMO = auto()
    NEVER = auto()
    """It is a void itself."""


@dataclass(frozen=True, slots=True)
class TransactionType:
    """One row of the table.

    effect: +1 for a charge, which raises the balance, -1 for any other (rule 1).
    source_table, source_key: where the source row is, and the column whose value is the transaction's
        source_no.
    source: the details that a draft must carry; None when its source has none.
    required_role: the role that the caller must have; other roles do not stand in for it (rule 19).
    shares_source: whether the transactions of one document share one source row.
    refundable_by: the type of refund for it, where it is a payment (rule 14).
    directable: whether its draft may say which charges it pays (rule 8).
    reversible: whether a reversal (8) may take from it: it is a charge to the customer, neither a refund
        nor a transfer.
    debit_gl_account, credit_gl_account: None for invoice lines, whose line type names them.
    """

    code: int
    name: str
    effect: int
    source_table: str
    source_key: str
    operation: str
    document: DocumentKind
    source: type[sources.Source] | None
    amount: AmountRule
    reason_code_required: bool
    comment_required: bool
    required_role: str | None
    void_rule: VoidRule
    shares_source: bool
    refundable_by: int | None
    directable: bool
    reversible: bool
    debit_gl_account: str | None
    credit_gl_account: str | None

    @property
    def is_charge(self) -> bool:
        """Whether it raises the balance."""
        return self.effect > 0

    @property
    def is_void(self) -> bool:
        """Whether it voids another transaction."""
        return self.code < 0


def _type(
    code: int,
    name: str,
    effect: int,
    source_table: str,
    source_key: str,
    operation: str,
    gl_accounts: tuple[str, str] | None,
    *,
    document: DocumentKind = DocumentKind.SINGLE,
    source: type[sources.Source] | None = None,
    amount: AmountRule = AmountRule.REQUIRED,
    reason_code_required: bool = False,
    comment_required: bool = False,
    required_role: str = "poster",
    void_rule: VoidRule = VoidRule.ALONE,
    shares_source: bool = False,
    refundable_by: int | None = None,
    directable: bool = False,
    reversible: bool = False,
) -> TransactionType:
    debit, credit = gl_accounts or (None, None)
    return TransactionType(
        code,
        name,
        effect,
        source_table,
        source_key,
        operation,
        document,
        source,
        amount,
        reason_code_required,
        comment_required,
        required_role,
        void_rule,
        shares_source,
        refundable_by,
        directable,
        reversible,
        debit,
        credit,
    )


CHARGE: Final = +1
CREDIT: Final = -1

_TYPES: Final = (
    _type(
        2, "Check", CREDIT, "external_payments", "payment_id", "record_external_payment",
        (gl.CHECK_CLEARING, gl.ACCOUNTS_RECEIVABLE),
        source=sources.ExternalPayment, refundable_by=13, directable=True,
    ),
    _type(
        3, "Electronic Payment", CREDIT, "payments", "payment_id", "collect_from_account",
        (gl.ELECTRONIC_CLEARING, gl.ACCOUNTS_RECEIVABLE),
        source=sources.ElectronicPayment, refundable_by=12, directable=True,
    ),
    _type(
        4, "Balance Transfer To Account", CHARGE, "balance_transfer", "transfer_no",
        "transfer_account_balance",
        (gl.ACCOUNTS_RECEIVABLE, gl.TRANSFER_CLEARING),
        source=sources.BalanceTransfer, document=DocumentKind.TRANSFER_TARGET,
        void_rule=VoidRule.WITH_OTHER_LEG, shares_source=True,
    ),
    _type(
        5, "Balance Transfer From Account", CREDIT, "balance_transfer", "transfer_no",
        "transfer_account_balance",
        (gl.TRANSFER_CLEARING, gl.ACCOUNTS_RECEIVABLE),
        source=sources.BalanceTransfer, document=DocumentKind.TRANSFER, amount=AmountRule.OPTIONAL,
        void_rule=VoidRule.WITH_OTHER_LEG, shares_source=True,
    ),
    _type(
        6, "Write Off/Dispute Hold", CREDIT, "write_offs", "write_off_no", "create_writeoff_or_dispute",
        (gl.BAD_DEBT, gl.ACCOUNTS_RECEIVABLE),
        source=sources.WriteOff, amount=AmountRule.OPTIONAL, reason_code_required=True, comment_required=True,
    ),
    _type(
        8, "Refund Related Reversal", CREDIT, "refunds", "refund_no", "issue_refund_to_account",
        (gl.REFUNDED_CHARGES, gl.ACCOUNTS_RECEIVABLE),
        source=sources.RefundReversal, document=DocumentKind.REVERSAL, void_rule=VoidRule.THROUGH_REFUND,
        shares_source=True,
    ),
    _type(
        9, "Balance Forward", CHARGE, "balance_forward", "balance_no", "create_account",
        (gl.ACCOUNTS_RECEIVABLE, gl.OPENING_BALANCES), reversible=True,
    ),
    _type(
        10, "Cash Credit", CREDIT, "cash_credits", "credit_no", "apply_cash_credit",
        (gl.CASH_CREDITS, gl.ACCOUNTS_RECEIVABLE), reason_code_required=True, directable=True,
    ),
    _type(
        12, "Refund of Electronic Payment", CHARGE, "payments", "payment_id", "issue_refund_to_account",
        (gl.ACCOUNTS_RECEIVABLE, gl.ELECTRONIC_CLEARING),
        source=sources.ElectronicRefund, document=DocumentKind.REFUND, void_rule=VoidRule.WITH_REVERSALS,
    ),
    _type(
        13, "Refund of External Payment", CHARGE, "check_refund", "check_id", "issue_refund_to_account",
        (gl.ACCOUNTS_RECEIVABLE, gl.CHECK_CLEARING),
        source=sources.CheckRefund, document=DocumentKind.REFUND, void_rule=VoidRule.WITH_REVERSALS,
    ),
    _type(
        14, "External Charge", CHARGE, "external_charge", "charge_no", "support only",
        (gl.ACCOUNTS_RECEIVABLE, gl.OTHER_REVENUE),
        source=sources.ExternalCharge, required_role="support", reversible=True,
    ),
    _type(
        15, "Dunning Charge", CHARGE, "dunning_charge", "charge_id",
        "posted by the dunning manager; read with get_transaction_information",
        (gl.ACCOUNTS_RECEIVABLE, gl.LATE_FEE_REVENUE),
        source=sources.DunningCharge, required_role="dunning", reversible=True,
    ),
    _type(
        18, "Negative Balance Forward", CREDIT, "balance_forward", "balance_no", "create_account",
        (gl.OPENING_BALANCES, gl.ACCOUNTS_RECEIVABLE),
    ),
    _type(
        21, "Invoice Charge Line Item", CHARGE, "gl_detail", "invoice_detail_no", "generate_invoice", None,
        source=sources.NewInvoiceLine, document=DocumentKind.INVOICE, void_rule=VoidRule.THROUGH_INVOICE,
        reversible=True,
    ),
    _type(
        22, "Invoice Credit Line Item", CREDIT, "gl_detail", "invoice_detail_no", "generate_invoice", None,
        source=sources.NewInvoiceLine, document=DocumentKind.INVOICE, void_rule=VoidRule.THROUGH_INVOICE,
    ),
    _type(
        24, "Credit Memo Line", CREDIT, "credit_memo", "cm_no", "create_credit_memo",
        (gl.CREDIT_MEMOS, gl.ACCOUNTS_RECEIVABLE),
        source=sources.CreditMemoLine, document=DocumentKind.CREDIT_MEMO, comment_required=True,
        void_rule=VoidRule.THROUGH_CREDIT_MEMO, shares_source=True,
    ),
)  # fmt: skip

# A void is named after its type, but for the two in one of 6; and is made by void_transaction where nothing
# else is said.
_VOID_NAMES: Final = {6: "Voided Write Off"}
_VOID_OPERATIONS: Final = {14: "support only", 21: "void_invoice", 22: "void_invoice", 24: "void_credit_memo"}
# External charges are the business of support, their voids as well. All else may be voided by who may post,
# dunning charges too.
_VOID_ROLES: Final = {14: "support"}


def _void_of(row: TransactionType) -> TransactionType:
    return TransactionType(
        code=-row.code,
        name=_VOID_NAMES.get(row.code, f"Voided {row.name}"),
        effect=-row.effect,
        source_table=row.source_table,
        source_key=row.source_key,
        operation=_VOID_OPERATIONS.get(row.code, "void_transaction"),
        document=DocumentKind.CREDIT_MEMO_VOID
        if row.document is DocumentKind.CREDIT_MEMO
        else DocumentKind.VOID,
        source=sources.VoidOf,
        amount=AmountRule.FORBIDDEN,
        reason_code_required=True,
        comment_required=True,
        required_role=_VOID_ROLES.get(row.code, "poster"),
        void_rule=VoidRule.NEVER,
        shares_source=row.shares_source,
        refundable_by=None,
        directable=False,
        reversible=False,
        debit_gl_account=row.credit_gl_account,
        credit_gl_account=row.debit_gl_account,
    )


TRANSACTION_TYPES: Final[Mapping[int, TransactionType]] = MappingProxyType(
    {row.code: row for one in _TYPES for row in (one, _void_of(one))}
)
"""The rows by code; each type is followed by its void."""

# What VoidTransaction and VoidInvoice post, and which role that needs, is known only once their target is:
# they are drafted with this row.
ANY_VOID: Final = TransactionType(
    code=0,
    name="Void of whatever it is",
    effect=0,
    source_table="",
    source_key="",
    operation="void_transaction",
    document=DocumentKind.VOID,
    source=sources.VoidOf,
    amount=AmountRule.FORBIDDEN,
    reason_code_required=True,
    comment_required=True,
    required_role=None,
    void_rule=VoidRule.NEVER,
    shares_source=False,
    refundable_by=None,
    directable=False,
    reversible=False,
    debit_gl_account=None,
    credit_gl_account=None,
)
