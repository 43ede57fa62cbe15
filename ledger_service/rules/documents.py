"""Documents: the drafts that are accepted or refused together."""

from collections.abc import Callable, Container, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from ledger_service.rules import refusals
from ledger_service.rules.drafts import Draft
from ledger_service.rules.sources import NewInvoiceLine
from ledger_service.rules.transaction_types import DocumentKind


class Document(NamedTuple):
    """Drafts that are decided as one.

    roles: those of the caller, for what is known only once the target of a void is.
    request_id, fingerprint: the key of this document alone, and what it was given for; "" and b"" without
        one.
    """

    client_no: int
    kind: DocumentKind
    drafts: Sequence[Draft]
    roles: Container[str]
    request_id: str = ""
    fingerprint: bytes = b""


# What is voided with one call is answered in one message, in which every transaction may have its longest
# texts.
MOST_DRAFTS: Final = 1_000

_STANDS_ALONE: Final = frozenset(DocumentKind) - {DocumentKind.TRANSFER_TARGET, DocumentKind.REVERSAL}
_NEVER_ALONE: Final[Mapping[DocumentKind, str]] = MappingProxyType(
    {
        DocumentKind.TRANSFER_TARGET: "the leg of type 4 follows from the leg of type 5: draft that alone",
        DocumentKind.REVERSAL: "a reversal (8) goes with its refund: give both the same document label",
    }
)


def document_kind(drafts: Sequence[Draft]) -> DocumentKind:
    """What the drafts are together; refuses what doesn't belong together or is not complete."""
    if len(drafts) > MOST_DRAFTS:
        raise refusals.document_invalid(
            f"a document has at most {MOST_DRAFTS} drafts, and this one has {len(drafts)}"
        )
    if len(drafts) == 1:
        kind = drafts[0].type.document
        if kind not in _STANDS_ALONE:
            raise refusals.document_invalid(_NEVER_ALONE[kind])
        return kind
    kinds = [draft.type.document for draft in drafts]
    distinct = set(kinds)
    if distinct == {DocumentKind.REFUND, DocumentKind.REVERSAL} and kinds.count(DocumentKind.REFUND) == 1:
        kind = DocumentKind.REFUND
    elif len(distinct) == 1 and kinds[0] in _OF_SEVERAL_LINES:
        kind = kinds[0]
    else:
        codes = ", ".join(str(draft.type.code) for draft in drafts[:10])
        raise refusals.document_invalid(
            f"drafts of the types {codes} are no document: a refund with its reversals is one, the lines of "
            "an invoice, the lines of a credit memo, the voids of all lines of a memo"
        )
    _require_one_account(drafts)
    check_lines = _LINE_CHECKS.get(kind)
    if check_lines is not None:
        check_lines(drafts)
    return kind


_OF_SEVERAL_LINES: Final = frozenset(
    {DocumentKind.INVOICE, DocumentKind.CREDIT_MEMO, DocumentKind.CREDIT_MEMO_VOID}
)


def _require_one_account(drafts: Sequence[Draft]) -> None:
    if len({(draft.acct_no, draft.effective_date) for draft in drafts}) != 1:
        raise refusals.document_invalid(
            "all drafts of a document are for one account and have one effective date"
        )


def _require_one_invoice(drafts: Sequence[Draft]) -> None:
    periods = set()
    for draft in drafts:
        line = draft.source
        assert isinstance(line, NewInvoiceLine)
        periods.add((draft.plan_instance_no, line.billing_period_start, line.billing_period_end))
    if len(periods) != 1:
        raise refusals.document_invalid(
            "all lines of an invoice have one plan instance and one billing period"
        )


_LINE_CHECKS: Final[Mapping[DocumentKind, Callable[[Sequence[Draft]], None]]] = MappingProxyType(
    {DocumentKind.INVOICE: _require_one_invoice}
)
