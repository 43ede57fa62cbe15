"""Closed statements (rule 6): what a customer was told stays as it was told."""

import random
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import grpc
import pytest

from tallybook.ledger.v1 import statement_pb2
from tests.integration.ledger.caller import (
    Ledger,
    Refusal,
    RefusedError,
    check,
    credit,
    day,
    external_charge,
    key,
    refusal_of,
)
from tests.integration.ledger.statements import Statements

MARCH, APRIL, MAY = date(2026, 3, 31), date(2026, 4, 30), date(2026, 5, 31)
IN_MARCH, IN_APRIL = date(2026, 3, 10), date(2026, 4, 10)


@pytest.fixture
def statements(ledger: Ledger) -> Statements:
    """The statements of client 1."""
    return Statements(ledger)


def told(lines: list[statement_pb2.ClosedStatementLine]) -> list[tuple[int, int, int, bool]]:
    """Of each line: its transaction, its effect, the balance after it and whether it is an adjustment."""
    return [
        (
            each.line.transaction.event_no,
            each.line.effect.minor_units,
            each.line.running_balance.minor_units,
            each.adjustment,
        )
        for each in lines
    ]


def balances(statement: statement_pb2.ClosedStatement) -> tuple[int, int]:
    """What it opens and closes with."""
    return statement.opening_balance.minor_units, statement.closing_balance.minor_units


async def refusal(statements: Statements, operation: str, **fields: object) -> Refusal:
    """How a call is refused."""
    with pytest.raises(RefusedError) as refused:
        await statements.call(operation, **fields)
    return refused.value.refusal


async def test_what_is_back_dated_into_a_closed_period_is_an_adjustment_on_the_next(
    ledger: Ledger, statements: Statements
) -> None:
    acct = await ledger.account(effective_date=day(IN_MARCH))
    charge, early = await ledger.posted(
        external_charge(acct, 100, effective_date=day(IN_MARCH)),
        external_charge(acct, 7, effective_date=day(IN_APRIL)),
    )
    march = await statements.closed(MARCH, acct)
    before = await statements.call("GetClosedStatement", statement_no=march.statement_no)
    (back_dated,) = await ledger.posted(check(acct, 30, effective_date=day(IN_MARCH)))
    (usual,) = await ledger.posted(credit(acct, 5, effective_date=day(IN_APRIL)))

    april = await statements.closed(APRIL, acct)

    assert balances(march) == (0, 100)
    assert balances(april) == (100, 72)
    assert (april.period_start, april.period_end) == (day(date(2026, 4, 1)), day(APRIL))
    assert (april.transactions, april.adjustments) == (3, 1)
    assert told(await statements.lines(march.statement_no)) == [(charge, 100, 100, False)]
    assert told(await statements.lines(april.statement_no)) == [
        (back_dated, -30, 70, True),
        (early, 7, 77, False),
        (usual, -5, 72, False),
    ]
    assert await statements.call("GetClosedStatement", statement_no=march.statement_no) == before
    page = await statements.call("GetClosedStatement", statement_no=april.statement_no)
    assert (page.total_charges.minor_units, page.total_credits.minor_units) == (7, 35)
    assert await ledger.findings() == []


async def test_what_is_voided_later_is_not_voided_on_a_closed_statement(
    ledger: Ledger, statements: Statements
) -> None:
    acct = await ledger.account()
    (charge,) = await ledger.posted(external_charge(acct, 100, effective_date=day(IN_MARCH)))
    march = await statements.closed(MARCH, acct)
    await ledger.void(charge, effective_date=day(IN_MARCH))
    april = await statements.closed(APRIL, acct)

    (line,) = await statements.lines(march.statement_no)
    (adjustment,) = await statements.lines(april.statement_no)

    assert line.line.transaction.voided_by_event_no == 0
    assert (await ledger.transaction(charge)).voided_by_event_no != 0
    assert adjustment.adjustment
    assert adjustment.line.transaction.voids_event_no == charge
    assert balances(april) == (100, 0)


async def test_closing_again_returns_the_statement_that_is_there(
    ledger: Ledger, statements: Statements
) -> None:
    acct, other = await ledger.account(), await ledger.account()
    again = key()
    first = await statements.close(MARCH, acct, request_id=again)
    await ledger.posted(external_charge(acct, 1, effective_date=day(IN_MARCH)))

    assert await statements.close(MARCH, acct, request_id=again) == first
    results = await statements.close(MARCH, other, acct)
    assert [each.closed_now for each in results] == [True, False]
    assert results[1].statement == first[0].statement

    await statements.closed(APRIL, acct)
    (result,) = await statements.close(MARCH, acct)
    assert result.statement == first[0].statement
    with pytest.raises(RefusedError) as reused:
        await statements.close(APRIL, acct, request_id=again)
    assert reused.value.refusal.reason == "REQUEST_ID_REUSED"


async def test_each_account_is_decided_on_its_own(ledger: Ledger, statements: Statements) -> None:
    acct, closed = await ledger.account(), await ledger.account()
    april = await statements.closed(APRIL, closed)

    fine, unknown, inside = await statements.close(date(2026, 4, 15), acct, 999_999, closed)

    assert fine.statement.acct_no == acct
    assert refusal_of(unknown.error).reason == "ACCOUNT_NOT_FOUND"
    refused = refusal_of(inside.error)
    assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "STATEMENT_PERIOD_CLOSED")
    assert refused.metadata == {
        "acct_no": str(closed),
        "statement_no": str(april.statement_no),
        "closed_until": "2026-04-30",
    }


