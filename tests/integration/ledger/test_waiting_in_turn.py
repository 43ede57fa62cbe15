"""What has a row of its own while it is open, and what waits in its turn without one."""

import importlib
from datetime import date, timedelta

import asyncpg
import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection

from ledger_service.tables import metadata
from service_kit.database import engine_on
from service_kit.dates import date_to_proto
from tallybook.ledger.v1.ledger_pb2 import TransactionDraft
from tests.integration.ledger.applications import NONE, Applications
from tests.integration.ledger.caller import Ledger, check, external_charge, invoice_line, void
from tests.integration.ledger.conftest import Serve
from tests.support.databases import FreshDatabase

TODAY = date(2026, 3, 1)
SIZES = (1, 90)
"""So many drafts in a call: posted without locks, and ahead of them."""
MANY_ACCOUNTS = 90
"""One draft on each makes a large call."""


@pytest.fixture
async def applications(serve: Serve) -> Applications:
    """The ledger, for client 1."""
    return Applications(Ledger(await serve(), client_no=1))


def on(draft: TransactionDraft, days: int) -> TransactionDraft:
    """The draft, so many days later or earlier."""
    draft.effective_date.CopyFrom(date_to_proto(TODAY + timedelta(days=days)))
    return draft


def charges(acct: int, count: int, amount: int, days: int = 0) -> list[TransactionDraft]:
    return [on(external_charge(acct, amount), days) for _ in range(count)]


async def rows_of(sql: "asyncpg.Connection[asyncpg.Record]", acct: int) -> list[tuple[int, int]]:
    """What has a row: each transaction, and what is open of it."""
    rows = await sql.fetch(
        "SELECT event_no, open_amount FROM item_balance WHERE acct_no = $1 ORDER BY queue, event_no", acct
    )
    return [(event_no, amount) for event_no, amount in rows]


@pytest.mark.parametrize("size", SIZES)
async def test_what_waits_in_its_turn_and_is_paid_in_full_never_has_a_row(
    applications: Applications, sql: "asyncpg.Connection[asyncpg.Record]", size: int
) -> None:
    ledger = applications.ledger
    acct = await ledger.account()
    billed = await ledger.posted(*charges(acct, size + 2, 10))
    assert await applications.amounts(acct) == [(each, 10) for each in billed]
    assert await rows_of(sql, acct) == []

    # Each pays one: of the last two, the second has a row, half of it paid.
    await ledger.posted(*(on(check(acct, 10), 1) for _ in range(size)))
    assert await rows_of(sql, acct) == []
    await ledger.posted(on(check(acct, 15), 1))
    assert await applications.amounts(acct) == await rows_of(sql, acct) == [(billed[-1], 5)]

    # The other side waits, and what is left of one is followed by others in their turn.
    checks = await ledger.posted(*(on(check(acct, 10), 2) for _ in range(size + 1)))
    assert await applications.amounts(acct) == [(checks[0], 5), *((each, 10) for each in checks[1:])]
    await ledger.posted(*charges(acct, size, 10, days=2), *charges(acct, 1, 5, days=2))
    assert await applications.amounts(acct) == await rows_of(sql, acct) == []
    assert await ledger.findings() == []


@pytest.mark.parametrize("size", SIZES)
async def test_what_is_back_dated_is_paid_before_what_waited_in_its_turn(
    applications: Applications, sql: "asyncpg.Connection[asyncpg.Record]", size: int
) -> None:
    ledger = applications.ledger
    acct = await ledger.account()
    in_turn = await ledger.posted(*charges(acct, 2, 10))
    early = await ledger.posted(*charges(acct, size, 10, days=-1))
    # Neither comes behind all that waits, so both have rows now; the next one does.
    assert sorted(await rows_of(sql, acct)) == [(each, 10) for each in (*in_turn, *early)]
    (last,) = await ledger.posted(*charges(acct, 1, 10))
    assert (last, 10) not in await rows_of(sql, acct)
    order = [*early, *in_turn, last]
    assert await applications.amounts(acct) == [(each, 10) for each in order]

    (paid,) = await ledger.posted(on(check(acct, 10 * size + 15), 1))
    assert [
        each.charge_event_no for each in await applications.made(credit_event_no=paid, page_size=999)
    ] == [
        *early,
        *in_turn,
    ]
    assert await applications.amounts(acct) == [(in_turn[1], 5), (last, 10)]
    assert await ledger.findings() == []


