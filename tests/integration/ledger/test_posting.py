"""PostTransactions and its neighbours: results, refusals, documents."""

import asyncio

import asyncpg
import grpc
import pytest

from tests.integration.ledger.caller import (
    FEBRUARY,
    Ledger,
    RefusedError,
    check,
    check_refund,
    credit,
    draft,
    electronic_refund,
    external_charge,
    invoice_draft,
    invoice_line,
    memo_line,
    payment,
    refusal_of,
    reversal,
    transfer,
    write_off,
)
from tests.integration.ledger.conftest import Serve


async def test_each_draft_has_its_own_result_in_the_order_of_the_call(ledger: Ledger) -> None:
    acct, other = await ledger.account(100), await ledger.account()
    response = await ledger.post(
        check(acct, 10), check(999, 10), transfer(acct, other, 20), check(acct, 10, currency="EUR")
    )
    assert [len(result.transactions) for result in response.results] == [1, 0, 2, 0]
    reasons = [refusal_of(result.error).reason for result in response.results if result.HasField("error")]
    assert reasons == ["ACCOUNT_NOT_FOUND", "CURRENCY_MISMATCH"]
    numbers = [each.event_no for result in response.results for each in result.transactions]
    assert numbers == list(range(numbers[0], numbers[0] + 3))
    assert [await ledger.balance(acct), await ledger.balance(other)] == [70, 20]


async def test_all_or_nothing_posts_nothing_when_one_draft_is_refused_and_says_which(ledger: Ledger) -> None:
    acct = await ledger.account(100)
    with pytest.raises(RefusedError) as refusal:
        await ledger.post(check(acct, 10, "a"), credit(acct, 90), credit(acct, 1), all_or_nothing=True)
    assert refusal.value.refusal.reason == "CREDIT_EXCEEDS_BALANCE"
    assert refusal.value.refusal.metadata["draft"] == "2"
    assert await ledger.balance(acct) == 100
    # Nothing of it is left: neither the reference code nor the balance it would have used up.
    assert await ledger.refusals(check(acct, 10, "a"), credit(acct, 90)) == ["", ""]

    with pytest.raises(RefusedError) as refusal:
        await ledger.post(check(acct, 10), draft(acct, 2, 10), all_or_nothing=True)
    assert refusal.value.refusal.reason == "SOURCE_MISMATCH"
    assert refusal.value.refusal.fields == ("drafts[1].source",)


async def test_a_refusal_says_code_reason_domain_field_and_metadata(ledger: Ledger) -> None:
    acct = await ledger.account(100)
    with pytest.raises(RefusedError) as refused:
        await ledger.void(12_345)
    refusal = refused.value.refusal
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "TRANSACTION_NOT_FOUND")
    assert refusal.domain == "ledger.tallybook"
    assert refusal.metadata == {"event_no": "12345"}

    response = await ledger.post(check(acct, 1, currency="EUR"), credit(acct, 101))
    currency, credited = (refusal_of(result.error) for result in response.results)
    assert (currency.code, currency.fields) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        ("amount.currency_code",),
    )
    assert (credited.code, credited.subjects) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        (f"account/{acct}",),
    )
    assert credited.metadata == {"acct_no": str(acct), "balance": "100"}


async def test_refunds_of_a_payment_never_exceed_it_through_two_services_at_once(serve: Serve) -> None:
    ledgers = [Ledger(await serve(), 1), Ledger(await serve(), 1)]
    acct = await ledgers[0].account()
    (paid,) = await ledgers[0].posted(check(acct, 100))
    drafts = [check_refund(acct, paid, 30) for _ in range(20)]
    outcomes = await asyncio.gather(*(ledgers[place % 2].refusals(each) for place, each in enumerate(drafts)))
    assert sorted(reason for (reason,) in outcomes) == [""] * 3 + ["REFUND_EXCEEDS_PAYMENT"] * 17
    assert await ledgers[0].balance(acct) == -10


async def test_a_gateway_reference_is_recorded_once_through_two_services_at_once(serve: Serve) -> None:
    ledgers = [Ledger(await serve(), 1), Ledger(await serve(), 1)]
    accounts = [await ledgers[0].account() for _ in range(6)]
    outcomes = await asyncio.gather(
        *(ledgers[place % 2].refusals(payment(acct, 5, "gw")) for place, acct in enumerate(accounts))
    )
    assert sorted(reason for (reason,) in outcomes) == [""] + ["GATEWAY_REFERENCE_TAKEN"] * 5


