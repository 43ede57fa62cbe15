"""What the ledger itself posted is sound by every check, and reads as it was posted."""

import asyncio

import grpc
from sqlalchemy.ext.asyncio import AsyncEngine

from ledger_service.rules.verification import Check, Finding, Summary
from ledger_service.verification import LedgerVerifier
from service_kit.dates import date_to_proto
from tallybook.ledger.v1 import account_pb2, verification_pb2
from tallybook.ledger.v1.account_pb2_grpc import AccountServiceStub
from tallybook.ledger.v1.verification_pb2_grpc import VerificationServiceStub
from tests.integration.ledger.caller import JANUARY, Ledger
from tests.integration.ledger.test_every_type import post_all_types
from tests.integration.ledger_reads.books import Books


async def post_at_once(channel: grpc.aio.Channel) -> None:
    """All types, by three clients in the same commit groups."""
    await asyncio.gather(*(post_all_types(Ledger(channel, client_no)) for client_no in (1, 2, 3, 1)))


async def test_books_of_several_clients_posted_at_once_have_no_finding(
    channel: grpc.aio.Channel, engine: AsyncEngine
) -> None:
    await post_at_once(channel)

    for client_no in (1, 2, 3):
        *_, summary = parts = [part async for part in LedgerVerifier(engine).verify(client_no)]
        assert [part for part in parts if isinstance(part, Finding)] == []
        assert isinstance(summary, Summary)
        assert summary.transactions >= 32


async def test_a_fault_of_one_client_is_not_shown_to_another(
    channel: grpc.aio.Channel, engine: AsyncEngine, books: Books
) -> None:
    await post_at_once(channel)
    await books.connection.execute(
        "UPDATE acct_transaction SET comment = 'changed' WHERE client_no = 2 AND transaction_type = 14"
    )

    found = {
        client_no: [
            part.check async for part in LedgerVerifier(engine).verify(client_no) if isinstance(part, Finding)
        ]
        for client_no in (1, 2, 3)
    }

    assert found == {1: [], 2: [Check.COMMIT_GROUP], 3: []}


async def test_the_balance_of_accounts_receivable_is_that_of_all_accounts(channel: grpc.aio.Channel) -> None:
    await post_at_once(channel)
    accounts = AccountServiceStub(channel)

    listed = await accounts.ListAccounts(account_pb2.ListAccountsRequest(client_no=1))
    balances = await accounts.BatchGetBalances(
        account_pb2.BatchGetBalancesRequest(
            client_no=1, acct_nos=[account.acct_no for account in listed.accounts]
        )
    )
    trial = await VerificationServiceStub(channel).GetTrialBalance(
        verification_pb2.GetTrialBalanceRequest(client_no=1)
    )

    (dollars,) = trial.trial_balances
    assert dollars.total_debits == dollars.total_credits
    (receivable,) = (line for line in dollars.lines if line.name == "Accounts receivable")
    assert receivable.debits.minor_units - receivable.credits.minor_units == sum(
        each.balance.minor_units for each in balances.balances
    )


async def test_a_statement_of_every_type_closes_with_the_balance(channel: grpc.aio.Channel) -> None:
    for acct_no in await post_all_types(Ledger(channel, 1)):
        accounts = AccountServiceStub(channel)
        balance = await accounts.GetBalance(account_pb2.GetBalanceRequest(client_no=1, acct_no=acct_no))
        statement = await accounts.GetStatement(
            account_pb2.GetStatementRequest(
                client_no=1,
                acct_no=acct_no,
                period_start=date_to_proto(JANUARY[0]),
                period_end=date_to_proto(JANUARY[0].replace(year=2999)),
            )
        )

        assert statement.closing_balance == balance.balance
        assert all(line.description for line in statement.lines)
