"""The operations that make one type each: refunds, write-offs, transfers, charges and credit memos."""

import asyncio
from collections.abc import Awaitable
from typing import Any, Final

import grpc
import pytest

from tests.integration.ledger.caller import (
    FEBRUARY,
    REASON,
    Ledger,
    Refusal,
    RefusedError,
    check,
    key,
    payment,
    usd,
)
from tests.integration.ledger.conftest import Serve

UNKNOWN: Final = 999_999
DISPUTE_ENDS: Final[dict[str, Any]] = {"expires_on": {"year": 9999, "month": 12, "day": 31}}


async def refusal_of(call: Awaitable[Any]) -> Refusal:
    """How a call is refused."""
    with pytest.raises(RefusedError) as refused:
        await call
    return refused.value.refusal


async def refused(call: Awaitable[Any]) -> str:
    """The reason why a call is refused."""
    return (await refusal_of(call)).reason


def types(response: Any) -> list[int]:
    """The types of the transactions that an operation answers with."""
    return [each.transaction_type for each in response.transactions]


def refund(ledger: Ledger, paid: int, amount: int, **fields: Any) -> Awaitable[Any]:
    """A refund of an electronic payment, unless it is said how it was returned."""
    if "check_number" not in fields:
        fields.setdefault("gateway_reference", key())
    return ledger.operate("IssueRefund", payment_event_no=paid, amount=usd(amount), **fields)


async def test_a_refusal_names_the_field_as_the_operation_calls_it(ledger: Ledger) -> None:
    acct = await ledger.account(100)
    (paid,) = await ledger.posted(payment(acct, 50))
    invoice = await ledger.invoice(acct, (1, 50))
    operations: list[tuple[Awaitable[Any], str]] = [
        (
            ledger.operate("TransferAccountBalance", from_acct_no=acct, to_acct_no=acct),
            "to_acct_no",
        ),
        (
            ledger.operate(
                "CreateDispute",
                invoice_no=invoice.invoice_no,
                expires_on={"year": 2020, "month": 1, "day": 1},
                **REASON,
            ),
            "expires_on",
        ),
        (
            refund(ledger, paid, 1, reversals=[{"charge_event_no": paid, "amount": usd(1)}]),
            "reversals.charge_event_no",
        ),
        (refund(ledger, paid, 1, check_number="1"), "check_number"),
    ]
    for call, field in operations:
        refusal = await refusal_of(call)
        assert refusal.fields == (field,)
        assert refusal.message.startswith(f"{field}: ")


# -------------------------------------------------------------------------------------------------- refunds


async def test_the_type_of_a_refund_follows_from_its_payment(ledger: Ledger) -> None:
    acct = await ledger.account(100)
    by_check, by_card = await ledger.posted(check(acct, 30), payment(acct, 40))

    returned = await refund(ledger, by_card, 40, gateway_reference="gw-refund")
    sent = await refund(ledger, by_check, 10, check_number="4711", comment="paid twice", reason_code="X")

    assert types(returned) == [12]
    assert returned.transactions[0].electronic_refund.gateway_reference == "gw-refund"
    assert types(sent) == [13]
    assert sent.transactions[0].check_refund.check_number == "4711"
    assert sent.transactions[0].check_refund.payment_event_no == by_check
    assert (sent.transactions[0].reason_code, sent.transactions[0].comment) == ("X", "paid twice")
    assert await ledger.balance(acct) == 100 - 30 - 40 + 40 + 10
    assert await ledger.transaction(sent.transactions[0].event_no) == sent.transactions[0]
    assert await ledger.findings() == []


async def test_a_refund_with_reversals_of_the_same_amount_leaves_the_balance_alone(
    ledger: Ledger,
) -> None:
    acct, plan = await account_with_plan(ledger)
    invoice = await ledger.invoice(acct, (1, 100), (6, 50), plan_instance_no=plan)
    (paid,) = await ledger.posted(payment(acct, 150, plan_instance_no=plan))

    response = await refund(
        ledger,
        paid,
        150,
        reversals=[
            {"charge_event_no": line.event_no, "amount": usd(amount)}
            for line, amount in zip(invoice.lines, (100, 50), strict=True)
        ],
    )

    assert types(response) == [12, 8, 8]
    assert {each.plan_instance_no for each in response.transactions} == {plan}
    assert [each.refund_reversal.charge_event_no for each in response.transactions[1:]] == [
        line.event_no for line in invoice.lines
    ]
    assert await ledger.balance(acct) == 0
    assert await ledger.balance(acct, plan) == 0
    voided = await ledger.void(response.transactions[0].event_no)
    assert types(voided) == [-12, -8, -8]
    assert await ledger.findings() == []


