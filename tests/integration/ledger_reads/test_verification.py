"""VerifyLedger: sound books have no finding, and each fault is found where it is."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import date

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from ledger_service.rules.verification import Check, Finding, Progress, Summary
from ledger_service.verification import LedgerVerifier, Part
from tests.integration.ledger_reads.books import CLIENT, RECORDED_AT, Books, Entry

MAY, JUNE, JULY = date(2026, 5, 1), date(2026, 6, 1), date(2026, 7, 1)


@dataclass(frozen=True, slots=True)
class Story:
    """The numbers of what `write_story` wrote."""

    ada: int
    plan: int
    bob: int
    invoice_no: int
    invoice_lines: list[int]
    voided_invoice_no: int
    payment: int
    check: int
    check_void: int
    refund: list[int]
    memo: list[int]
    transfer: list[int]
    write_off: int
    charge: int
    opening_credit: int
    late_fee: int
    cash_credit: int
    cy: int
    statements: list[int]


async def write_story(books: Books) -> Story:
    """Two accounts with something of every kind, and another client whose transactions lie between theirs."""
    ada, plan = await books.account("Ada", plans=("Fibre",), external_id="ada-1")
    (bob,) = await books.account("Bob")
    (eve,) = await books.account("Eve", client_no=8)
    _, opening_credit = await books.post(Entry(ada, 9, 5_000, MAY), Entry(bob, 18, 700, MAY))
    invoice_no, lines = await books.invoice(
        ada, 10_000, 2_000, -500, day=MAY, due=JUNE, plan_instance_no=plan
    )
    voided_invoice_no, voided_lines = await books.invoice(ada, 300, 200, day=JUNE, due=JULY)
    await books.void_invoice(voided_invoice_no, voided_lines, day=JUNE)
    await books.post(Entry(eve, 14, 100, JUNE), client_no=8)
    (payment,) = await books.post(
        Entry(ada, 3, 6_000, JUNE, plan_instance_no=plan, row={"payment_method_kind": 1})
    )
    (check,) = await books.post(Entry(ada, 2, 900, JUNE))
    (check_void,) = await books.void(check, day=JUNE)
    refund = await books.refund(ada, payment, 1_500, (lines[0], 1_000), (lines[1], 500), day=JUNE)
    voided_refund = await books.refund(ada, payment, 100, (lines[0], 100), day=JUNE)
    await books.void(*voided_refund, day=JUNE)
    memo = await books.memo(ada, invoice_no, (lines[0], 250), (lines[1], 250), day=JUNE)
    await books.post(Entry(eve, 14, 100, JUNE), client_no=8)
    transfer = await books.transfer(ada, bob, 1_000, day=JUNE)
    await books.void(*await books.transfer(ada, bob, 50, day=JUNE), day=JUNE)
    (write_off,) = await books.post(
        Entry(ada, 6, 400, JUNE, row={"kind": 1, "invoice_no": invoice_no}, comment="bad debt")
    )
    (charge,) = await books.post(Entry(bob, 14, 1_200, JUNE))
    late_fee, cash_credit = await books.post(Entry(bob, 15, 250, JULY), Entry(bob, 10, 50, JULY))
    (cy,) = await books.account("Cy")
    statements = await write_statements(books, cy)
    return Story(
        ada, plan, bob, invoice_no, lines, voided_invoice_no, payment, check, check_void, refund, memo,
        transfer, write_off, charge, opening_credit, late_fee, cash_credit, cy, statements,
    )  # fmt: skip


async def write_statements(books: Books, acct_no: int) -> list[int]:
    """The numbers of two closed statements, the second of which has an adjustment."""
    (first,) = await books.post(Entry(acct_no, 14, 500, MAY))
    await books.insert(
        "closed_statement", client_no=CLIENT, statement_no=71, acct_no=acct_no, period_start=MAY,
        period_end=date(2026, 5, 31), opening_balance=0, closing_balance=500, currency_code="USD",
        after_event_no=0, through_event_no=first, transactions=1, adjustments=0, closed_at=RECORDED_AT,
    )  # fmt: skip
    *_, last = await books.post(Entry(acct_no, 10, 200, MAY), Entry(acct_no, 10, 50, JUNE))
    await books.insert(
        "closed_statement", client_no=CLIENT, statement_no=72, acct_no=acct_no, period_start=JUNE,
        period_end=date(2026, 6, 30), opening_balance=500, closing_balance=250, currency_code="USD",
        after_event_no=first, through_event_no=last, transactions=2, adjustments=1, closed_at=RECORDED_AT,
    )  # fmt: skip
    return [71, 72]


async def verify(engine: AsyncEngine, client_no: int = CLIENT) -> tuple[list[Finding], Summary]:
    """The findings and the summary of a full check."""
    parts = [part async for part in LedgerVerifier(engine).verify(client_no)]
    *_, summary = parts
    assert isinstance(summary, Summary)
    findings = [part for part in parts if isinstance(part, Finding)]
    assert summary.findings == len(findings)
    return findings, summary


async def test_sound_books_have_no_finding(books: Books, engine: AsyncEngine) -> None:
    await write_story(books)

    assert await verify(engine) == ([], Summary(transactions=34, accounts=3, findings=0))
    assert await verify(engine, 8) == ([], Summary(transactions=2, accounts=1, findings=0))
    assert await verify(engine, 9) == ([], Summary(transactions=0, accounts=0, findings=0))


async def test_what_waits_in_its_turn_needs_no_row(books: Books, engine: AsyncEngine) -> None:
    await sql(*WITHOUT_A_ROW)(books, await write_story(books))

    findings, _ = await verify(engine)

    assert findings == []


async def test_books_are_read_in_batches_and_the_result_is_the_same(
    books: Books, engine: AsyncEngine
) -> None:
    await write_story(books)
    whole = [part async for part in LedgerVerifier(engine).verify(CLIENT)]
    in_batches = [part async for part in LedgerVerifier(engine, batch_rows=2).verify(CLIENT)]

    def completions(parts: list[Part]) -> list[Progress]:
        return [part for part in parts if isinstance(part, Progress) and part.complete]

    assert [progress.check for progress in completions(whole)] == list(Check)
    assert completions(in_batches) == completions(whole)
    assert in_batches[-1] == whole[-1]
    assert len(in_batches) > 3 * len(whole)


Plant = Callable[[Books, Story], Awaitable[None]]
Expected = Callable[[Story], Collection[tuple[Check, str, int, int, int]]]
"""(check, table, acct_no, plan_instance_no, event_no)"""


def sql(*statements: str) -> Plant:
    """A fault planted with these statements, in which {names} are those of the story."""

    async def plant(books: Books, story: Story) -> None:
        names = {name: getattr(story, name) for name in story.__slots__}
        for statement in statements:
            status = await books.connection.execute(statement.format(client=CLIENT, **names))
            assert status.split()[-1] != "0", f"nothing was changed: {statement}"

    return plant


# No fault: the last charge of an account waits in its turn.
WITHOUT_A_ROW = (
    "DELETE FROM item_balance WHERE event_no = {late_fee}",
    "UPDATE account_balance SET waiting_after = {late_fee} - 1 WHERE acct_no = {bob}",
)

FAULTS: dict[str, tuple[Plant, Expected]] = {
    "an account's balance is off by one": (
        sql("UPDATE account_balance SET balance = balance + 1 WHERE acct_no = {ada}"),
        lambda it: {
            (Check.ACCOUNT_BALANCE, "account_balance", it.ada, 0, 0),
            (Check.APPLICATION, "account_balance", it.ada, 0, 0),
        },
    ),
    "an account has no balance": (
        sql("DELETE FROM account_balance WHERE acct_no = {bob}"),
        lambda it: {(Check.ACCOUNT_BALANCE, "account", it.bob, 0, 0)},
    ),
    "a plan instance's balance is off by one": (
        sql("UPDATE plan_instance_balance SET balance = balance - 1 WHERE plan_instance_no = {plan}"),
        lambda it: {(Check.PLAN_INSTANCE_BALANCE, "plan_instance", it.ada, it.plan, 0)},
    ),
    "a plan instance belongs to another account": (
        sql("UPDATE plan_instance SET acct_no = {bob} WHERE plan_instance_no = {plan}"),
        lambda it: {
            (Check.PLAN_INSTANCE_BALANCE, "acct_transaction", it.ada, it.plan, event_no)
            for event_no in (*it.invoice_lines, it.payment)
        },
    ),
    "a source row is missing": (
        sql("DELETE FROM external_charge WHERE event_no = {charge}"),
        lambda it: {(Check.SOURCE_ROW, "acct_transaction", it.bob, 0, it.charge)},
    ),
    "a source row that a void shares is missing": (
        sql("DELETE FROM external_payments WHERE event_no = {check}"),
        lambda it: {
            (Check.SOURCE_ROW, "acct_transaction", it.ada, 0, it.check),
            (Check.SOURCE_ROW, "acct_transaction", it.ada, 0, it.check_void),
        },
    ),
    "a source row has no transaction": (
        sql(
            "INSERT INTO external_charge (client_no, charge_no, event_no, acct_no, description)"
            " VALUES ({client}, 999, 998, {bob}, 'from nowhere')"
        ),
        lambda it: {(Check.SOURCE_ROW, "external_charge", it.bob, 0, 998)},
    ),
    "a source row that several share has no transaction": (
        sql(
            "INSERT INTO credit_memo (client_no, cm_no, event_no, acct_no, invoice_no)"
            " VALUES ({client}, 999, 998, {ada}, {invoice_no})"
        ),
        lambda it: {(Check.SOURCE_ROW, "credit_memo", it.ada, 0, 998)},
    ),
    "a source row is of another account": (
        sql("UPDATE payments SET acct_no = {bob} WHERE event_no = {payment}"),
        lambda it: {(Check.SOURCE_ROW, "payments", it.bob, it.plan, it.payment)},
    ),
    "an amount was changed": (
        sql("UPDATE acct_transaction SET amount = amount + 1 WHERE event_no = {charge}"),
        lambda it: {
            (Check.ACCOUNT_BALANCE, "account_balance", it.bob, 0, 0),
            (Check.COMMIT_GROUP, "commit_group_part", 0, 0, it.charge),
            (Check.APPLICATION, "acct_transaction", it.bob, 0, it.charge),
        },
    ),
    "a comment was changed": (
        sql("UPDATE acct_transaction SET comment = 'nothing to see' WHERE event_no = {write_off}"),
        lambda it: {(Check.COMMIT_GROUP, "commit_group_part", 0, 0, it.write_off)},
    ),
    "an effective date was changed in a commit group of several": (
        sql("UPDATE acct_transaction SET effective_date = '2026-06-02' WHERE event_no = {memo[1]}"),
        lambda it: {
            (Check.ACCOUNT_BALANCE, "account_balance", it.ada, 0, 0),
            (Check.COMMIT_GROUP, "commit_group_part", 0, 0, 0),
        },
    ),
    "the amount of a void is another": (
        sql("UPDATE acct_transaction SET amount = amount - 1 WHERE event_no = {check_void}"),
        lambda it: {
            (Check.ACCOUNT_BALANCE, "account_balance", it.ada, 0, 0),
            (Check.VOID_PAIR, "acct_transaction", it.ada, 0, it.check_void),
            (Check.COMMIT_GROUP, "commit_group_part", 0, 0, it.check_void),
            (Check.APPLICATION, "acct_transaction", it.ada, 0, it.check_void),
        },
    ),
    "a void is of what does not exist": (
        sql("UPDATE acct_transaction SET related_event_no = 998 WHERE event_no = {check_void}"),
        lambda it: {
            (Check.VOID_PAIR, "acct_transaction", it.ada, 0, it.check_void),
            (Check.COMMIT_GROUP, "commit_group_part", 0, 0, it.check_void),
        },
    ),
    "the type of a void does not fit": (
        sql("UPDATE acct_transaction SET transaction_type = -3 WHERE event_no = {check_void}"),
        lambda it: {
            (Check.SOURCE_ROW, "acct_transaction", it.ada, 0, it.check_void),
            (Check.VOID_PAIR, "acct_transaction", it.ada, 0, it.check_void),
            (Check.COMMIT_GROUP, "commit_group_part", 0, 0, it.check_void),
        },
    ),
    "a transaction was deleted": (
        sql("DELETE FROM acct_transaction WHERE event_no = {charge}"),
        lambda it: {
            (Check.ACCOUNT_BALANCE, "account_balance", it.bob, 0, 0),
            (Check.SOURCE_ROW, "external_charge", it.bob, 0, it.charge),
            (Check.COMMIT_GROUP, "commit_group_part", 0, 0, it.charge),
            (Check.APPLICATION, "item_balance", it.bob, 0, it.charge),
        },
    ),
    "a transaction was moved to another account": (
        sql("UPDATE acct_transaction SET acct_no = {ada} WHERE event_no = {charge}"),
        lambda it: {
            (Check.ACCOUNT_BALANCE, "account_balance", it.ada, 0, 0),
            (Check.ACCOUNT_BALANCE, "account_balance", it.bob, 0, 0),
            (Check.SOURCE_ROW, "external_charge", it.bob, 0, it.charge),
            (Check.COMMIT_GROUP, "commit_group_part", 0, 0, it.charge),
            (Check.APPLICATION, "acct_transaction", it.ada, 0, it.charge),
            (Check.APPLICATION, "item_balance", it.bob, 0, it.charge),
        },
    ),
    "a transaction is in another currency than its account": (
        sql("UPDATE acct_transaction SET currency_code = 'EUR' WHERE event_no = {charge}"),
        lambda it: {
            (Check.ACCOUNT_BALANCE, "acct_transaction", it.bob, 0, it.charge),
            (Check.COMMIT_GROUP, "commit_group_part", 0, 0, it.charge),
        },
    ),
    "a line of an invoice has no line type": (
        sql("UPDATE gl_detail SET line_type = 77 WHERE event_no = {invoice_lines[0]}"),
        lambda it: {(Check.JOURNAL, "acct_transaction", it.ada, it.plan, it.invoice_lines[0])},
    ),
    "the digest of a part was changed": (
        sql("UPDATE commit_group_part SET digest = sha256('x') WHERE first_event_no = {charge}"),
        # By its rows, and by its group.
        lambda it: [(Check.COMMIT_GROUP, "commit_group_part", 0, 0, it.charge)] * 2,
    ),
    "a part of a commit group is missing": (
        sql("DELETE FROM commit_group_part WHERE first_event_no = {charge}"),
        lambda it: {(Check.COMMIT_GROUP, "acct_transaction", 0, 0, it.charge)},
    ),
    "a commit group is missing": (
        sql("DELETE FROM commit_group WHERE first_event_no = {charge}"),
        lambda it: {(Check.COMMIT_GROUP, "commit_group_part", 0, 0, it.charge)},
    ),
    "a transfer has one leg": (
        sql("DELETE FROM acct_transaction WHERE event_no = {transfer[1]}"),
        lambda it: {
            (Check.ACCOUNT_BALANCE, "account_balance", it.bob, 0, 0),
            (Check.COMMIT_GROUP, "commit_group_part", 0, 0, it.transfer[1]),
            (Check.DOCUMENT, "balance_transfer", it.ada, 0, it.transfer[0]),
            # Both credits that paid the leg, and what is open of it.
            (Check.APPLICATION, "application", it.bob, 0, it.opening_credit),
            (Check.APPLICATION, "application", it.bob, 0, it.cash_credit),
            (Check.APPLICATION, "item_balance", it.bob, 0, it.transfer[1]),
        },
    ),
    "a transfer is to another account than it says": (
        sql("UPDATE balance_transfer SET to_acct_no = 999 WHERE event_no = {transfer[0]}"),
        lambda it: {(Check.DOCUMENT, "balance_transfer", it.ada, 0, it.transfer[0])},
    ),
    "a memo is for another invoice": (
        sql("UPDATE credit_memo SET invoice_no = {voided_invoice_no}"),
        lambda it: {(Check.DOCUMENT, "credit_memo", it.ada, 0, it.memo[0])},
    ),
    "the reversals are of another refund": (
        sql("UPDATE refunds SET event_no = {charge} WHERE event_no = {refund[0]}"),
        lambda it: {(Check.DOCUMENT, "refunds", it.ada, 0, it.charge)},
    ),
    "an invoice's total is not the sum of its lines": (
        sql("UPDATE invoice SET total = total + 1 WHERE invoice_no = {invoice_no}"),
        lambda it: {(Check.DOCUMENT, "invoice", it.ada, it.plan, it.invoice_lines[0])},
    ),
    "a line is of another invoice": (
        sql("UPDATE gl_detail SET invoice_no = {voided_invoice_no} WHERE event_no = {invoice_lines[2]}"),
        lambda it: {
            (Check.DOCUMENT, "invoice", it.ada, it.plan, it.invoice_lines[0]),
            (Check.DOCUMENT, "gl_detail", it.ada, 0, it.invoice_lines[2]),
        },
    ),
    "a standing invoice is marked as voided": (
        sql(
            "INSERT INTO invoice_void (client_no, invoice_no, first_event_no, last_event_no)"
            " VALUES ({client}, {invoice_no}, 1, 2)"
        ),
        lambda it: {(Check.DOCUMENT, "invoice", it.ada, it.plan, it.invoice_lines[0])},
    ),
    "an application is missing": (
        sql("DELETE FROM application WHERE credit_event_no = {write_off}"),
        lambda it: {
            (Check.APPLICATION, "acct_transaction", it.ada, it.plan, it.invoice_lines[0]),
            (Check.APPLICATION, "acct_transaction", it.ada, 0, it.write_off),
        },
    ),
    "more is applied than the credit and the charge are": (
        sql("UPDATE application SET amount = 20000 WHERE credit_event_no = {write_off}"),
        lambda it: {
            (Check.APPLICATION, "acct_transaction", it.ada, it.plan, it.invoice_lines[0]),
            (Check.APPLICATION, "acct_transaction", it.ada, 0, it.write_off),
        },
    ),
    "an application is to a charge of another account": (
        sql("UPDATE application SET charge_event_no = {charge} WHERE credit_event_no = {write_off}"),
        lambda it: {
            (Check.APPLICATION, "application", it.ada, 0, it.write_off),
            (Check.APPLICATION, "acct_transaction", it.ada, it.plan, it.invoice_lines[0]),
            (Check.APPLICATION, "acct_transaction", it.bob, 0, it.charge),
        },
    ),
    "more is taken back than was applied": (
        sql(
            "UPDATE application SET takes_back_no = (SELECT min(application_no) FROM application"
            " WHERE credit_event_no = {write_off}) WHERE credit_event_no = {check}"
            " AND takes_back_no IS NOT NULL"
        ),
        lambda it: {
            (Check.APPLICATION, "application", it.ada, 0, it.write_off),
            (Check.APPLICATION, "application", it.ada, 0, it.check),
        },
    ),
    "another amount is open": (
        sql("UPDATE item_balance SET open_amount = open_amount - 1 WHERE event_no = {charge}"),
        lambda it: {
            (Check.APPLICATION, "acct_transaction", it.bob, 0, it.charge),
            (Check.APPLICATION, "account_balance", it.bob, 0, 0),
        },
    ),
    "what is open is missing": (
        sql("DELETE FROM item_balance WHERE event_no = {charge}"),
        lambda it: {
            (Check.APPLICATION, "acct_transaction", it.bob, 0, it.charge),
            (Check.APPLICATION, "account_balance", it.bob, 0, 0),
        },
    ),
    "a credit waits while a charge does": (
        sql(
            "INSERT INTO item_balance (client_no, acct_no, queue, effective_date, event_no, transaction_type,"
            " open_amount) VALUES ({client}, {bob}, 2, '2026-07-01', {cash_credit}, 10, 50)"
        ),
        lambda it: {
            (Check.APPLICATION, "acct_transaction", it.bob, 0, it.cash_credit),
            (Check.APPLICATION, "item_balance", it.bob, 0, it.cash_credit),
            (Check.APPLICATION, "account_balance", it.bob, 0, 0),
        },
    ),
    "another amount is held": (
        sql("UPDATE account_balance SET held = held + 1 WHERE acct_no = {bob}"),
        lambda it: {(Check.APPLICATION, "account_balance", it.bob, 0, 0)},
    ),
    "what has a row waits without one too": (
        sql("UPDATE account_balance SET waiting_after = {late_fee} - 1 WHERE acct_no = {bob}"),
        lambda it: {
            (Check.APPLICATION, "acct_transaction", it.bob, 0, it.late_fee),
            (Check.APPLICATION, "account_balance", it.bob, 0, 0),
        },
    ),
    "what waits without a row is not behind what has one": (
        sql(
            *WITHOUT_A_ROW,
            "UPDATE item_balance SET effective_date = '2027-01-01' WHERE event_no = {transfer[1]}",
        ),
        lambda it: {
            (Check.APPLICATION, "item_balance", it.bob, 0, it.transfer[1]),
            (Check.APPLICATION, "acct_transaction", it.bob, 0, it.transfer[1]),
            (Check.APPLICATION, "account_balance", it.bob, 0, 0),
        },
    ),
    "the closing balance of a statement was changed": (
        sql("UPDATE closed_statement SET closing_balance = closing_balance + 1 WHERE statement_no = 72"),
        lambda it: {(Check.STATEMENT, "closed_statement", it.cy, 0, 0)},
    ),
    "a statement does not open with what the one before closed with": (
        sql(
            "UPDATE closed_statement SET opening_balance = 0, closing_balance = -250"
            " WHERE statement_no = {statements[1]}"
        ),
        lambda it: {(Check.STATEMENT, "closed_statement", it.cy, 0, 0)},
    ),
    "there is a gap between two statements": (
        sql("UPDATE closed_statement SET period_start = '2026-06-02' WHERE statement_no = {statements[1]}"),
        # The transaction of the first of June is an adjustment then, too.
        lambda it: {(Check.STATEMENT, "closed_statement", it.cy, 0, 0)},
    ),
    "a statement is missing": (
        sql("DELETE FROM closed_statement WHERE statement_no = {statements[0]}"),
        lambda it: {(Check.STATEMENT, "closed_statement", it.cy, 0, 0)},
    ),
    "a statement is of fewer events than were closed": (
        sql(
            "UPDATE closed_statement SET through_event_no = through_event_no - 1"
            " WHERE statement_no = {statements[1]}"
        ),
        lambda it: {(Check.STATEMENT, "closed_statement", it.cy, 0, 0)},
    ),
    "more is written off than the invoice is": (
        sql("UPDATE invoice SET total = 399 WHERE invoice_no = {invoice_no}"),
        lambda it: {
            (Check.DOCUMENT, "invoice", it.ada, it.plan, it.invoice_lines[0]),
            (Check.DOCUMENT, "write_offs", it.ada, it.plan, it.write_off),
        },
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_found_where_it_is(books: Books, engine: AsyncEngine, fault: str) -> None:
    plant, expected = FAULTS[fault]
    story = await write_story(books)
    await plant(books, story)

    findings, _ = await verify(engine)

    found = [
        (finding.check, finding.table, finding.acct_no, finding.plan_instance_no, finding.event_no)
        for finding in findings
    ]
    assert sorted(found) == sorted(expected(story)), "\n".join(map(str, findings))
    assert await verify(engine, 8) == ([], Summary(transactions=2, accounts=1, findings=0))


async def refund_too_much(books: Books, story: Story) -> int:
    await books.refund(story.ada, story.payment, 4_501, day=JUNE)
    return story.payment


async def refund_a_check_as_a_card(books: Books, story: Story) -> int:
    (check,) = await books.post(Entry(story.ada, 2, 900, JUNE))
    return (await books.refund(story.ada, check, 900, day=JUNE))[0]


async def credit_too_much(books: Books, story: Story) -> int:
    await books.memo(story.ada, story.invoice_no, (story.invoice_lines[1], 1_251), day=JUNE)
    return story.invoice_lines[1]


async def write_off_what_was_credited(books: Books, story: Story) -> int:
    row = {"kind": 1, "invoice_no": story.invoice_no}
    await books.post(Entry(story.ada, 6, 9_101, JUNE, row=row, comment="bad debt"))
    return story.write_off


async def void_a_refunded_payment(books: Books, story: Story) -> int:
    await books.void(story.payment, day=JUNE)
    return story.refund[0]


async def void_one_leg(books: Books, story: Story) -> int:
    await books.void(story.transfer[1], day=JUNE)
    return story.transfer[0]


async def void_a_refund_without_its_reversals(books: Books, story: Story) -> int:
    await books.void(story.refund[0], day=JUNE)
    return story.refund[0]


async def void_a_line_of_a_memo(books: Books, story: Story) -> int:
    await books.void(story.memo[1], day=JUNE)
    return story.memo[0]


async def void_a_line_of_an_invoice(books: Books, story: Story) -> int:
    await books.void(story.invoice_lines[2], day=JUNE)
    return story.invoice_lines[0]


@pytest.mark.parametrize(
    "post",
    [
        refund_too_much,
        refund_a_check_as_a_card,
        credit_too_much,
        write_off_what_was_credited,
        void_a_refunded_payment,
        void_one_leg,
        void_a_refund_without_its_reversals,
        void_a_line_of_a_memo,
        void_a_line_of_an_invoice,
    ],
)
async def test_a_document_that_breaks_its_rule_is_found_though_its_rows_are_whole(
    books: Books, engine: AsyncEngine, post: Callable[[Books, Story], Awaitable[int]]
) -> None:
    event_no = await post(books, await write_story(books))

    findings, _ = await verify(engine)

    assert [(finding.check, finding.event_no) for finding in findings] == [(Check.DOCUMENT, event_no)]


async def test_a_finding_says_what_was_expected_and_what_was_found(books: Books, engine: AsyncEngine) -> None:
    story = await write_story(books)
    await books.connection.execute(
        "UPDATE account_balance SET balance = balance + 1 WHERE acct_no = $1", story.bob
    )

    (finding, _), _ = await verify(engine)

    assert finding.message == "the stored balance is 1701, but the sum of its transactions is 1700"


async def test_a_second_void_is_found_even_where_the_index_is_gone(books: Books, engine: AsyncEngine) -> None:
    story = await write_story(books)
    await books.connection.execute("DROP INDEX acct_transaction_void_key")
    (again,) = await books.void(story.check, day=JUNE)

    findings, _ = await verify(engine)

    assert [(finding.check, finding.event_no) for finding in findings] == [(Check.VOID_PAIR, again)]
    assert findings[0].message == f"event {story.check} is voided more than once"
