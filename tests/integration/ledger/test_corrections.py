"""Corrections of what was corrected before: what each leaves for the next, whichever comes first."""

from collections.abc import Awaitable
from datetime import UTC, date, datetime
from typing import Any

import grpc
import pytest

from ledger_service.rules.business_dates import FIRST_BUSINESS_DATE, last_business_date
from tests.integration.ledger.caller import (
    REASON,
    Ledger,
    Refusal,
    RefusedError,
    check,
    check_refund,
    credit,
    day,
    external_charge,
    invoice_draft,
    key,
    memo_line,
    payment,
    refusal_of,
    reversal,
    usd,
    write_off,
)


async def refusal_of_operation(call: Awaitable[Any]) -> Refusal:
    """How a call is refused."""
    with pytest.raises(RefusedError) as refused:
        await call
    return refused.value.refusal


async def billed(ledger: Ledger) -> tuple[int, int, int]:
    """An account, its invoice of 100 less a credit of 20, and the charge line of that."""
    acct = await ledger.account()
    invoice = await ledger.invoice(acct, (1, 100), (3, 20))
    return acct, invoice.invoice_no, invoice.lines[0].event_no


async def test_a_memo_after_a_write_off_is_at_most_what_that_left_open(ledger: Ledger) -> None:
    acct, invoice_no, line = await billed(ledger)
    await ledger.posted(write_off(acct, invoice_no, 50))

    assert await ledger.refusals(memo_line(acct, line, 31)) == ["MEMO_EXCEEDS_CHARGE"]
    assert await ledger.refusals(memo_line(acct, line, 30)) == [""]
    assert await ledger.refusals(memo_line(acct, line, 1)) == ["MEMO_EXCEEDS_CHARGE"]
    assert await ledger.balance(acct) == 0
    assert await ledger.findings() == []


async def test_a_write_off_after_a_memo_is_at_most_what_that_left_open(ledger: Ledger) -> None:
    acct, invoice_no, line = await billed(ledger)
    await ledger.posted(memo_line(acct, line, 30))

    assert await ledger.refusals(write_off(acct, invoice_no, 51)) == ["WRITE_OFF_EXCEEDS_INVOICE"]
    assert await ledger.refusals(write_off(acct, invoice_no, 50)) == [""]
    assert await ledger.findings() == []


async def test_without_a_write_off_a_memo_is_bounded_by_its_line_alone(ledger: Ledger) -> None:
    acct, invoice_no, line = await billed(ledger)

    assert await ledger.refusals(memo_line(acct, line, 101)) == ["MEMO_EXCEEDS_CHARGE"]
    assert await ledger.refusals(memo_line(acct, line, 100)) == [""]
    assert await ledger.refusals(write_off(acct, invoice_no, 1)) == ["WRITE_OFF_EXCEEDS_INVOICE"]


async def test_a_voided_write_off_bounds_nothing_any_more(ledger: Ledger) -> None:
    acct, invoice_no, line = await billed(ledger)
    (written_off,) = await ledger.posted(write_off(acct, invoice_no))

    assert await ledger.refusals(memo_line(acct, line, 1)) == ["MEMO_EXCEEDS_CHARGE"]
    await ledger.void(written_off)
    assert await ledger.refusals(memo_line(acct, line, 100)) == [""]


async def test_a_reversal_shares_a_line_with_memos_and_an_invoice_with_write_offs(ledger: Ledger) -> None:
    acct, invoice_no, line = await billed(ledger)
    (paid,) = await ledger.posted(check(acct, 80))
    await ledger.posted(memo_line(acct, line, 60))

    async def refund(amount: int) -> str:
        label = key()
        reasons = await ledger.refusals(
            check_refund(acct, paid, amount, document=label), reversal(acct, line, amount, document=label)
        )
        return reasons[-1]

    assert await refund(41) == "REVERSAL_EXCEEDS_CHARGE"
    await ledger.posted(write_off(acct, invoice_no, 15))
    assert await refund(6) == "REVERSAL_EXCEEDS_CHARGE"
    assert await refund(5) == ""
    assert await refund(1) == "REVERSAL_EXCEEDS_CHARGE"
    assert await ledger.findings() == []