async def account_with_plan(ledger: Ledger) -> tuple[int, int]:
    """A new account and its plan instance."""
    opened = (await ledger.open_account(plans=["Fibre"])).account
    return opened.acct_no, opened.plan_instances[0].plan_instance_no


async def test_refunds_that_the_rules_refuse(ledger: Ledger) -> None:
    acct = await ledger.account(100)
    other = await ledger.account(100)
    by_check, by_card, spoiled = await ledger.posted(
        check(acct, 30), payment(acct, 40, reference="gw-taken"), payment(acct, 5)
    )
    invoice = await ledger.invoice(acct, (1, 20))
    foreign = await ledger.invoice(other, (1, 20))
    await ledger.void(spoiled)
    opening = (await ledger.operate("ListTransactions", acct_no=acct, transaction_types=[9])).transactions[0]

    def reversing(event_no: int, amount: int) -> dict[str, Any]:
        return {"reversals": [{"charge_event_no": event_no, "amount": usd(amount)}]}

    line = invoice.lines[0].event_no
    for call, reason in [
        (refund(ledger, UNKNOWN, 1), "TRANSACTION_NOT_FOUND"),
        (refund(ledger, opening.event_no, 1), "PAYMENT_NOT_REFUNDABLE"),
        (refund(ledger, spoiled, 1), "PAYMENT_NOT_REFUNDABLE"),
        (refund(ledger, by_check, 1), "SOURCE_MISMATCH"),
        (refund(ledger, by_card, 1, check_number="1"), "SOURCE_MISMATCH"),
        (refund(ledger, by_card, 41), "REFUND_EXCEEDS_PAYMENT"),
        (refund(ledger, by_card, 1, gateway_reference="gw-taken"), "GATEWAY_REFERENCE_TAKEN"),
        (refund(ledger, by_card, 10, **reversing(line, 11)), "REVERSAL_EXCEEDS_CHARGE"),
        (refund(ledger, by_card, 40, **reversing(line, 21)), "REVERSAL_EXCEEDS_CHARGE"),
        (refund(ledger, by_card, 10, **reversing(UNKNOWN, 1)), "TRANSACTION_NOT_FOUND"),
        (refund(ledger, by_card, 10, **reversing(by_check, 1)), "SOURCE_MISMATCH"),
        (refund(ledger, by_card, 10, **reversing(foreign.lines[0].event_no, 1)), "SOURCE_MISMATCH"),
        (refund(ledger, by_card, 0), "INVALID_REQUEST"),
        (refund(ledger, by_card, 1, gateway_reference="gw\0"), "INVALID_REQUEST"),
        (refund(ledger, by_card, 1, comment="nul\0"), "INVALID_REQUEST"),
        (refund(ledger, by_check, 1, check_number="12a"), "INVALID_REQUEST"),
        (
            ledger.operate("IssueRefund", payment_event_no=by_card, amount=usd(1)),
            "INVALID_REQUEST",
        ),
        (
            ledger.operate(
                "IssueRefund", payment_event_no=by_card, amount=usd(1, "EUR"), gateway_reference="gw-e"
            ),
            "CURRENCY_MISMATCH",
        ),
    ]:
        assert await refused(call) == reason
    assert await ledger.balance(acct) == 100 - 30 - 40 + 20


async def test_of_two_refunds_of_one_payment_at_once_only_what_it_has_is_returned(serve: Serve) -> None:
    first, second = Ledger(await serve(), 1), Ledger(await serve(), 1)
    acct = await first.account(100)
    (paid,) = await first.posted(payment(acct, 100))

    outcomes = await asyncio.gather(
        *(refund(ledger, paid, 60) for ledger in (first, second) for _ in range(4)), return_exceptions=True
    )

    lost = [outcome.refusal.reason for outcome in outcomes if isinstance(outcome, RefusedError)]
    assert lost == ["REFUND_EXCEEDS_PAYMENT"] * 7
    assert await first.balance(acct) == 60
    assert await first.findings() == []


