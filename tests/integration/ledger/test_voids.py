"""Voids (rule 13), over the wire."""

import asyncio
from datetime import date

import pytest

from tests.integration.ledger.caller import (
    JANUARY,
    Ledger,
    RefusedError,
    check,
    check_refund,
    credit,
    day,
    external_charge,
    memo_line,
    payment,
    reversal,
    transfer,
    void,
)
from tests.integration.ledger.conftest import Serve


async def refused(call: object) -> str:
    """The reason why a call is refused."""
    with pytest.raises(RefusedError) as refusal:
        await call  # type: ignore[misc]
    return refusal.value.refusal.reason


async def test_a_void_has_the_source_the_amount_and_the_opposite_effect_and_is_linked_both_ways(
    ledger: Ledger,
) -> None:
    acct = await ledger.account(100)
    (paid,) = await ledger.posted(check(acct, 30))
    assert await ledger.balance(acct) == 70

    response = await ledger.void(paid, effective_date=day(date(2026, 5, 6)))
    (voided,) = response.transactions

    original = await ledger.transaction(paid)
    assert voided.transaction_type == -2
    assert voided.voids_event_no == paid
    assert original.voided_by_event_no == voided.event_no
    assert voided.source_no == original.source_no
    assert voided.amount == original.amount
    assert voided.external_payment == original.external_payment
    assert (voided.reason_code, voided.comment) == ("TEST", "because the test wants it")
    assert voided.effective_date == day(date(2026, 5, 6))
    assert await ledger.balance(acct) == 100
    assert await ledger.transaction(voided.event_no) == voided


async def test_voids_that_the_rules_refuse(ledger: Ledger) -> None:
    acct = await ledger.account(100_00)
    invoice = await ledger.invoice(acct, (1, 50_00))
    line = invoice.lines[0].event_no
    paid, other = await ledger.posted(check(acct, 30_00), check(acct, 1_00))
    refund, reversed_ = await ledger.posted(
        check_refund(acct, paid, 10_00, document="r"), reversal(acct, line, 10_00, document="r")
    )
    (memo,) = await ledger.posted(memo_line(acct, line, 5_00))
    voided = (await ledger.void(other)).transactions[0].event_no

    assert await refused(ledger.void(999_999)) == "TRANSACTION_NOT_FOUND"
    assert await refused(ledger.void(voided)) == "VOID_OF_VOID"
    assert await refused(ledger.void(other)) == "ALREADY_VOIDED"
    assert await refused(ledger.void(line)) == "VOID_THE_INVOICE"
    assert await refused(ledger.void(reversed_)) == "VOID_THE_REFUND"
    assert await refused(ledger.void(memo)) == "VOID_THE_CREDIT_MEMO"
    assert await refused(ledger.void(paid)) == "PAYMENT_REFUNDED"
    assert await refused(ledger.void_invoice(invoice.invoice_no)) == "INVOICE_HAS_CREDIT_MEMO"
    assert await refused(ledger.void_invoice(999_999)) == "INVOICE_NOT_FOUND"

    await ledger.posted(void(acct, -24, memo))
    assert await refused(ledger.void_invoice(invoice.invoice_no)) == "VOID_THE_REFUND"
    await ledger.void(refund)
    await ledger.void_invoice(invoice.invoice_no)
    assert await refused(ledger.void_invoice(invoice.invoice_no)) == "INVOICE_ALREADY_VOIDED"
    await ledger.void(paid)
    assert await ledger.balance(acct) == 100_00


async def test_a_drafted_void_must_fit_what_it_voids(ledger: Ledger) -> None:
    acct, other = await ledger.account(100), await ledger.account()
    (paid,) = await ledger.posted(check(acct, 30))

    assert await ledger.refusals(
        void(acct, -3, paid),
        void(other, -2, paid),
        void(acct, -2, paid, plan_instance_no=7),
        void(acct, -2, paid, comment=""),
        void(acct, -2, paid, reason_code=""),
        void(acct, -2, paid),
        void(acct, -2, paid),
    ) == [
        "VOID_TYPE_MISMATCH",
        "SOURCE_MISMATCH",
        "SOURCE_MISMATCH",
        "REASON_REQUIRED",
        "REASON_REQUIRED",
        "",
        "ALREADY_VOIDED",
    ]


async def test_a_void_of_either_leg_of_a_transfer_voids_both(ledger: Ledger) -> None:
    source, target = await ledger.account(100), await ledger.account()
    for leg in (0, 1):
        legs = await ledger.posted(transfer(source, target))
        assert [await ledger.balance(source), await ledger.balance(target)] == [0, 100]
        response = await ledger.void(legs[leg])
        assert [each.transaction_type for each in response.transactions] == (
            [-5, -4] if leg == 0 else [-4, -5]
        )
        assert [await ledger.balance(source), await ledger.balance(target)] == [100, 0]


