"""What is wrong with a draft or a document, whatever the books say."""

from datetime import date
from typing import Final

from tests.model.calls import Draft, Method
from tests.model.things import Entry, RefusedError

SOURCES: Final = {
    2: "external_payment", 3: "electronic_payment", 4: "balance_transfer", 5: "balance_transfer",
    6: "write_off", 8: "refund_reversal", 9: "", 10: "", 12: "electronic_refund", 13: "check_refund",
    14: "external_charge", 15: "dunning_charge", 18: "", 21: "new_invoice_line", 22: "new_invoice_line",
    24: "credit_memo_line",
}  # fmt: skip
TABLES: Final = {
    2: "external_payments", 3: "payments", 4: "balance_transfer", 5: "balance_transfer", 6: "write_offs",
    8: "refunds", 9: "balance_forward", 10: "cash_credits", 12: "payments", 13: "check_refund",
    14: "external_charge", 15: "dunning_charge", 18: "balance_forward", 21: "gl_detail", 22: "gl_detail",
    24: "credit_memo",
}  # fmt: skip
AMOUNT_MAY_BE_OMITTED: Final = {5, 6}
DIRECTABLE: Final = {2, 3, 10}
NEEDS_REASON: Final = {6, 10}
NEEDS_COMMENT: Final = {6, 24}
ROLES: Final = {14: "support", -14: "support", 15: "dunning"}
CREDIT_LINES: Final = {3, 4}
CURRENCIES: Final = {"USD", "EUR", "JPY"}


def line_code(line_type: int) -> int:
    """The transaction type of an invoice line (rule 20)."""
    return 22 if line_type in CREDIT_LINES else 21


def check_document(drafts: tuple[Draft, ...], roles: frozenset[str], today: date) -> None:
    """The drafts are sound, and belong together."""
    for draft in drafts:
        check_draft(draft, roles, today)
    codes = [draft.code for draft in drafts]
    if len(drafts) == 1:
        # A leg of type 4 follows from its leg of type 5, a reversal goes with a refund.
        if codes[0] in {4, 8}:
            raise RefusedError("DOCUMENT_INVALID")
        return
    refunds = sum(code in {12, 13} for code in codes)
    a_refund = refunds == 1 and set(codes) - {12, 13} == {8}
    if not (a_refund or set(codes) <= {21, 22} or set(codes) in ({24}, {-24})):
        raise RefusedError("DOCUMENT_INVALID")
    if len({(draft.account, draft.on or today) for draft in drafts}) > 1:
        raise RefusedError("DOCUMENT_INVALID")
    if codes[0] in {21, 22} and len({(draft.plan, draft.period) for draft in drafts}) > 1:
        raise RefusedError("DOCUMENT_INVALID")
    if len({draft.key for draft in drafts} - {""}) > 1:
        raise RefusedError("DOCUMENT_INVALID")


def check_draft(draft: Draft, roles: frozenset[str], today: date) -> None:
    """It has the details, the amount, the texts and the role that its type needs."""
    if draft.source != (SOURCES[draft.code] if draft.code > 0 else "void_of"):
        raise RefusedError("SOURCE_MISMATCH")
    if draft.code in ROLES and ROLES[draft.code] not in roles:
        raise RefusedError("TYPE_NOT_ALLOWED")
    if (
        draft.pays is not None
        and draft.pays.method is not Method.CHARGE_DATE
        and draft.code not in DIRECTABLE
    ):
        raise RefusedError("SOURCE_MISMATCH")
    if draft.amount:
        if draft.code < 0:
            raise RefusedError("AMOUNT_INVALID")
        if draft.currency not in CURRENCIES:
            raise RefusedError("CURRENCY_UNKNOWN")
    elif draft.code > 0 and draft.code not in AMOUNT_MAY_BE_OMITTED:
        raise RefusedError("AMOUNT_INVALID")
    if (draft.code < 0 or draft.code in NEEDS_REASON) and not draft.reason.strip():
        raise RefusedError("REASON_REQUIRED")
    if (draft.code < 0 or draft.code in NEEDS_COMMENT) and not draft.comment.strip():
        raise RefusedError("REASON_REQUIRED")
    _check_details(draft, today)


def _check_details(draft: Draft, today: date) -> None:
    if draft.code in {4, 5} and draft.names == draft.account:
        raise RefusedError("TRANSFER_TO_ITSELF")
    if draft.code == 6 and draft.expires_on is not None and draft.expires_on < (draft.on or today):
        raise RefusedError("DATE_INVALID")
    if draft.code in {21, 22}:
        if line_code(draft.line_type) != draft.code:
            raise RefusedError("SOURCE_MISMATCH")
        assert draft.period is not None
        if draft.period[1] < draft.period[0]:
            raise RefusedError("DATE_INVALID")


def require_fitting_void(draft: Draft, target: Entry) -> None:
    """The type of a drafted void is that of its target."""
    if draft.code != -target.code:
        raise RefusedError("VOID_TYPE_MISMATCH")
