"""GetStatement: a period between an opening and a closing balance."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import grpc
import pytest

from ledger_service.rules import statements
from service_kit.dates import date_to_proto
from tallybook.ledger.v1 import account_pb2 as pb
from tests.integration.ledger_reads.books import CLIENT, Books, Entry

if TYPE_CHECKING:
    from tallybook.ledger.v1.account_pb2_grpc import AccountServiceAsyncStub

MAY, JUNE, JULY = date(2026, 5, 31), date(2026, 6, 15), date(2026, 7, 1)


def june_of(acct_no: int, client_no: int = CLIENT) -> pb.GetStatementRequest:
    """The statement for June."""
    return pb.GetStatementRequest(
        client_no=client_no,
        acct_no=acct_no,
        period_start=date_to_proto(date(2026, 6, 1)),
        period_end=date_to_proto(date(2026, 6, 30)),
    )


async def test_a_statement_lists_a_period_by_effective_date(
    books: Books, accounts: AccountServiceAsyncStub
) -> None:
    ada, plan = await books.account("Ada", plans=("Fibre",))
    await books.post(Entry(ada, 9, 1_000, MAY), Entry(ada, 14, 77, JULY))
    (check,) = await books.post(Entry(ada, 2, 400, date(2026, 6, 30), row={"reference_code": "45678"}))
    _, (line,) = await books.invoice(ada, 250, day=date(2026, 6, 1), due=JULY, plan_instance_no=plan)
    (void,) = await books.void(check, day=date(2026, 6, 30))
    (credit,) = await books.post(Entry(ada, 10, 50, JUNE))

    statement = await accounts.GetStatement(june_of(ada))

    assert statement.account.name == "Ada"
    assert statement.opening_balance.minor_units == 1_000
    assert [
        (
            each.transaction.event_no,
            each.description,
            each.effect.minor_units,
            each.running_balance.minor_units,
        )
        for each in statement.lines
    ] == [
        (line, "Line rental", 250, 1_250),
        (credit, "Cash Credit", -50, 1_200),
        (check, "Check 45678", -400, 800),
        (void, "Voided Check 45678", 400, 1_200),
    ]
    assert statement.total_charges.minor_units == 650
    assert statement.total_credits.minor_units == 450
    assert statement.closing_balance.minor_units == 1_200
    assert statement.lines[0].transaction.plan_instance_no == plan
    assert statement.lines[2].transaction.voided_by_event_no == void
    assert statement.lines[3].transaction.voids_event_no == check


async def test_a_period_without_transactions_has_a_statement(
    books: Books, accounts: AccountServiceAsyncStub
) -> None:
    (ada,) = await books.account()
    await books.post(Entry(ada, 18, 30, MAY))

    statement = await accounts.GetStatement(june_of(ada))

    assert not statement.lines
    assert statement.opening_balance.minor_units == statement.closing_balance.minor_units == -30


async def test_a_statement_of_another_client_is_not_found(
    books: Books, accounts: AccountServiceAsyncStub
) -> None:
    (ada,) = await books.account()

    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await accounts.GetStatement(june_of(ada, client_no=8))

    assert refusal.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_period_that_ends_before_it_starts_is_refused(
    books: Books, accounts: AccountServiceAsyncStub
) -> None:
    (ada,) = await books.account()
    request = june_of(ada)
    request.period_end.CopyFrom(date_to_proto(MAY))

    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await accounts.GetStatement(request)

    assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_statement_with_more_lines_than_anyone_could_read_is_refused(
    books: Books, accounts: AccountServiceAsyncStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    (ada,) = await books.account()
    await books.post(*(Entry(ada, 9, 1, JUNE) for _ in range(4)))
    monkeypatch.setattr(statements, "MOST_LINES", 3)

    with pytest.raises(grpc.aio.AioRpcError, match="choose a shorter period") as refusal:
        await accounts.GetStatement(june_of(ada))

    assert refusal.value.code() is grpc.StatusCode.OUT_OF_RANGE