# ------------------------------------------------------------------------------------------------ write-offs


async def test_a_write_off_without_an_amount_is_of_all_that_is_open(ledger: Ledger) -> None:
    acct, plan = await account_with_plan(ledger)
    invoice = await ledger.invoice(acct, (1, 100), (3, 10), plan_instance_no=plan)
    await ledger.operate(
        "CreateCreditMemo",
        lines=[{"charge_event_no": invoice.lines[0].event_no, "amount": usd(20)}],
        comment="slow line",
    )

    part = await ledger.operate("CreateWriteOff", invoice_no=invoice.invoice_no, amount=usd(30), **REASON)
    rest = await ledger.operate("CreateWriteOff", invoice_no=invoice.invoice_no, **REASON)

    assert part.transaction.transaction_type == rest.transaction.transaction_type == 6
    assert (part.transaction.amount.minor_units, rest.transaction.amount.minor_units) == (30, 40)
    assert rest.transaction.plan_instance_no == plan
    assert rest.transaction.write_off.invoice_no == invoice.invoice_no
    assert not rest.transaction.write_off.HasField("expires_on")
    assert await ledger.balance(acct) == 0
    assert await ledger.findings() == []


async def test_write_offs_that_the_rules_refuse(ledger: Ledger) -> None:
    acct = await ledger.account()
    invoice = (await ledger.invoice(acct, (1, 100))).invoice_no
    settled = (await ledger.invoice(acct, (1, 100), period=FEBRUARY)).invoice_no
    await ledger.operate("CreateWriteOff", invoice_no=settled, **REASON)

    for fields, reason in [
        ({"invoice_no": UNKNOWN, **REASON}, "INVOICE_NOT_FOUND"),
        ({"invoice_no": invoice, "amount": usd(101), **REASON}, "WRITE_OFF_EXCEEDS_INVOICE"),
        ({"invoice_no": settled, **REASON}, "WRITE_OFF_EXCEEDS_INVOICE"),
        ({"invoice_no": invoice, "amount": usd(1, "EUR"), **REASON}, "CURRENCY_MISMATCH"),
        ({"invoice_no": invoice, "amount": usd(-1), **REASON}, "INVALID_REQUEST"),
        ({"invoice_no": invoice, "reason_code": "WHY", "comment": "nul\0"}, "INVALID_REQUEST"),
        ({"invoice_no": invoice, "comment": "why"}, "INVALID_REQUEST"),
        ({"invoice_no": invoice, "reason_code": "WHY"}, "INVALID_REQUEST"),
    ]:
        assert await refused(ledger.operate("CreateWriteOff", **fields)) == reason
    assert await ledger.balance(acct) == 100


# ------------------------------------------------------------------------------------------------- transfers


async def test_a_transfer_moves_the_whole_balance_or_a_part_and_keeps_the_sum(ledger: Ledger) -> None:
    source, target = await ledger.account(100), await ledger.account(-30)

    part = await ledger.operate(
        "TransferAccountBalance", from_acct_no=source, to_acct_no=target, amount=usd(40), comment="merged"
    )
    assert types(part) == [5, 4]
    assert [each.acct_no for each in part.transactions] == [source, target]
    assert len({each.source_no for each in part.transactions}) == 1
    assert (await ledger.balance(source), await ledger.balance(target)) == (60, 10)

    await ledger.operate("TransferAccountBalance", from_acct_no=source, to_acct_no=target)
    assert (await ledger.balance(source), await ledger.balance(target)) == (0, 70)
    assert await ledger.findings() == []


