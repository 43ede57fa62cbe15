"""Disputes (rule 15): held back, and settled once."""

import asyncio
from datetime import date, timedelta
from typing import Any, Final

import asyncpg
import pytest

from tests.integration.ledger.caller import REASON, Ledger, RefusedError, check, day, usd
from tests.integration.ledger.conftest import Serve
from tests.integration.ledger.test_operations import UNKNOWN, refused, types

BILLED: Final = date(2026, 1, 1)
DISPUTED: Final = date(2026, 2, 10)
SETTLED: Final = date(2026, 3, 20)
ENDS: Final[dict[str, Any]] = {"expires_on": day(date(2026, 4, 30))}
TERMS: Final = 10
WRITE_OFF, RE_AGE, KEEP_DATES = 1, 2, 3


async def dispute(ledger: Ledger, invoice_no: int, amount: int = 0) -> int:
    """The hold of a new dispute."""
    amounts = {"amount": usd(amount)} if amount else {}
    response = await ledger.operate(
        "CreateDispute",
        invoice_no=invoice_no,
        effective_date=day(DISPUTED),
        **amounts,
        **ENDS,
        **REASON,
    )
    event_no: int = response.transaction.event_no
    return event_no


async def settle(ledger: Ledger, hold: int, resolution: int, on: date = SETTLED) -> Any:
    """Settle a dispute."""
    return await ledger.operate(
        "SettleDispute", event_no=hold, resolution=resolution, effective_date=day(on), **REASON
    )


async def billed(ledger: Ledger, amount: int = 100) -> tuple[int, int]:
    """An account with terms and one invoice."""
    acct = await ledger.account(payment_term_days=TERMS)
    invoice = await ledger.invoice(acct, (1, amount), invoice_date=BILLED)
    return acct, invoice.invoice_no


async def test_a_dispute_takes_what_is_held_out_of_the_balance_and_out_of_what_is_overdue(
    ledger: Ledger,
) -> None:
    acct, invoice_no = await billed(ledger)

    response = await ledger.operate(
        "CreateDispute", invoice_no=invoice_no, amount=usd(60), effective_date=day(DISPUTED), **ENDS, **REASON
    )

    hold = response.transaction
    assert hold.transaction_type == 6
    assert (hold.write_off.kind, hold.write_off.invoice_no) == (2, invoice_no)
    assert hold.write_off.expires_on == ENDS["expires_on"]
    assert await ledger.balance(acct) == 40
    assert (await ledger.aging(acct, SETTLED)).overdue.minor_units == 40
    assert await ledger.findings() == []


async def test_disputes_that_the_rules_refuse(ledger: Ledger) -> None:
    _, invoice_no = await billed(ledger)
    late: dict[str, Any] = {"effective_date": day(date(2026, 5, 1))}

    for fields, reason in [
        ({"invoice_no": UNKNOWN, **ENDS, **REASON}, "INVOICE_NOT_FOUND"),
        ({"invoice_no": invoice_no, "amount": usd(101), **DISPUTE, **REASON}, "WRITE_OFF_EXCEEDS_INVOICE"),
        ({"invoice_no": invoice_no, **late, **ENDS, **REASON}, "DATE_INVALID"),
        ({"invoice_no": invoice_no, **REASON}, "INVALID_REQUEST"),
        ({"invoice_no": invoice_no, **ENDS}, "INVALID_REQUEST"),
    ]:
        assert await refused(ledger.operate("CreateDispute", **fields)) == reason


DISPUTE: Final[dict[str, Any]] = {**ENDS, "effective_date": day(DISPUTED)}