async def test_a_call_that_closes_nothing_does_not_use_up_its_key(
    ledger: Ledger, statements: Statements
) -> None:
    again = key()
    (refused,) = await statements.close(MARCH, 999_999, request_id=again)
    assert refused.HasField("error")

    (result,) = await statements.close(MARCH, await ledger.account(), request_id=again)

    assert result.closed_now


async def test_the_first_statement_begins_with_the_account(ledger: Ledger, statements: Statements) -> None:
    quiet, busy, future = [await ledger.account() for _ in range(3)]
    await ledger.posted(external_charge(busy, 1, effective_date=day(IN_MARCH)))
    today = datetime.now(UTC).date()
    ahead = today + timedelta(days=40)

    starts = [
        (await statements.closed(end, acct)).period_start
        for acct, end in ((quiet, MARCH), (busy, MARCH), (future, ahead))
    ]

    assert starts[:2] == [day(MARCH), day(IN_MARCH)]
    assert starts[2] in (day(today - timedelta(days=1)), day(today))


async def test_a_statement_is_read_and_listed_in_pages(ledger: Ledger, statements: Statements) -> None:
    acct, other = await ledger.account(), await ledger.account()
    await ledger.posted(*[external_charge(acct, 1, effective_date=day(IN_MARCH))] * 7)
    march = await statements.closed(MARCH, acct)
    april = await statements.closed(APRIL, acct)
    await statements.closed(MAY, other)

    in_pages = await statements.lines(march.statement_no, page_size=3)

    assert told(in_pages) == told(await statements.lines(march.statement_no))
    assert [each.line.running_balance.minor_units for each in in_pages] == [1, 2, 3, 4, 5, 6, 7]
    assert await statements.all(acct) == [march, april]
    listed = await statements.call(
        "ListStatements", period_end_from=day(APRIL), period_end_to=day(APRIL), page_size=1
    )
    assert (list(listed.statements), listed.next_page_token) == ([april], "")
    first = await statements.call("ListStatements", page_size=2)
    rest = await statements.call("ListStatements", page_size=2, page_token=first.next_page_token)
    assert [each.statement_no for each in (*first.statements, *rest.statements)] == sorted(
        (each.statement_no for each in await statements.all()), reverse=True
    )


async def test_what_is_wrong_with_a_call_is_told(ledger: Ledger, statements: Statements) -> None:
    assert (await refusal(statements, "GetClosedStatement", statement_no=999)).reason == "STATEMENT_NOT_FOUND"
    reversed_days = {"period_end_from": day(APRIL), "period_end_to": day(MARCH)}
    refused = await refusal(statements, "ListStatements", **reversed_days)
    assert (refused.reason, refused.fields) == ("DATE_INVALID", ("period_end_to",))
    acct = await ledger.account()
    for wrong in (date(1899, 12, 31), date.max):
        fields = {"acct_nos": [acct], "period_end": day(wrong), "request_id": key()}
        refused = await refusal(statements, "CloseStatements", **fields)
        assert (refused.reason, refused.fields) == ("DATE_INVALID", ("period_end",))


class Posted(NamedTuple):
    """A transaction as the oracle knows it."""

    event_no: int
    effect: int
    on: date


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_every_transaction_is_on_exactly_one_statement_whatever_comes_in_which_order(
    ledger: Ledger, statements: Statements, seed: int
) -> None:
    """Random postings on random days, and closes of random accounts up to random days in between."""
    dice = random.Random(seed)
    accts = [await ledger.account() for _ in range(6)]
    start = date(2026, 1, 1)
    posted: defaultdict[int, list[Posted]] = defaultdict(list)
    expected: defaultdict[int, list[set[int]]] = defaultdict(list)
    closed_until = dict.fromkeys(accts, start)
    for _ in range(8):
        drawn = [
            (dice.choice(accts), dice.randint(1, 99), start + timedelta(days=dice.randint(-20, 90)))
            for _ in range(dice.randint(0, 25))
        ]
        if drawn:
            makers = [dice.choice([external_charge, check]) for _ in drawn]
            events = await ledger.posted(
                *(
                    make(acct, amount, effective_date=day(on))
                    for make, (acct, amount, on) in zip(makers, drawn, strict=True)
                )
            )
            for event_no, make, (acct, amount, on) in zip(events, makers, drawn, strict=True):
                posted[acct].append(Posted(event_no, amount if make is external_charge else -amount, on))
        period_end = start + timedelta(days=dice.randint(-5, 95))
        chosen = dice.sample(accts, dice.randint(1, 6))
        for acct, result in zip(chosen, await statements.close(period_end, *chosen), strict=True):
            if result.HasField("error") or not result.closed_now:
                assert period_end <= closed_until[acct]
                continue
            closed_until[acct] = period_end
            before = set().union(*expected[acct])
            expected[acct].append({each.event_no for each in posted[acct] if each.on <= period_end} - before)

    for acct in accts:
        balance, previous_end = 0, None
        effects = {each.event_no: each.effect for each in posted[acct]}
        closed = await statements.all(acct)
        assert len(closed) == len(expected[acct])
        for statement, numbers in zip(closed, expected[acct], strict=True):
            lines = await statements.lines(statement.statement_no, page_size=4)
            assert {each.line.transaction.event_no for each in lines} == numbers
            assert len(lines) == len(numbers) == statement.transactions
            assert sum(each.adjustment for each in lines) == statement.adjustments
            assert statement.opening_balance.minor_units == balance
            balance += sum(effects[number] for number in numbers)
            assert statement.closing_balance.minor_units == balance
            first = date(
                statement.period_start.year, statement.period_start.month, statement.period_start.day
            )
            assert previous_end is None or first == previous_end + timedelta(days=1)
            previous_end = date(
                statement.period_end.year, statement.period_end.month, statement.period_end.day
            )
    assert await ledger.findings() == []
