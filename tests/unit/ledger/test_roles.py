"""Which role a draft needs, and that no other role stands in for it (rule 19)."""

from datetime import UTC, date, datetime

import pytest

from ledger_service.authorisation import AUTHORISATION
from ledger_service.rules.books import Account, Books
from ledger_service.rules.decisions import decide
from ledger_service.rules.documents import Document
from ledger_service.rules.drafts import Draft, check_draft
from ledger_service.rules.sources import (
    BalanceTransfer,
    CheckRefund,
    CreditMemoLine,
    DunningCharge,
    ElectronicPayment,
    ElectronicRefund,
    ExternalCharge,
    ExternalPayment,
    NewInvoiceLine,
    RefundReversal,
    Source,
    VoidOf,
    WriteOff,
)
from ledger_service.rules.transaction_types import ANY_VOID, TRANSACTION_TYPES, DocumentKind
from ledger_service.rules.transactions import Transaction
from service_kit.errors import DomainError

DAY = date(2026, 3, 1)
ROLES = frozenset({"poster", "support", "dunning", "reader"})

SOURCES: dict[int, Source] = {
    2: ExternalPayment("4711", DAY),
    3: ElectronicPayment("gw", 1),
    5: BalanceTransfer(2),
    4: BalanceTransfer(2),
    6: WriteOff(1, 1, None),
    8: RefundReversal(1),
    12: ElectronicRefund(1, "gw"),
    13: CheckRefund(1, "1"),
    14: ExternalCharge("SIM card"),
    15: DunningCharge(1, "late fee"),
    21: NewInvoiceLine(1, "", DAY, DAY),
    22: NewInvoiceLine(3, "", DAY, DAY),
    24: CreditMemoLine(1),
}
OF_OTHERS = {14: "support", -14: "support", 15: "dunning"}


def draft_of(code: int) -> Draft:
    """A draft that nothing is wrong with."""
    source = VoidOf(1) if code < 0 else SOURCES.get(code)
    amount, currency = (0, "") if code < 0 else (100, "USD")
    return Draft(TRANSACTION_TYPES[code], 1, 0, amount, currency, DAY, "WHY", "because", source)


@pytest.mark.parametrize("code", TRANSACTION_TYPES)
def test_a_type_is_posted_with_its_role_and_with_no_other(code: int) -> None:
    role = OF_OTHERS.get(code, "poster")
    check_draft(draft_of(code), {role})
    with pytest.raises(DomainError) as refusal:
        check_draft(draft_of(code), ROLES - {role})
    assert refusal.value.reason == "TYPE_NOT_ALLOWED"
    assert refusal.value.metadata["acceptable_roles"] == role


@pytest.mark.parametrize(
    ("code", "role"), [(2, "poster"), (14, "support"), (15, "poster"), (9, "poster"), (10, "poster")]
)
def test_a_void_needs_the_role_of_what_it_turns_out_to_void(code: int, role: str) -> None:
    kind = TRANSACTION_TYPES[code]
    recorded = datetime(2026, 3, 1, tzinfo=UTC)
    target = Transaction(1, 7, 1, 0, kind, 1, 100, "USD", DAY, recorded, 0, 0, "", "", SOURCES.get(code))
    void = Draft(ANY_VOID, 0, 0, 0, "", DAY, "WHY", "because", VoidOf(7))

    def books() -> Books:
        return Books(
            accounts={(1, 1): Account("USD", 30)},
            balances={(1, 1): kind.effect * 100},
            last_events={(1, 1): 7},
            transactions={(1, 7): target},
        )

    decision = decide(Document(1, DocumentKind.VOID, (void,), {role}), books())
    assert [posting.type.code for posting in decision.postings] == [-code]
    with pytest.raises(DomainError) as refusal:
        decide(Document(1, DocumentKind.VOID, (void,), ROLES - {role}), books())
    assert refusal.value.reason == "TYPE_NOT_ALLOWED"


@pytest.mark.parametrize(
    ("operation", "role"),
    [
        ("IssueRefund", "poster"),
        ("CreateWriteOff", "poster"),
        ("CreateDispute", "poster"),
        ("SettleDispute", "poster"),
        ("TransferAccountBalance", "poster"),
        ("CreateExternalCharge", "support"),
        ("AssessDunningCharge", "dunning"),
        ("CreateCreditMemo", "poster"),
        ("VoidCreditMemo", "poster"),
    ],
)
def test_the_operation_of_a_type_needs_the_role_of_the_type(operation: str, role: str) -> None:
    rule = AUTHORISATION.rule_of(f"/tallybook.ledger.v1.LedgerService/{operation}")
    assert rule is not None
    assert rule.roles == {role}
