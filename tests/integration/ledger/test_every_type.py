"""Every one of the 32 transaction types lands in the main table and in its source table."""

import asyncpg

from ledger_service.rules.transaction_types import TRANSACTION_TYPES
from tests.integration.ledger.caller import (
    Ledger,
    check,
    check_refund,
    credit,
    dunning_charge,
    electronic_refund,
    external_charge,
    memo_line,
    payment,
    reversal,
    transfer,
    void,
    write_off,
)


async def post_all_types(ledger: Ledger) -> list[int]:
    """Post each type and its void; the numbers of the accounts."""
    debtor = await ledger.open_account(100_00)
    creditor = await ledger.open_account(-50_00)
    acct = debtor.account.acct_no
    other = await ledger.account()
    invoice = await ledger.invoice(acct, (1, 40_00), (2, 4_00), (3, 1_00))
    line = invoice.lines[0].event_no

    paid_by_check, paid_by_card = await ledger.posted(check(acct, 10_00), payment(acct, 10_00))
    refunded = await ledger.posted(
        check_refund(acct, paid_by_check, 5_00, document="r"),
        reversal(acct, line, 2_00, document="r"),
        reversal(acct, line, 1_00, document="r"),
    )
    (returned,) = await ledger.posted(electronic_refund(acct, paid_by_card, 10_00))
    charged, late = await ledger.posted(external_charge(acct, 3_00), dunning_charge(acct, 2_00))
    (credited,) = await ledger.posted(credit(acct, 1_00))
    (written_off,) = await ledger.posted(write_off(acct, invoice.invoice_no, 5_00))
    memo = await ledger.posted(
        memo_line(acct, line, 1_00, document="m"), memo_line(acct, line, 2_00, document="m")
    )
    legs = await ledger.posted(transfer(acct, other, 20_00))

    await ledger.posted(*(void(acct, -24, each, document="m") for each in memo))
    for event_no in (
        written_off, credited, charged, late, returned, refunded[0], legs[1], paid_by_check, paid_by_card,
        debtor.balance_forward.event_no, creditor.balance_forward.event_no,
    ):  # fmt: skip
        await ledger.void(event_no)
    await ledger.void_invoice(invoice.invoice_no)
    return [acct, creditor.account.acct_no, other]


async def test_every_type_is_posted_once_at_least_with_its_source_row(
    ledger: Ledger, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await post_all_types(ledger)

    posted = {row[0] for row in await sql.fetch("SELECT DISTINCT transaction_type FROM acct_transaction")}
    assert posted == set(TRANSACTION_TYPES)
    for kind in TRANSACTION_TYPES.values():
        orphans = await sql.fetch(
            f"""
            SELECT t.event_no
              FROM acct_transaction AS t
              LEFT JOIN {kind.source_table} AS source
                ON source.client_no = t.client_no AND source.{kind.source_key} = t.source_no
             WHERE t.transaction_type = $1 AND source.client_no IS NULL
            """,
            kind.code,
        )
        assert not orphans, kind


async def test_after_all_is_voided_every_balance_is_zero_and_the_sum_of_its_rows(
    ledger: Ledger, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    accounts = await post_all_types(ledger)

    for acct_no in accounts:
        assert await ledger.balance(acct_no) == 0
    differing = await sql.fetch(
        """
        SELECT b.acct_no, b.balance, sum(t.amount * type.effect)
          FROM account_balance AS b
          JOIN acct_transaction AS t USING (client_no, acct_no)
          JOIN transaction_type AS type ON type.code = t.transaction_type
         GROUP BY b.acct_no, b.balance
        HAVING b.balance <> sum(t.amount * type.effect)
        """
    )
    assert not differing


async def test_the_journal_balances_and_names_an_account_on_every_line(
    ledger: Ledger, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await post_all_types(ledger)

    assert await sql.fetchval("SELECT count(*) FROM journal WHERE gl_account IS NULL") == 0
    assert await sql.fetchval("SELECT sum(debit) - sum(credit) FROM journal") == 0
    # Everything was voided, so every account of the general ledger is back where it was.
    moved = await sql.fetch("SELECT gl_account FROM journal GROUP BY 1 HAVING sum(debit) <> sum(credit)")
    assert not moved


async def test_every_transaction_is_read_back_with_its_source(
    ledger: Ledger, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await post_all_types(ledger)

    for event_no, code in await sql.fetch("SELECT event_no, transaction_type FROM acct_transaction"):
        read = await ledger.transaction(event_no)
        assert read.transaction_type == code
        assert read.WhichOneof("source") is not None, TRANSACTION_TYPES[code]
        assert (read.voids_event_no > 0) == (code < 0)
        if read.voids_event_no:
            original = await ledger.transaction(read.voids_event_no)
            assert original.voided_by_event_no == event_no
            assert (original.source_no, original.amount) == (read.source_no, read.amount)
            assert original.WhichOneof("source") == read.WhichOneof("source")