async def test_transfers_back_and_forth_through_two_services_never_deadlock(serve: Serve) -> None:
    ledgers = [Ledger(await serve(), 1), Ledger(await serve(), 1)]
    one, two = await ledgers[0].account(1_000), await ledgers[0].account(1_000)
    calls = []
    for each in range(40):
        source, target = (one, two) if each % 4 < 2 else (two, one)
        calls.append(ledgers[each % 2].refusals(transfer(source, target, 1), check(target, 1)))
    outcomes = await asyncio.gather(*calls)
    assert outcomes == [["", ""]] * 40
    assert await ledgers[0].balance(one) + await ledgers[0].balance(two) == 2_000 - 40


async def test_refunds_that_the_rules_refuse(ledger: Ledger) -> None:
    acct, other = await ledger.account(), await ledger.account()
    (charge,) = await ledger.posted(external_charge(acct, 10))
    by_check, by_card, voided = await ledger.posted(check(acct, 50), payment(acct, 50), check(acct, 5))
    await ledger.void(voided)
    assert await ledger.refusals(
        check_refund(acct, 99_999, 1),
        check_refund(other, by_check, 1),
        check_refund(acct, by_card, 1),
        electronic_refund(acct, by_check, 1),
        check_refund(acct, charge, 1),
        check_refund(acct, voided, 1),
        check_refund(acct, by_check, 51),
        check_refund(acct, by_check, 50),
        check_refund(acct, by_check, 1),
    ) == [
        "TRANSACTION_NOT_FOUND",
        "SOURCE_MISMATCH",
        "PAYMENT_NOT_REFUNDABLE",
        "PAYMENT_NOT_REFUNDABLE",
        "PAYMENT_NOT_REFUNDABLE",
        "PAYMENT_NOT_REFUNDABLE",
        "REFUND_EXCEEDS_PAYMENT",
        "",
        "REFUND_EXCEEDS_PAYMENT",
    ]


async def test_reversals_that_the_rules_refuse(ledger: Ledger) -> None:
    acct = await ledger.account()
    (charge,) = await ledger.posted(external_charge(acct, 30))
    (paid,) = await ledger.posted(check(acct, 100))

    async def reasons(refund: int, *reversals: tuple[int, int]) -> set[str]:
        drafts = [reversal(acct, event_no, amount, document="r") for event_no, amount in reversals]
        return set(await ledger.refusals(*drafts, check_refund(acct, paid, refund, document="r")))

    assert await reasons(40, (charge, 31)) == {"REVERSAL_EXCEEDS_CHARGE"}
    assert await reasons(40, (charge, 16), (charge, 15)) == {"REVERSAL_EXCEEDS_CHARGE"}
    assert await reasons(20, (charge, 21)) == {"REVERSAL_EXCEEDS_CHARGE"}
    assert await reasons(20, (paid, 1)) == {"SOURCE_MISMATCH"}
    assert await reasons(20, (99_999, 1)) == {"TRANSACTION_NOT_FOUND"}
    assert await reasons(20, (charge, 10), (charge, 10)) == {""}
    assert await reasons(20, (charge, 11)) == {"REVERSAL_EXCEEDS_CHARGE"}
    assert await reasons(20, (charge, 10)) == {""}
    assert await ledger.refusals(reversal(acct, charge, 1)) == ["DOCUMENT_INVALID"]


