"""Payments that are recorded one by one, many at once: each has its own answer and key."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from ledger_service.group_decisions import GroupDecisions
from ledger_service.joined_calls import JoinedCalls
from tests.integration.ledger.caller import Ledger, RefusedError, key, usd


@pytest.fixture
def joined(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many calls were decided together, each time."""
    sizes: list[int] = []
    decide_joined = GroupDecisions.decide_joined

    def keep_and_decide(decisions: GroupDecisions, calls: JoinedCalls) -> Sequence[Any]:
        sizes.append(len(calls.calls))
        return decide_joined(decisions, calls)

    monkeypatch.setattr(GroupDecisions, "decide_joined", keep_and_decide)
    return sizes


async def record(ledger: Ledger, acct_no: int, code: str, request_id: str, amount: int = 5) -> Any:
    """Record a check; the refusal instead, where it is refused."""
    try:
        return await ledger.operate(
            "RecordExternalPayment",
            request_id=request_id,
            acct_no=acct_no,
            amount=usd(amount),
            external_payment={"reference_code": code},
        )
    except RefusedError as refused:
        return refused.refusal.reason


async def test_payments_that_are_recorded_at_once_are_answered_each_with_its_own(
    ledger: Ledger, joined: list[int]
) -> None:
    accounts = [await ledger.account() for _ in range(4)]
    calls = [(accounts[place % 4], f"check {place}", key(), 1 + place) for place in range(150)]

    answers = await asyncio.gather(*(record(ledger, *call) for call in calls))
    again = await asyncio.gather(*(record(ledger, *call) for call in calls))

    assert joined, "nothing was decided together"
    assert again == answers
    transactions = [answer.transaction for answer in answers]
    assert [
        (each.acct_no, each.external_payment.reference_code, each.amount.minor_units) for each in transactions
    ] == [(acct_no, code, amount) for acct_no, code, _, amount in calls]
    assert (
        len({each.event_no for each in transactions}) == len({each.source_no for each in transactions}) == 150
    )
    for each in transactions[::30]:
        assert await ledger.transaction(each.event_no) == each
    for acct_no in accounts:
        paid = sum(amount for owner, _, _, amount in calls if owner == acct_no)
        assert await ledger.balance(acct_no) == -paid
    assert await ledger.findings() == []


async def test_each_is_told_its_own_also_among_calls_that_are_decided_alone(ledger: Ledger) -> None:
    acct_no = await ledger.account(100_000)

    async def apply(amount: int) -> Any:
        return await ledger.operate(
            "ApplyCashCredit", acct_no=acct_no, amount=usd(amount), reason_code="TEST", comment="because"
        )

    calls = [
        record(ledger, acct_no, f"check {amount}", key(), amount) if amount % 3 else apply(amount)
        for amount in range(1, 61)
    ]
    answers = await asyncio.gather(*calls)

    assert [each.transaction.amount.minor_units for each in answers] == list(range(1, 61))
    assert {each.transaction.transaction_type for each in answers[2::3]} == {10}
    assert await ledger.findings() == []


async def test_an_account_that_is_not_there_is_nobody_else_s_business(
    ledger: Ledger, joined: list[int]
) -> None:
    acct_no = await ledger.account()
    calls = [(acct_no, f"check {place}", key()) for place in range(20)]

    *answers, refused = await asyncio.gather(
        *(record(ledger, *call) for call in calls), record(ledger, 999_999, "nowhere", key())
    )

    assert joined, "nothing was decided together"
    assert not [answer for answer in answers if isinstance(answer, str)]
    assert refused == "ACCOUNT_NOT_FOUND"
    assert await ledger.balance(acct_no) == -5 * len(calls)


async def test_names_and_keys_that_come_twice_are_used_once(ledger: Ledger) -> None:
    acct_no = await ledger.account()
    same, twice = key(), key()
    calls = [
        *((acct_no, f"check {place}", key()) for place in range(20)),
        (acct_no, "taken", key()),
        (acct_no, "taken", key()),
        (acct_no, "same", same),
        (acct_no, "same", same),
        (acct_no, "one", twice),
        (acct_no, "other", twice),
    ]

    answers = await asyncio.gather(*(record(ledger, *call) for call in calls))

    assert not [answer for answer in answers[:20] if isinstance(answer, str)]
    assert [each for each in answers[20:22] if isinstance(each, str)] == ["REFERENCE_CODE_TAKEN"]
    assert answers[22] == answers[23]
    assert [each for each in answers[24:] if isinstance(each, str)] == ["REQUEST_ID_REUSED"]
    assert await ledger.balance(acct_no) == -5 * 23
    assert await ledger.findings() == []
