"""What is refused, a line a case, in the order in which a request with several faults is told of them."""

from datetime import date
from typing import Any

import pytest

from ledger_service.rules import sources
from ledger_service.rules.transaction_types import ANY_VOID, TRANSACTION_TYPES
from service_kit.errors import DomainError
from tests.unit.ledger import drafting
from tests.unit.ledger.drafting import document, draft
from tests.unit.ledger.memory_ledger import MemoryLedger

POSTER = frozenset({"poster"})
CHECK = sources.ExternalPayment("4711", date(2026, 1, 1))
CHARGE = sources.ExternalCharge("a charge")
HOLD = sources.WriteOff(2, 1, date(2026, 12, 31))
LINE = sources.NewInvoiceLine(1, "a line", date(2026, 1, 1), date(2026, 1, 31))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        # Each line lacks one fault of the line before, and is told of the next.
        (draft(14, 1, 0, CHECK, currency="", comment="\0"), "SOURCE_MISMATCH"),
        (draft(14, 1, 0, CHARGE, currency="", comment="\0"), "TYPE_NOT_ALLOWED"),
        (draft(2, 1, 0, CHECK, comment="\0"), "AMOUNT_INVALID"),
        (draft(2, 1, 5, CHECK, currency="XXY", comment="\0"), "CURRENCY_UNKNOWN"),
        (draft(2, 1, 5, CHECK, comment="\0"), "INVALID_REQUEST"),
        # What each type needs.
        (draft(2, 1, 5), "SOURCE_MISMATCH"),
        (draft(10, 1, 5, CHECK), "SOURCE_MISMATCH"),
        (draft(10, 1, 5, reason_code=""), "REASON_REQUIRED"),
        (draft(15, 1, 5, sources.DunningCharge(1, "late")), "TYPE_NOT_ALLOWED"),
        (draft(-14, 1, 0, sources.VoidOf(1)), "TYPE_NOT_ALLOWED"),
        (draft(-2, 1, 5, sources.VoidOf(1)), "AMOUNT_INVALID"),
        (draft(-2, 1, 0, sources.VoidOf(1), reason_code=""), "REASON_REQUIRED"),
        (draft(-2, 1, 0, sources.VoidOf(1), comment=""), "REASON_REQUIRED"),
        (draft(6, 1, 5, sources.WriteOff(1, 1, None), comment=""), "REASON_REQUIRED"),
        (draft(6, 1, 5, sources.WriteOff(1, 1, None), reason_code=""), "REASON_REQUIRED"),
        (draft(6, 1, 5, sources.WriteOff(1, 1, date(2027, 1, 1))), "SOURCE_MISMATCH"),
        (draft(6, 1, 5, sources.WriteOff(2, 1, None)), "SOURCE_MISMATCH"),
        (draft(6, 1, 5, sources.WriteOff(2, 1, date(2026, 1, 1))), "DATE_INVALID"),
        (draft(24, 1, 5, sources.CreditMemoLine(1), comment=""), "REASON_REQUIRED"),
        (draft(5, 1, 5, sources.BalanceTransfer(1)), "TRANSFER_TO_ITSELF"),
        (draft(22, 1, 5, LINE), "SOURCE_MISMATCH"),
        (draft(21, 1, 5, LINE._replace(line_type=3)), "SOURCE_MISMATCH"),
        (draft(21, 1, 5, LINE._replace(billing_period_end=date(2025, 1, 1))), "DATE_INVALID"),
        (draft(2, 1, 5, sources.ExternalPayment("a\0", date(2026, 1, 1))), "INVALID_REQUEST"),
        # What is no document by itself.
        (draft(4, 1, 5, sources.BalanceTransfer(2)), "DOCUMENT_INVALID"),
        (draft(8, 1, 5, sources.RefundReversal(1)), "DOCUMENT_INVALID"),
    ],
)
def test_a_draft_that_is_wrong_in_itself(wrong: Any, reason: str) -> None:
    with pytest.raises(DomainError) as refused:
        document(wrong, roles=POSTER)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    "drafts",
    [
        # Two that have nothing to do with each other.
        (draft(2, 1, 5, CHECK), draft(2, 1, 5, CHECK)),
        # Two refunds.
        (draft(13, 1, 5, sources.CheckRefund(1, "1")), draft(13, 1, 5, sources.CheckRefund(1, "2"))),
        # Reversals without a refund.
        (draft(8, 1, 5, sources.RefundReversal(1)), draft(8, 1, 5, sources.RefundReversal(2))),
        # Lines for two accounts, on two days, of two billing periods.
        (draft(24, 1, 5, sources.CreditMemoLine(1)), draft(24, 2, 5, sources.CreditMemoLine(2))),
        (draft(21, 1, 5, LINE), draft(21, 1, 5, LINE, effective_date=date(2026, 1, 1))),
        (draft(21, 1, 5, LINE), draft(21, 1, 5, LINE._replace(billing_period_end=date(2026, 1, 30)))),
        # An invoice with a check in it.
        (draft(21, 1, 5, LINE), draft(2, 1, 5, CHECK)),
    ],
)
def test_drafts_that_are_no_document(drafts: Any) -> None:
    with pytest.raises(DomainError) as refused:
        document(*drafts)
    assert refused.value.reason == "DOCUMENT_INVALID"