async def test_a_held_credit_has_a_row_beside_credits_that_wait_in_their_turn(
    applications: Applications, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    ledger = applications.ledger
    acct = await ledger.account()
    first, second = await ledger.posted(check(acct, 10), check(acct, 20))
    (held,) = await ledger.posted(check(acct, 40, application=NONE))
    (third,) = await ledger.posted(check(acct, 30))
    waiting = [(first, 10), (second, 20), (third, 30)]
    assert await applications.amounts(acct) == [*waiting, (held, 40)]
    assert (held, 40) in await rows_of(sql, acct)

    (charge,) = await ledger.posted(external_charge(acct, 65))
    assert await applications.amounts(acct) == [(charge, 5), (held, 40)]
    await ledger.void(held)
    assert await applications.amounts(acct) == [(charge, 5)]
    assert await ledger.findings() == []


async def test_pages_go_on_from_what_has_a_row_to_what_waits_without(applications: Applications) -> None:
    ledger = applications.ledger
    acct, owed = [await ledger.account() for _ in range(2)]
    in_turn = await ledger.posted(*charges(acct, 2, 10))
    (held,) = await ledger.posted(check(acct, 3, application=NONE))
    early = await ledger.posted(*charges(acct, 2, 10, days=-1))
    last = await ledger.posted(*charges(acct, 3, 10))
    checks = await ledger.posted(check(owed, 1, application=NONE), *(check(owed, 10) for _ in range(3)))
    for page_size in (1, 2, 3, 99):
        items = await applications.open(acct, page_size)
        assert [item.event_no for item in items] == [*early, *in_turn, *last, held]
        items = await applications.open(owed, page_size)
        assert [item.event_no for item in items] == [*checks[1:], checks[0]]


async def test_the_credit_of_an_invoice_passes_over_what_waits_in_its_turn(
    applications: Applications,
) -> None:
    ledger = applications.ledger
    acct = await ledger.account()
    (older,) = await ledger.posted(*charges(acct, 1, 50, days=-9))
    *_, line = await ledger.posted(
        on(invoice_line(acct, 3, 30, document="i"), 0), on(invoice_line(acct, 1, 100, document="i"), 0)
    )
    assert await applications.amounts(acct) == [(older, 50), (line, 70)]
    await ledger.posted(on(check(acct, 60), 1))
    assert await applications.amounts(acct) == [(line, 60)]
    assert await ledger.findings() == []


# What the schema was before 0008: every open item has a row, and the account says nothing of it.
BACK_TO_0007 = """
    INSERT INTO item_balance
    SELECT client_no, acct_no, queue, effective_date, event_no, transaction_type, open_amount
      FROM open_item
     WHERE NOT has_row;
    DROP VIEW open_item;
    ALTER TABLE account_balance DROP COLUMN held, DROP COLUMN waiting_after;
    ALTER TABLE item_balance ADD COLUMN due_date date, ADD COLUMN invoice_no bigint;
    ALTER TABLE item_balance RENAME CONSTRAINT item_balance_pkey TO open_item_pkey;
    ALTER TABLE item_balance
        RENAME CONSTRAINT item_balance_open_amount_check TO open_item_open_item_open_amount_check_check;
    ALTER TABLE item_balance RENAME TO open_item
"""


async def run_0008(url: str) -> None:
    """Run this revision alone."""
    revision = importlib.import_module("ledger_service.migrations.versions.0008_waiting_in_turn")

    def upgrade(connection: Connection) -> None:
        with Operations.context(MigrationContext.configure(connection, opts={"target_metadata": metadata})):
            revision.upgrade()
        connection.exec_driver_sql("GRANT SELECT ON open_item TO PUBLIC")

    engine = engine_on(url, name="test", pool_size=1)
    async with engine.begin() as connection:
        await connection.run_sync(upgrade)
    await engine.dispose()


async def test_the_migration_keeps_what_is_open_and_who_is_next(
    applications: Applications,
    database: FreshDatabase,
    sql: "asyncpg.Connection[asyncpg.Record]",
    serve: Serve,
) -> None:
    ledger = applications.ledger
    owing, owed, even = [await ledger.account() for _ in range(3)]
    await ledger.posted(*charges(owing, 3, 10), check(owing, 4), check(owing, 7, application=NONE))
    await ledger.posted(check(owed, 10), check(owed, 20), check(owed, 5, application=NONE))
    await ledger.posted(external_charge(even, 10), check(even, 10))
    before = [await applications.open(acct) for acct in (owing, owed, even)]

    await sql.execute(BACK_TO_0007)
    await run_0008(database.owner_url)

    after = Applications(Ledger(await serve(), client_no=1))
    assert [await after.open(acct) for acct in (owing, owed, even)] == before
    assert await after.ledger.findings() == []
    # What is posted now comes behind it, and needs no row.
    (last,) = await after.ledger.posted(external_charge(owing, 10))
    (charge,) = await after.ledger.posted(external_charge(owed, 12))
    voided = before[0][-1].event_no
    await after.ledger.posted(void(owing, -2, voided))
    assert await after.amounts(owing) == [
        (item.event_no, item.open_amount.minor_units) for item in before[0][:-1]
    ] + [(last, 10)]
    assert [
        (each.credit_event_no, each.amount.minor_units) for each in await after.made(charge_event_no=charge)
    ] == [
        (before[1][0].event_no, 10),
        (before[1][1].event_no, 2),
    ]
    assert await after.ledger.findings() == []


async def test_a_large_call_finds_what_it_pays_however_much_that_is_and_whatever_is_closed_before_it(
    applications: Applications,
) -> None:
    ledger = applications.ledger
    small_charges, paid_in_parts, *others = [await ledger.account() for _ in range(MANY_ACCOUNTS)]
    small = await ledger.posted(*charges(small_charges, 200, 1))
    (first,) = await ledger.posted(*charges(paid_in_parts, 1, 1000))
    await ledger.posted(*(on(check(paid_in_parts, 5), 1) for _ in range(MANY_ACCOUNTS)))
    assert await applications.amounts(paid_in_parts) == [(first, 1000 - 5 * MANY_ACCOUNTS)]
    (last,) = await ledger.posted(*charges(paid_in_parts, 1, 100, days=2))

    await ledger.posted(
        on(check(small_charges, 150), 3),
        on(check(paid_in_parts, 1050 - 5 * MANY_ACCOUNTS), 3),
        *(on(check(each, 1), 3) for each in others),
    )
    assert await applications.amounts(small_charges) == [(each, 1) for each in small[150:]]
    assert await applications.amounts(paid_in_parts) == [(last, 50)]
    assert await ledger.findings() == []


@pytest.mark.parametrize("others", [0, MANY_ACCOUNTS])
async def test_what_was_paid_in_full_within_its_own_call_is_not_paid_again_by_the_next(
    applications: Applications, others: int
) -> None:
    ledger = applications.ledger
    acct = await ledger.account()
    (first,) = await ledger.posted(external_charge(acct, 100))
    beside = [external_charge(await ledger.account(), 10) for _ in range(others)]
    # What is left of the check is all that the second charge costs: so the third is the first that waits.
    check_no, second, third, *_ = await ledger.posted(
        check(acct, 150), external_charge(acct, 50), external_charge(acct, 40), *beside
    )
    assert await applications.amounts(acct) == [(third, 40)]
    (last,) = await ledger.posted(check(acct, 40))
    assert await applications.amounts(acct) == []
    assert await applications.paid(acct_no=acct) == {
        (check_no, first): 100,
        (check_no, second): 50,
        (last, third): 40,
    }
    assert await ledger.findings() == []


@pytest.mark.parametrize("others", [0, MANY_ACCOUNTS])
async def test_what_was_spent_in_full_within_its_own_call_is_not_spent_again_by_the_next(
    applications: Applications, others: int
) -> None:
    ledger = applications.ledger
    acct = await ledger.account()
    await ledger.posted(check(acct, 100))
    beside = [external_charge(await ledger.account(), 10) for _ in range(others)]
    _, _, third, *_ = await ledger.posted(
        external_charge(acct, 150), check(acct, 50), check(acct, 40), *beside
    )
    assert await applications.amounts(acct) == [(third, 40)]
    await ledger.posted(external_charge(acct, 40))
    assert await applications.amounts(acct) == []
    assert await ledger.findings() == []