async def test_transfers_that_the_rules_refuse(ledger: Ledger) -> None:
    source, target, euros = (
        await ledger.account(100),
        await ledger.account(),
        await ledger.account(currency="EUR"),
    )
    creditor = await ledger.account(-10)

    refusals: list[tuple[dict[str, Any], str]] = [
        ({"from_acct_no": source, "to_acct_no": source}, "TRANSFER_TO_ITSELF"),
        ({"from_acct_no": UNKNOWN, "to_acct_no": target}, "ACCOUNT_NOT_FOUND"),
        ({"from_acct_no": source, "to_acct_no": UNKNOWN}, "ACCOUNT_NOT_FOUND"),
        (
            {"from_acct_no": source, "to_acct_no": target, "from_plan_instance_no": UNKNOWN},
            "PLAN_INSTANCE_NOT_FOUND",
        ),
        ({"from_acct_no": source, "to_acct_no": euros}, "CURRENCY_MISMATCH"),
        ({"from_acct_no": source, "to_acct_no": target, "amount": usd(101)}, "TRANSFER_EXCEEDS_BALANCE"),
        ({"from_acct_no": target, "to_acct_no": source}, "TRANSFER_EXCEEDS_BALANCE"),
        ({"from_acct_no": creditor, "to_acct_no": source}, "TRANSFER_EXCEEDS_BALANCE"),
    ]
    for fields, reason in refusals:
        assert await refused(ledger.operate("TransferAccountBalance", **fields)) == reason
    assert await ledger.balance(source) == 100


async def test_of_many_transfers_of_the_whole_balance_at_once_one_moves_it(ledger: Ledger) -> None:
    source, target = await ledger.account(100), await ledger.account()

    outcomes = await asyncio.gather(
        *(ledger.operate("TransferAccountBalance", from_acct_no=source, to_acct_no=target) for _ in range(5)),
        return_exceptions=True,
    )

    assert sum(not isinstance(outcome, RefusedError) for outcome in outcomes) == 1
    assert (await ledger.balance(source), await ledger.balance(target)) == (0, 100)


# ---------------------------------------------------------------------------------------- external charges


async def test_an_external_charge_raises_the_balance_by_what_it_is_for(ledger: Ledger) -> None:
    acct, plan = await account_with_plan(ledger)

    response = await ledger.operate(
        "CreateExternalCharge",
        acct_no=acct,
        plan_instance_no=plan,
        amount=usd(25),
        external_charge={"description": "New SIM card"},
    )

    assert response.transaction.transaction_type == 14
    assert response.transaction.external_charge.description == "New SIM card"
    assert await ledger.balance(acct, plan) == 25
    assert await ledger.findings() == []


async def test_external_charges_that_the_rules_refuse(ledger: Ledger) -> None:
    acct = await ledger.account()
    charge = {"external_charge": {"description": "New SIM card"}}

    for fields, reason in [
        ({"acct_no": UNKNOWN, "amount": usd(1), **charge}, "ACCOUNT_NOT_FOUND"),
        (
            {"acct_no": acct, "plan_instance_no": UNKNOWN, "amount": usd(1), **charge},
            "PLAN_INSTANCE_NOT_FOUND",
        ),
        ({"acct_no": acct, "amount": usd(1, "EUR"), **charge}, "CURRENCY_MISMATCH"),
        ({"acct_no": acct, "amount": usd(1, "XXX"), **charge}, "CURRENCY_UNKNOWN"),
        ({"acct_no": acct, **charge}, "INVALID_REQUEST"),
        ({"acct_no": acct, "amount": usd(1)}, "INVALID_REQUEST"),
    ]:
        assert await refused(ledger.operate("CreateExternalCharge", **fields)) == reason


# -------------------------------------------------------------------------------------------- credit memos


async def test_a_credit_memo_has_one_number_and_is_voided_as_a_whole(ledger: Ledger) -> None:
    acct, plan = await account_with_plan(ledger)
    invoice = await ledger.invoice(acct, (1, 100), (6, 50), plan_instance_no=plan)
    charges = [line.event_no for line in invoice.lines]

    memo = await ledger.operate(
        "CreateCreditMemo",
        lines=[{"charge_event_no": charge, "amount": usd(30)} for charge in charges],
        comment="outage in May",
    )
    assert types(memo) == [24, 24]
    assert {each.source_no for each in memo.transactions} == {memo.cm_no}
    assert [each.credit_memo_line.charge_event_no for each in memo.transactions] == charges
    assert await ledger.balance(acct, plan) == 90

    voided = await ledger.operate("VoidCreditMemo", cm_no=memo.cm_no, **REASON)
    assert types(voided) == [-24, -24]
    assert [each.voids_event_no for each in voided.transactions] == [
        each.event_no for each in memo.transactions
    ]
    assert await ledger.balance(acct, plan) == 150
    assert await refused(ledger.operate("VoidCreditMemo", cm_no=memo.cm_no, **REASON)) == "ALREADY_VOIDED"
    assert await refused(ledger.operate("VoidCreditMemo", cm_no=UNKNOWN, **REASON)) == "CREDIT_MEMO_NOT_FOUND"
    assert await ledger.findings() == []


