"""What can't be answered is refused in words, however odd the books and the question."""

from datetime import date

import grpc
import pytest

from service_kit.dates import date_to_proto
from tallybook.ledger.v1 import account_pb2 as pb
from tallybook.ledger.v1.account_pb2_grpc import AccountServiceStub
from tallybook.ledger.v1.verification_pb2 import GetTrialBalanceRequest
from tallybook.ledger.v1.verification_pb2_grpc import VerificationServiceStub
from tests.integration.ledger_reads.books import CLIENT, Books, Entry
from tests.support.statuses import refused

EARLY, BETWEEN, LATE = date(2020, 1, 1), date(2025, 1, 1), date(2030, 1, 1)
HALF = 2**62


@pytest.fixture
async def rich(books: Books) -> int:
    """An account whose balance is zero, though each side of it is more than 64 bits hold."""
    acct_no, *_ = await books.account()
    for _ in range(2):
        await books.post(
            Entry(acct_no, 14, HALF, EARLY, row={}),
            Entry(acct_no, 3, HALF, LATE, row={"payment_method_kind": 1}),
        )
    return acct_no


async def test_a_sum_that_64_bits_do_not_hold_is_refused(rich: int, channel: grpc.aio.Channel) -> None:
    accounts, verification = AccountServiceStub(channel), VerificationServiceStub(channel)
    now = await accounts.GetBalance(pb.GetBalanceRequest(client_no=CLIENT, acct_no=rich))
    assert now.balance.minor_units == 0
    day = date_to_proto(BETWEEN)
    for question in (
        accounts.GetBalance(pb.GetBalanceRequest(client_no=CLIENT, acct_no=rich, effective_date=day)),
        accounts.ListAging(pb.ListAgingRequest(client_no=CLIENT, as_of_date=day)),
        accounts.GetStatement(
            pb.GetStatementRequest(
                client_no=CLIENT, acct_no=rich, period_start=day, period_end=date_to_proto(LATE)
            )
        ),
        verification.GetTrialBalance(GetTrialBalanceRequest(client_no=CLIENT)),
    ):
        refusal = await refused(question)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.OUT_OF_RANGE, "AMOUNT_OUT_OF_RANGE")
        assert "USD" in refusal.message


async def test_an_identifier_that_no_account_can_have_is_refused(channel: grpc.aio.Channel) -> None:
    refusal = await refused(
        AccountServiceStub(channel).GetAccount(pb.GetAccountRequest(client_no=CLIENT, external_id="crm\0001"))
    )
    assert (refusal.reason, refusal.fields) == ("INVALID_REQUEST", ["external_id"])