async def test_a_dispute_that_is_written_off_is_a_void_and_a_write_off_of_the_same_amount(
    ledger: Ledger, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    acct, invoice_no = await billed(ledger)
    hold = await dispute(ledger, invoice_no)

    response = await settle(ledger, hold, WRITE_OFF)

    void, write_off = response.transactions
    assert types(response) == [-6, 6]
    assert (void.voids_event_no, void.write_off.kind) == (hold, 2)
    assert (write_off.write_off.kind, write_off.write_off.invoice_no) == (1, invoice_no)
    assert write_off.source_no != void.source_no
    assert (write_off.amount, write_off.effective_date) == (void.amount, day(SETTLED))
    assert await ledger.balance(acct) == 0
    groups = "SELECT count(*) FROM commit_group WHERE first_event_no = $1 AND last_event_no = $2"
    assert await sql.fetchval(groups, void.event_no, write_off.event_no) == 1
    assert await ledger.findings() == []


async def test_what_is_held_is_not_given_as_a_memo_too(ledger: Ledger) -> None:
    acct, invoice_no = await billed(ledger)
    (line,) = (await ledger.get_invoice(invoice_no)).lines
    hold = await dispute(ledger, invoice_no, 80)

    async def memo(amount: int) -> None:
        lines = [{"charge_event_no": line.event_no, "amount": usd(amount)}]
        await ledger.operate("CreateCreditMemo", lines=lines, comment="a memo")

    assert await refused(memo(21)) == "MEMO_EXCEEDS_CHARGE"
    await memo(20)
    assert await refused(memo(1)) == "MEMO_EXCEEDS_CHARGE"
    await settle(ledger, hold, KEEP_DATES)
    await memo(80)
    assert await ledger.balance(acct) == 0
    assert await ledger.findings() == []


async def test_holds_are_listed_by_the_day_on_which_they_are_to_be_settled(ledger: Ledger) -> None:
    holds = []
    for days in (30, 10, 20, 10):
        _, invoice_no = await billed(ledger)
        response = await ledger.operate(
            "CreateDispute",
            invoice_no=invoice_no,
            effective_date=day(DISPUTED),
            expires_on=day(DISPUTED + timedelta(days=days)),
            **REASON,
        )
        holds.append(response.transaction)
    thirty, ten, twenty, other_ten = (hold.event_no for hold in holds)

    async def listed(**filters: Any) -> list[int]:
        numbers, token = [], ""
        while True:
            page = await ledger.operate("ListDisputes", page_size=2, page_token=token, **filters)
            numbers += [each.event_no for each in page.transactions]
            token = page.next_page_token
            if not token:
                return numbers

    assert await listed() == [ten, other_ten, twenty, thirty]
    assert await listed(expires_to=day(DISPUTED + timedelta(days=20))) == [ten, other_ten, twenty]
    assert await listed(acct_no=holds[2].acct_no) == [twenty]
    await settle(ledger, ten, WRITE_OFF)
    await ledger.void(twenty)
    assert await listed() == [other_ten, thirty]


async def test_an_invoice_is_not_voided_under_a_hold_but_once_that_is_settled(ledger: Ledger) -> None:
    acct, invoice_no = await billed(ledger)
    hold = await dispute(ledger, invoice_no)

    assert await refused(ledger.void_invoice(invoice_no)) == "INVOICE_HAS_WRITE_OFF"
    (_, write_off) = (await settle(ledger, hold, WRITE_OFF)).transactions
    assert await refused(ledger.void_invoice(invoice_no)) == "INVOICE_HAS_WRITE_OFF"
    await ledger.void(write_off.event_no)
    await ledger.void_invoice(invoice_no)
    assert await ledger.balance(acct) == 0
    assert await ledger.findings() == []


async def test_a_dispute_that_keeps_the_dates_leaves_the_invoice_as_old_as_it_was(ledger: Ledger) -> None:
    acct, invoice_no = await billed(ledger)

    response = await settle(ledger, await dispute(ledger, invoice_no), KEEP_DATES)

    assert types(response) == [-6]
    assert await ledger.balance(acct) == 100
    aging = await ledger.aging(acct, SETTLED)
    assert aging.days_61_to_90.minor_units == 100
    assert aging.oldest_due_date == day(BILLED + timedelta(days=TERMS))
    assert await ledger.findings() == []


async def test_a_dispute_that_re_ages_gives_the_invoice_its_terms_again(ledger: Ledger) -> None:
    acct, invoice_no = await billed(ledger)
    other = await ledger.invoice(acct, (1, 7), invoice_date=BILLED, period=(DISPUTED, DISPUTED))

    response = await settle(ledger, await dispute(ledger, invoice_no), RE_AGE)

    assert types(response) == [-6]
    assert await ledger.balance(acct) == 107
    due = SETTLED + timedelta(days=TERMS)
    aging = await ledger.aging(acct, due)
    assert (aging.not_due.minor_units, aging.overdue.minor_units) == (100, 7)
    assert (await ledger.aging(acct, due + timedelta(days=1))).days_1_to_30.minor_units == 100
    assert (await ledger.get_invoice(invoice_no)).due_date == day(due)
    assert (await ledger.get_invoice(other.invoice_no)).due_date == day(BILLED + timedelta(days=TERMS))
    assert await ledger.findings() == []


async def test_aging_of_a_day_before_the_settlement_is_what_it_was_that_day(ledger: Ledger) -> None:
    acct, invoice_no = await billed(ledger)
    before = await ledger.aging(acct, DISPUTED - timedelta(days=1))

    await settle(ledger, await dispute(ledger, invoice_no), RE_AGE)

    assert await ledger.aging(acct, DISPUTED - timedelta(days=1)) == before
    assert before.days_1_to_30.minor_units == 100


async def test_the_newest_settlement_that_re_aged_an_invoice_counts(ledger: Ledger) -> None:
    acct, invoice_no = await billed(ledger)
    for later in (0, 30):
        await settle(ledger, await dispute(ledger, invoice_no), RE_AGE, SETTLED + timedelta(days=later))

    due = SETTLED + timedelta(days=30 + TERMS)
    assert (await ledger.aging(acct, due)).oldest_due_date == day(due)
    assert (await ledger.get_invoice(invoice_no)).due_date == day(due)
    assert await ledger.findings() == []


async def test_settlements_that_the_rules_refuse(ledger: Ledger) -> None:
    acct, invoice_no = await billed(ledger)
    (paid,) = await ledger.posted(check(acct, 10))
    written_off = await ledger.operate("CreateWriteOff", invoice_no=invoice_no, amount=usd(10), **REASON)
    hold = await dispute(ledger, invoice_no, 10)
    voided = await dispute(ledger, invoice_no, 10)
    void = (await ledger.void(voided)).transactions[0].event_no

    for event_no, reason in [
        (UNKNOWN, "TRANSACTION_NOT_FOUND"),
        (paid, "NOT_A_DISPUTE"),
        (written_off.transaction.event_no, "NOT_A_DISPUTE"),
        (void, "NOT_A_DISPUTE"),
        (voided, "ALREADY_VOIDED"),
    ]:
        assert await refused(settle(ledger, event_no, KEEP_DATES)) == reason
    assert await refused(settle(ledger, hold, 0)) == "INVALID_REQUEST"
    await settle(ledger, hold, KEEP_DATES)
    for resolution in (WRITE_OFF, RE_AGE, KEEP_DATES):
        assert await refused(settle(ledger, hold, resolution)) == "ALREADY_VOIDED"


async def test_of_many_settlements_and_voids_of_one_dispute_one_succeeds(serve: Serve) -> None:
    first, second = Ledger(await serve(), 1), Ledger(await serve(), 1)
    acct, invoice_no = await billed(first)
    hold = await dispute(first, invoice_no)

    outcomes = await asyncio.gather(
        *(settle(ledger, hold, WRITE_OFF) for ledger in (first, second) for _ in range(3)),
        *(ledger.void(hold) for ledger in (first, second)),
        return_exceptions=True,
    )

    lost = [outcome.refusal.reason for outcome in outcomes if isinstance(outcome, RefusedError)]
    assert lost == ["ALREADY_VOIDED"] * 7
    assert await first.balance(acct) in {0, 100}
    assert await first.findings() == []


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("UPDATE invoice_due_date SET due_date = '2025-01-01'", "re-ages invoice"),
        ("UPDATE invoice_due_date SET event_no = 1", "voids no dispute hold"),
        ("UPDATE invoice_due_date SET event_no = 999999", "which does not exist"),
        ("UPDATE invoice_due_date SET invoice_no = 999999", "which does not exist"),
    ],
)
async def test_a_due_date_that_no_settlement_gave_is_found(
    ledger: Ledger, sql: "asyncpg.Connection[asyncpg.Record]", fault: str, message: str
) -> None:
    _, invoice_no = await billed(ledger)
    await settle(ledger, await dispute(ledger, invoice_no), RE_AGE)

    await sql.execute(fault)

    (finding,) = await ledger.findings()
    assert message in finding