async def test_several_corrections_of_one_call_see_each_other(ledger: Ledger) -> None:
    acct, invoice_no, line = await billed(ledger)

    reasons = await ledger.refusals(
        write_off(acct, invoice_no, 40),
        memo_line(acct, line, 41),
        memo_line(acct, line, 40),
        write_off(acct, invoice_no),
    )

    assert reasons == ["", "MEMO_EXCEEDS_CHARGE", "", "WRITE_OFF_EXCEEDS_INVOICE"]


async def test_a_line_of_a_memo_is_told_how_to_void_the_memo(ledger: Ledger) -> None:
    acct, _, line = await billed(ledger)
    memo = await ledger.operate(
        "CreateCreditMemo", lines=[{"charge_event_no": line, "amount": usd(1)}], comment="a memo"
    )

    refusal = await refusal_of_operation(ledger.void(memo.transactions[0].event_no))

    assert refusal.reason == "VOID_THE_CREDIT_MEMO"
    assert refusal.metadata["operation"] == "VoidCreditMemo"
    assert "VoidCreditMemo" in refusal.message
    await ledger.operate("VoidCreditMemo", cm_no=int(refusal.metadata["cm_no"]), **REASON)
    assert await ledger.balance(acct) == 80


async def test_a_charge_of_another_account_is_told_by_the_field_that_names_it(ledger: Ledger) -> None:
    acct, _, line = await billed(ledger)
    _, _, foreign = await billed(ledger)
    (paid,) = await ledger.posted(payment(acct, 50))

    refund = await refusal_of_operation(
        ledger.operate(
            "IssueRefund",
            payment_event_no=paid,
            amount=usd(50),
            gateway_reference=key(),
            reversals=[{"charge_event_no": foreign, "amount": usd(1)}],
        )
    )
    memo = await refusal_of_operation(
        ledger.operate(
            "CreateCreditMemo",
            lines=[{"charge_event_no": event_no, "amount": usd(1)} for event_no in (line, foreign)],
            comment="a memo",
        )
    )
    (result,) = (await ledger.post(memo_line(acct, foreign, 1))).results

    assert (refund.reason, refund.fields) == ("SOURCE_MISMATCH", ("reversals.charge_event_no",))
    assert (memo.reason, memo.fields) == ("SOURCE_MISMATCH", ("lines.charge_event_no",))
    assert refusal_of(result.error).fields == ("credit_memo_line.charge_event_no",)


@pytest.mark.parametrize("blank", [" ", "\t \n", "\u2003"])
async def test_blanks_are_no_reason(ledger: Ledger, blank: str) -> None:
    acct, invoice_no, _ = await billed(ledger)
    (charge,) = await ledger.posted(external_charge(acct, 1))

    for wrong in ({"reason_code": blank}, {"comment": blank}):
        fields: dict[str, Any] = {**REASON, **wrong}
        for call in (
            ledger.void(charge, **fields),
            ledger.void_invoice(invoice_no, **fields),
            ledger.operate("CreateWriteOff", invoice_no=invoice_no, **fields),
        ):
            refusal = await refusal_of_operation(call)
            assert (refusal.reason, refusal.fields) == ("REASON_REQUIRED", tuple(wrong))
    assert await ledger.refusals(credit(acct, 1, reason_code=blank)) == ["REASON_REQUIRED"]
    # Where no reason is required, blanks are as good as any text.
    assert await ledger.refusals(check(acct, 1, comment=blank)) == [""]


async def test_business_dates_are_those_that_a_business_can_mean(ledger: Ledger) -> None:
    acct = await ledger.account()
    last = last_business_date(datetime.now(UTC).date())
    days = (FIRST_BUSINESS_DATE, last, date(1899, 12, 31), date(last.year + 1, 1, 1), date.max)
    expected = ["", "", *["DATE_INVALID"] * 3]

    drafts = [check(acct, 1, effective_date=day(each)) for each in days]
    assert await ledger.refusals(*drafts) == expected

    periods = [(date(2026, month, 1), date(2026, month, 2)) for month in range(1, 6)]
    invoices = [
        invoice_draft(acct, (1, 1), period=period, invoice_date=each)
        for period, each in zip(periods, days, strict=True)
    ]
    results = (await ledger.create_invoices(*invoices)).results
    assert [refusal_of(each.error).reason if each.HasField("error") else "" for each in results] == expected

    for out_of_range in days[2:]:
        refusal = await refusal_of_operation(ledger.account(1, effective_date=day(out_of_range)))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "DATE_INVALID")
        assert refusal.fields == ("effective_date",)