def test_a_refund_and_its_reversals_are_a_document_in_any_order() -> None:
    ledger = MemoryLedger()
    assert ledger.post(drafting.charge(1, 20), drafting.check(1, 50, "a")) == ["", ""]
    refund, first, second = drafting.refund(1, 2, 15, (1, 10), (1, 5)).drafts
    assert ledger.post(document(first, refund, second)) == [""]
    assert [each.type.code for each in ledger.transactions] == [14, 2, 13, 8, 8]
    # The reversals share their row of refunds.
    assert ledger.transactions[3].source_no == ledger.transactions[4].source_no
    assert ledger.balance(1) == -30


def test_only_support_voids_what_only_support_may_charge() -> None:
    ledger = MemoryLedger()
    ledger.post(drafting.charge(1, 20))
    void = drafting.void(1)._replace(roles=POSTER)
    assert ledger.post(void) == ["TYPE_NOT_ALLOWED"]
    assert ledger.post(void._replace(roles=frozenset({"support"}))) == [""]


def test_whoever_may_void_voids_a_dunning_charge() -> None:
    ledger = MemoryLedger()
    ledger.post(document(draft(15, 1, 5, sources.DunningCharge(1, "late fee"))))
    assert ledger.post(drafting.void(1)._replace(roles=POSTER)) == [""]


def test_a_hold_is_a_write_off_with_an_end() -> None:
    ledger = MemoryLedger()
    ledger.post(drafting.invoice(1, 1, (1, 50)))
    assert ledger.post(document(draft(6, 1, 30, HOLD))) == [""]
    assert ledger.post(drafting.write_off(1, 1, 21)) == ["WRITE_OFF_EXCEEDS_INVOICE"]
    assert ledger.post(drafting.void(2), drafting.write_off(1, 1)) == ["", ""]
    assert ledger.balance(1) == 0


@pytest.mark.parametrize("code", [code for code in TRANSACTION_TYPES if code > 0])
def test_every_type_has_a_way_to_be_voided_or_says_which_one_it_has(code: int) -> None:
    refusing = {
        8: "VOID_THE_REFUND",
        21: "VOID_THE_INVOICE",
        22: "VOID_THE_INVOICE",
        24: "VOID_THE_CREDIT_MEMO",
    }
    ledger = MemoryLedger()
    ledger.post(
        drafting.invoice(1, 1, (1, 100), (3, 10)),
        document(draft(9, 2, 30)),
        document(draft(18, 3, 30)),
        drafting.check(1, 5, "a"),
        drafting.payment(1, 5, "g"),
    )
    check, payment = (ledger.transactions[place].event_no for place in (4, 5))
    ledger.post(
        drafting.transfer(2, 3),
        drafting.write_off(1, 1, 10),
        drafting.credit(1, 1),
        drafting.charge(1, 1),
        document(draft(15, 1, 1, sources.DunningCharge(1, "late"))),
        drafting.refund(1, check, 5, (1, 2)),
        document(draft(12, 1, 5, sources.ElectronicRefund(payment, "r"))),
        drafting.memo(1, (1, 3)),
    )
    target = next(each for each in ledger.transactions if each.type.code == code)
    if code in {2, 3}:
        assert ledger.post(drafting.void(target.event_no)) == ["PAYMENT_REFUNDED"]
        refund = next(each for each in ledger.transactions if each.related_event_no == target.event_no)
        assert ledger.post(drafting.void(refund.event_no)) == [""]
    assert ledger.post(drafting.void(target.event_no)) == [refusing.get(code, "")]
    assert ANY_VOID.code not in {each.type.code for each in ledger.transactions}
