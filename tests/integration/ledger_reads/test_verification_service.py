"""VerificationService and TransactionTypeService over the wire."""

from datetime import date

import grpc

from tallybook.ledger.v1 import transaction_type_pb2, verification_pb2
from tallybook.ledger.v1.transaction_type_pb2_grpc import TransactionTypeServiceStub
from tallybook.ledger.v1.verification_pb2_grpc import VerificationServiceStub
from tests.integration.ledger_reads.books import CLIENT, Books, Entry

JUNE = date(2026, 6, 1)


async def test_a_full_check_streams_progress_then_findings_then_a_summary(
    books: Books, channel: grpc.aio.Channel
) -> None:
    (ada,) = await books.account()
    await books.post(Entry(ada, 14, 100, JUNE))
    await books.connection.execute("UPDATE account_balance SET balance = 99")

    request = verification_pb2.VerifyLedgerRequest(client_no=CLIENT)
    parts = [part async for part in VerificationServiceStub(channel).VerifyLedger(request)]

    finding, _ = [part.finding for part in parts if part.HasField("finding")]
    assert finding.check == verification_pb2.VERIFICATION_CHECK_ACCOUNT_BALANCE
    assert (finding.acct_no, finding.table) == (ada, "account_balance")
    assert finding.message == "the stored balance is 99, but the sum of its transactions is 100"
    summary = parts[-1].summary
    assert (summary.transactions, summary.accounts, summary.findings) == (1, 1, 2)
    complete = [part.progress.check for part in parts if part.progress.complete]
    every_check = [value for value in verification_pb2.VerificationCheck.values() if value]
    assert complete == every_check


async def test_a_trial_balance_has_equal_sides_in_every_currency(
    books: Books, channel: grpc.aio.Channel
) -> None:
    (ada,) = await books.account("Ada")
    (bob,) = await books.account("Bob", currency="JPY")
    (eve,) = await books.account("Eve", client_no=8)
    await books.invoice(ada, 1_000, -100, day=JUNE, due=JUNE)
    (check,) = await books.post(Entry(ada, 2, 300, JUNE))
    await books.void(check, day=JUNE)
    await books.post(Entry(bob, 14, 9, JUNE, currency="JPY"))
    await books.post(Entry(eve, 14, 5_000, JUNE), client_no=8)

    answer = await VerificationServiceStub(channel).GetTrialBalance(
        verification_pb2.GetTrialBalanceRequest(client_no=CLIENT)
    )

    yen, dollars = answer.trial_balances
    assert (yen.currency_code, dollars.currency_code) == ("JPY", "USD")
    assert [
        (line.gl_account, line.name, line.debits.minor_units, line.credits.minor_units)
        for line in dollars.lines
    ] == [
        ("1000", "Cash clearing, checks", 300, 300),
        ("1200", "Accounts receivable", 1_300, 400),
        ("4000", "Recurring revenue", 0, 1_000),
        ("4900", "Service credits", 100, 0),
    ]
    assert dollars.total_debits.minor_units == dollars.total_credits.minor_units == 1_700
    assert yen.total_debits.minor_units == yen.total_credits.minor_units == 9


async def test_the_table_of_transaction_types_is_served_each_type_followed_by_its_void(
    channel: grpc.aio.Channel,
) -> None:
    answer = await TransactionTypeServiceStub(channel).ListTransactionTypes(
        transaction_type_pb2.ListTransactionTypesRequest()
    )

    rows = answer.transaction_types
    assert len(rows) == 32
    types, voids = rows[::2], rows[1::2]
    assert [row.transaction_type for row in types] == sorted(row.transaction_type for row in types)
    for row, void in zip(types, voids, strict=True):
        assert void.transaction_type == -row.transaction_type
        assert void.results_in_charge != row.results_in_charge
        assert (void.source_table, void.source_key) == (row.source_table, row.source_key)
        assert (void.debit_gl_account, void.credit_gl_account) == (
            row.credit_gl_account,
            row.debit_gl_account,
        )
    check = types[0]
    assert (check.name, check.source_table, check.source_key) == ("Check", "external_payments", "payment_id")
    assert (check.operation, check.results_in_charge) == ("record_external_payment", False)