async def test_a_void_of_a_refund_voids_its_reversals(ledger: Ledger) -> None:
    acct = await ledger.account()
    (charge,) = await ledger.posted(external_charge(acct, 150))
    (paid,) = await ledger.posted(payment(acct, 150))
    (card, returned, first, second) = await ledger.posted(
        payment(acct, 1),
        check(acct, 150, document=""),
        external_charge(acct, 1),
        external_charge(acct, 1),
    )
    assert card
    before = await ledger.balance(acct)
    refund, *_ = await ledger.posted(
        reversal(acct, first, 1, document="r"),
        check_refund(acct, returned, 150, document="r"),
        reversal(acct, second, 1, document="r"),
        reversal(acct, charge, 148, document="r"),
    )
    # A refund of 150 with reversals of 150 nets to nothing (rule 14).
    assert await ledger.balance(acct) == before

    refund_no = refund if (await ledger.transaction(refund)).transaction_type == 13 else refund - 1
    response = await ledger.void(refund_no)
    assert [each.transaction_type for each in response.transactions] == [-13, -8, -8, -8]
    assert await ledger.balance(acct) == before
    await ledger.void(charge)
    await ledger.void(paid)


async def test_the_voids_of_a_memo_come_together_or_not_at_all(ledger: Ledger) -> None:
    acct = await ledger.account()
    invoice = await ledger.invoice(acct, (1, 50), (6, 20))
    one, two = (line.event_no for line in invoice.lines)
    lines = await ledger.posted(memo_line(acct, one, 5, document="m"), memo_line(acct, two, 6, document="m"))
    (single,) = await ledger.posted(memo_line(acct, one, 1))

    assert await ledger.refusals(void(acct, -24, lines[0])) == ["VOID_THE_CREDIT_MEMO"]
    assert (
        await ledger.refusals(void(acct, -24, lines[0], document="v"), void(acct, -24, single, document="v"))
        == ["DOCUMENT_INVALID"] * 2
    )
    assert await ledger.refusals(*(void(acct, -24, line, document="v") for line in lines)) == ["", ""]
    assert (
        await ledger.refusals(*(void(acct, -24, line, document="v") for line in lines))
        == ["ALREADY_VOIDED"] * 2
    )
    assert await ledger.refusals(void(acct, -24, single)) == [""]
    assert await ledger.balance(acct) == 70


async def test_a_charge_with_a_standing_reversal_is_not_voided(ledger: Ledger) -> None:
    acct = await ledger.account()
    (charge,) = await ledger.posted(external_charge(acct, 50))
    (paid,) = await ledger.posted(check(acct, 50))
    refund, _ = await ledger.posted(
        check_refund(acct, paid, 20, document="r"), reversal(acct, charge, 20, document="r")
    )
    assert await refused(ledger.void(charge)) == "VOID_THE_REFUND"
    await ledger.void(refund)
    await ledger.void(charge)


async def test_the_refusal_to_void_what_goes_with_a_refund_names_the_right_transaction(
    ledger: Ledger,
) -> None:
    acct = await ledger.account()
    (charge,) = await ledger.posted(external_charge(acct, 50))
    (paid,) = await ledger.posted(check(acct, 50))
    refund, reversed_ = await ledger.posted(
        check_refund(acct, paid, 20, document="r"), reversal(acct, charge, 20, document="r")
    )
    with pytest.raises(RefusedError) as of_reversal:
        await ledger.void(reversed_)
    assert of_reversal.value.refusal.metadata["refund_event_no"] == str(refund)
    assert of_reversal.value.refusal.subjects == (f"transaction/{refund}",)
    with pytest.raises(RefusedError) as of_charge:
        await ledger.void(charge)
    assert of_charge.value.refusal.metadata["reversal_event_no"] == str(reversed_)


async def test_the_reference_code_of_a_voided_check_is_free_again(ledger: Ledger) -> None:
    acct = await ledger.account()
    (paid,) = await ledger.posted(check(acct, 10, "4711"))
    assert await ledger.refusals(check(acct, 10, "4711")) == ["REFERENCE_CODE_TAKEN"]
    await ledger.void(paid)
    assert await ledger.refusals(check(acct, 10, "4711"), check(acct, 10, "4711")) == [
        "",
        "REFERENCE_CODE_TAKEN",
    ]


async def test_a_billing_period_is_free_again_once_its_invoice_is_voided(ledger: Ledger) -> None:
    acct = await ledger.account()
    first = await ledger.invoice(acct, (1, 10))
    with pytest.raises(RefusedError) as refusal:
        await ledger.invoice(acct, (1, 10))
    assert refusal.value.refusal.metadata["invoice_no"] == str(first.invoice_no)
    await ledger.void_invoice(first.invoice_no)
    second = await ledger.invoice(acct, (1, 10), period=JANUARY)
    assert second.invoice_no != first.invoice_no
    assert await refused(ledger.invoice(acct, (1, 10))) == "INVOICE_EXISTS"


async def test_of_many_voids_at_once_through_two_services_exactly_one_wins(serve: Serve) -> None:
    ledgers = [Ledger(await serve(), client_no=1), Ledger(await serve(), client_no=1)]
    acct = await ledgers[0].account(1_000)
    for event_no in await ledgers[0].posted(*(credit(acct, 10) for _ in range(5))):

        async def outcome(ledger: Ledger, event_no: int = event_no) -> str:
            try:
                await ledger.void(event_no)
            except RefusedError as refusal:
                return refusal.refusal.reason
            return "voided"

        outcomes = await asyncio.gather(*(outcome(ledgers[each % 2]) for each in range(20)))
        assert sorted(outcomes) == ["ALREADY_VOIDED"] * 19 + ["voided"]
    assert await ledgers[1].balance(acct) == 1_000