async def test_credit_memos_that_the_rules_refuse(ledger: Ledger) -> None:
    acct, other = await ledger.account(10), await ledger.account()
    january = (await ledger.invoice(acct, (1, 100), (3, 5))).lines
    february = (await ledger.invoice(acct, (1, 100), period=FEBRUARY)).lines
    foreign = (await ledger.invoice(other, (1, 100))).lines
    line, service_credit = january[0].event_no, january[1].event_no

    for lines, reason in [
        ([(UNKNOWN, 1)], "TRANSACTION_NOT_FOUND"),
        ([(service_credit, 1)], "MEMO_EXCEEDS_CHARGE"),
        ([(line, 101)], "MEMO_EXCEEDS_CHARGE"),
        ([(line, 60), (line, 41)], "MEMO_EXCEEDS_CHARGE"),
        ([(line, 1), (february[0].event_no, 1)], "DOCUMENT_INVALID"),
        ([(line, 1), (foreign[0].event_no, 1)], "SOURCE_MISMATCH"),
        ([(line, 0)], "INVALID_REQUEST"),
        ([], "INVALID_REQUEST"),
    ]:
        call = ledger.operate(
            "CreateCreditMemo",
            lines=[{"charge_event_no": charge, "amount": usd(amount)} for charge, amount in lines],
            comment="a memo",
        )
        assert await refused(call) == reason
    nothing_said = ledger.operate("CreateCreditMemo", lines=[{"charge_event_no": line, "amount": usd(1)}])
    assert await refused(nothing_said) == "INVALID_REQUEST"
    assert await ledger.balance(acct) == 10 + 195


# --------------------------------------------------------------------------------------------- idempotency


async def test_every_operation_answers_the_same_again_under_its_key_and_posts_once(ledger: Ledger) -> None:
    acct, other = await ledger.account(100_00), await ledger.account()
    invoice = await ledger.invoice(acct, (1, 50_00))
    (paid,) = await ledger.posted(payment(acct, 10_00))
    line = {"charge_event_no": invoice.lines[0].event_no, "amount": usd(1_00)}
    memo = await ledger.operate("CreateCreditMemo", lines=[line], comment="to be voided")
    hold = await ledger.operate(
        "CreateDispute", invoice_no=invoice.invoice_no, amount=usd(2_00), **REASON, **DISPUTE_ENDS
    )
    operations: dict[str, dict[str, Any]] = {
        "IssueRefund": {
            "payment_event_no": paid,
            "amount": usd(1_00),
            "gateway_reference": "gw-idem",
            "reversals": [line],
        },
        "CreateWriteOff": {"invoice_no": invoice.invoice_no, "amount": usd(1_00), **REASON},
        "CreateDispute": {
            "invoice_no": invoice.invoice_no,
            "amount": usd(1_00),
            **REASON,
            **DISPUTE_ENDS,
        },
        "SettleDispute": {"event_no": hold.transaction.event_no, "resolution": 1, **REASON},
        "TransferAccountBalance": {"from_acct_no": acct, "to_acct_no": other, "amount": usd(1_00)},
        "CreateExternalCharge": {
            "acct_no": acct,
            "amount": usd(1_00),
            "external_charge": {"description": "x"},
        },
        "CreateCreditMemo": {"lines": [line], "comment": "a memo"},
        "VoidCreditMemo": {"cm_no": memo.cm_no, **REASON},
    }

    for operation, fields in operations.items():
        request_id = key()
        answers = [await ledger.operate(operation, request_id=request_id, **fields) for _ in range(2)]
        at_once = await asyncio.gather(
            *(ledger.operate(operation, request_id=request_id, **fields) for _ in range(3))
        )
        assert all(answer == answers[0] for answer in [*answers, *at_once]), operation
        balance = await ledger.balance(acct)
        reused = await refusal_of(
            ledger.operate(operation, request_id=request_id, **{**fields, "comment": "another"})
        )
        assert (reused.code, reused.reason) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "REQUEST_ID_REUSED",
        ), operation
        assert await ledger.balance(acct) == balance
    assert await ledger.findings() == []