async def test_credit_memos_that_the_rules_refuse(ledger: Ledger) -> None:
    acct = await ledger.account()
    january = await ledger.invoice(acct, (1, 50), (3, 5))
    february = await ledger.invoice(acct, (1, 50), period=FEBRUARY)
    charge, line_credit = (line.event_no for line in january.lines)
    later = february.lines[0].event_no
    (by_support,) = await ledger.posted(external_charge(acct, 10))
    assert await ledger.refusals(
        memo_line(acct, charge, 51),
        memo_line(acct, charge, 1, comment=""),
        memo_line(acct, line_credit, 1),
        memo_line(acct, by_support, 1),
        memo_line(acct, charge, 1, document="two invoices"),
        memo_line(acct, later, 1, document="two invoices"),
        memo_line(acct, charge, 30, document="too much"),
        memo_line(acct, charge, 30, document="too much"),
        memo_line(acct, charge, 30),
        memo_line(acct, charge, 21),
        memo_line(acct, charge, 20),
    ) == [
        "MEMO_EXCEEDS_CHARGE",
        "REASON_REQUIRED",
        "MEMO_EXCEEDS_CHARGE",
        "MEMO_EXCEEDS_CHARGE",
        "DOCUMENT_INVALID",
        "DOCUMENT_INVALID",
        "MEMO_EXCEEDS_CHARGE",
        "MEMO_EXCEEDS_CHARGE",
        "",
        "MEMO_EXCEEDS_CHARGE",
        "",
    ]


async def test_a_write_off_is_at_most_what_is_open_of_its_invoice(ledger: Ledger) -> None:
    acct, other = await ledger.account(), await ledger.account()
    invoice = await ledger.invoice(acct, (1, 50), (3, 10))
    number = invoice.invoice_no
    await ledger.posted(memo_line(acct, invoice.lines[0].event_no, 5))
    assert await ledger.refusals(
        write_off(acct, 99_999, 1),
        write_off(other, number, 1),
        write_off(acct, number, 36),
        write_off(acct, number, 15),
        write_off(acct, number),
        write_off(acct, number, 1),
        write_off(acct, number),
    ) == [
        "INVOICE_NOT_FOUND",
        "SOURCE_MISMATCH",
        "WRITE_OFF_EXCEEDS_INVOICE",
        "",
        "",
        "WRITE_OFF_EXCEEDS_INVOICE",
        "WRITE_OFF_EXCEEDS_INVOICE",
    ]
    assert await ledger.balance(acct) == 0


async def test_transfers_that_the_rules_refuse(ledger: Ledger) -> None:
    source, target = await ledger.account(50), await ledger.account()
    creditor, euros = await ledger.account(-5), await ledger.account(currency="EUR")
    assert await ledger.refusals(
        transfer(source, source),
        transfer(source, 99_999),
        transfer(source, euros),
        transfer(creditor, target),
        transfer(target, source),
        transfer(source, target, 51),
        transfer(source, target, 20),
        transfer(source, target),
        transfer(source, target),
        draft(target, 4, 1),
    ) == [
        "TRANSFER_TO_ITSELF",
        "ACCOUNT_NOT_FOUND",
        "CURRENCY_MISMATCH",
        "TRANSFER_EXCEEDS_BALANCE",
        "TRANSFER_EXCEEDS_BALANCE",
        "TRANSFER_EXCEEDS_BALANCE",
        "",
        "",
        "TRANSFER_EXCEEDS_BALANCE",
        "SOURCE_MISMATCH",
    ]
    assert [await ledger.balance(source), await ledger.balance(target)] == [0, 50]


async def test_a_balance_forward_is_the_first_transaction_of_its_account(ledger: Ledger) -> None:
    acct = await ledger.account()
    assert await ledger.refusals(draft(acct, 18, 5), draft(acct, 9, 5)) == ["", "BALANCE_FORWARD_NOT_FIRST"]
    assert await ledger.balance(acct) == -5


async def test_balances_of_plan_instances_are_kept_beside_that_of_the_account(ledger: Ledger) -> None:
    opened = await ledger.open_account(plans=["basic", "extra"])
    acct = opened.account.acct_no
    basic, extra = (each.plan_instance_no for each in opened.account.plan_instances)
    stranger = (await ledger.open_account(plans=["other"])).account.plan_instances[0].plan_instance_no
    assert await ledger.refusals(
        external_charge(acct, 30, plan_instance_no=basic),
        external_charge(acct, 5, plan_instance_no=extra),
        external_charge(acct, 1, plan_instance_no=stranger),
        credit(acct, 6, plan_instance_no=extra),
        credit(acct, 5, plan_instance_no=extra),
        external_charge(acct, 7),
    ) == ["", "", "PLAN_INSTANCE_NOT_FOUND", "CREDIT_EXCEEDS_BALANCE", "", ""]
    balances = [await ledger.balance(acct, plan) for plan in (0, basic, extra)]
    assert balances == [37, 30, 0]


