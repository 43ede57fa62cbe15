"""What settling a dispute posts (rule 15), case by case."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Final

import pytest

from ledger_service.rules.books import Account, Books, InvoiceFacts, Taking
from ledger_service.rules.decisions import decide
from ledger_service.rules.disputes import disputed_invoice
from ledger_service.rules.documents import Document
from ledger_service.rules.drafts import Draft
from ledger_service.rules.postings import Decision, NewDueDate
from ledger_service.rules.sources import DisputeSettlement, ExternalCharge, Resolution, Source, WriteOff
from ledger_service.rules.transaction_types import ANY_VOID, TRANSACTION_TYPES, DocumentKind
from ledger_service.rules.transactions import Transaction
from service_kit.errors import DomainError

CLIENT, ACCT, INVOICE, HOLD = 1, 2, 3, 4
TODAY: Final = date(2026, 3, 1)
TERMS: Final = 14


def transaction(code: int, source: Source | None) -> Transaction:
    """Transaction 4, of a type."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    kind = TRANSACTION_TYPES[code]
    return Transaction(CLIENT, HOLD, ACCT, 0, kind, 9, 60, "USD", date(2026, 2, 1), now, 0, 0, "", "", source)


def books(*, total: int = 100, others: Sequence[int] = ()) -> Books:
    """An invoice of which 60 are held, and as much as `others` say is written off by others."""
    held = transaction(6, WriteOff(2, INVOICE, TODAY))
    read = Books()
    read.accounts[CLIENT, ACCT] = Account("USD", TERMS)
    read.balances[CLIENT, ACCT] = total - 60 - sum(others)
    read.transactions[CLIENT, HOLD] = held
    read.invoices[CLIENT, INVOICE] = InvoiceFacts(ACCT, 0, total, "USD", ())
    read.written_off[CLIENT, INVOICE] = (
        Taking(HOLD, 6, 60),
        *(Taking(100 + place, 6, amount) for place, amount in enumerate(others)),
    )
    return read


def settle(resolution: Resolution, state: Books) -> Decision:
    """Settle the dispute."""
    source = DisputeSettlement(HOLD, INVOICE, resolution)
    draft = Draft(ANY_VOID, 0, 0, 0, "", TODAY, "WHY", "because", source)
    return decide(Document(CLIENT, DocumentKind.DISPUTE_SETTLEMENT, (draft,), ()), state)


@pytest.mark.parametrize(
    ("resolution", "posted", "due_date"),
    [
        (Resolution.WRITE_OFF, [(-6, 60), (6, 60)], None),
        (Resolution.RE_AGE, [(-6, 60)], NewDueDate(INVOICE, date(2026, 3, 15))),
        (Resolution.KEEP_DATES, [(-6, 60)], None),
    ],
)
def test_each_resolution_voids_the_hold_and_does_what_it_says(
    resolution: Resolution, posted: list[tuple[int, int]], due_date: NewDueDate | None
) -> None:
    decision = settle(resolution, books())

    assert [(posting.type.code, posting.amount) for posting in decision.postings] == posted
    assert {posting.effective_date for posting in decision.postings} == {TODAY}
    assert decision.new_due_date == due_date


def test_a_write_off_for_good_is_of_all_that_was_held() -> None:
    _, write_off = settle(Resolution.WRITE_OFF, books(others=[40])).postings

    assert (write_off.amount, write_off.source) == (60, WriteOff(1, INVOICE, None))


@pytest.mark.parametrize("resolution", Resolution)
def test_a_dispute_is_settled_once_whatever_the_first_resolution_was(resolution: Resolution) -> None:
    state = books()
    settle(resolution, state)

    for again in Resolution:
        with pytest.raises(DomainError) as refusal:
            settle(again, state)
        assert refusal.value.reason == "ALREADY_VOIDED"


@pytest.mark.parametrize(
    ("code", "source"),
    [
        (-6, WriteOff(2, INVOICE, TODAY)),
        (6, WriteOff(1, INVOICE, None)),
        (14, ExternalCharge("x")),
        (10, None),
    ],
)
def test_what_is_no_dispute_hold_is_no_dispute(code: int, source: Source | None) -> None:
    with pytest.raises(DomainError) as refusal:
        disputed_invoice(transaction(code, source))
    assert refusal.value.reason == "NOT_A_DISPUTE"


def test_a_settlement_of_what_is_no_dispute_is_refused_by_the_rule_too() -> None:
    state = books()
    state.transactions[CLIENT, HOLD] = transaction(6, WriteOff(1, INVOICE, None))
    with pytest.raises(DomainError) as refusal:
        settle(Resolution.KEEP_DATES, state)
    assert refusal.value.reason == "NOT_A_DISPUTE"