async def test_a_sum_beyond_64_bits_is_refused_and_leaves_no_trace(ledger: Ledger) -> None:
    acct = await ledger.account()
    largest = 10**15
    await ledger.posted(*(external_charge(acct, largest) for _ in range(5_000)))
    posted = await ledger.post(*(external_charge(acct, largest) for _ in range(5_000)))
    reasons = [refusal_of(each.error).reason if each.HasField("error") else "" for each in posted.results]
    accepted = 9_223 - 5_000
    assert reasons == [""] * accepted + ["AMOUNT_OUT_OF_RANGE"] * (5_000 - accepted)
    assert await ledger.balance(acct) == 9_223 * largest


async def test_the_lines_of_an_invoice_may_be_drafted_as_one_document(ledger: Ledger) -> None:
    acct = await ledger.account(payment_term_days=30)
    response = await ledger.post(
        invoice_line(acct, 1, 40, document="i"), invoice_line(acct, 3, 5, document="i"), check(acct, 1)
    )
    assert not any(result.HasField("error") for result in response.results)
    line = await ledger.transaction(response.results[0].transactions[0].event_no)
    invoice = await ledger.get_invoice(line.invoice_line.invoice_no)
    assert invoice.total.minor_units == 35
    assert [each.line_type for each in invoice.lines] == [1, 3]
    assert await ledger.refusals(invoice_line(acct, 1, 40)) == ["INVOICE_EXISTS"]


async def test_invoices_of_one_call_are_decided_each_on_its_own(ledger: Ledger) -> None:
    acct, other = await ledger.account(), await ledger.account()
    response = await ledger.create_invoices(
        invoice_draft(acct, (1, 10), (2, 1)),
        invoice_draft(acct, (1, 10)),
        invoice_draft(99_999, (1, 10)),
        invoice_draft(other, (1, 10), (4, 30)),
        invoice_draft(other, (1, 10), currency="EUR", period=FEBRUARY),
    )
    first, second, *_ = response.results
    reasons = [refusal_of(each.error).reason if each.HasField("error") else "" for each in response.results]
    assert reasons == ["", "INVOICE_EXISTS", "ACCOUNT_NOT_FOUND", "", "CURRENCY_MISMATCH"]
    assert refusal_of(second.error).metadata["invoice_no"] == str(first.invoice_no)
    assert [await ledger.balance(acct), await ledger.balance(other)] == [11, -20]


async def test_an_account_is_opened_with_its_balance_and_its_plans(
    ledger: Ledger, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    owing = await ledger.open_account(25, external_id="a-1", plans=["basic"])
    owed = await ledger.open_account(-25)
    even = await ledger.open_account()
    assert owing.balance_forward.transaction_type == 9
    assert owed.balance_forward.transaction_type == 18
    assert owed.balance_forward.amount.minor_units == 25
    assert not even.HasField("balance_forward")
    assert await ledger.balance(owing.account.acct_no) == 25
    assert await ledger.balance(owed.account.acct_no) == -25

    for fields, reason in (
        ({"external_id": "a-1"}, "EXTERNAL_ID_TAKEN"),
        ({"currency": "XXY"}, "CURRENCY_UNKNOWN"),
        ({"name": "a\0b"}, "INVALID_REQUEST"),
    ):
        with pytest.raises(RefusedError) as refusal:
            await ledger.open_account(**fields)  # type: ignore[arg-type]
        assert refusal.value.refusal.reason == reason
    assert await sql.fetchval("SELECT count(*) FROM account") == 3


async def test_a_commit_group_is_told_to_the_audit_service_and_its_numbers_are_one_block(
    ledger: Ledger, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    acct = await ledger.account(100)
    await ledger.posted(check(acct, 1), check(acct, 2))
    groups = await sql.fetch("SELECT * FROM commit_group_part ORDER BY group_no")
    assert [row["transactions"] for row in groups] == [1, 2]
    assert all(row["last_event_no"] - row["first_event_no"] + 1 == row["transactions"] for row in groups)
    # The account's opening, and two groups.
    assert await sql.fetchval("SELECT count(*) FROM audit_outbox") == 3
