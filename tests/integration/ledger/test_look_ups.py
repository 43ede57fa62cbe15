"""What posting reads of a new book, whose tables PostgreSQL has not analysed yet."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime

import asyncpg
import pytest

from ledger_service.lane_connection import LaneConnection
from ledger_service.rules.applications import AccountItems, Queue
from ledger_service.rules.books import Books
from ledger_service.rules.group_applications import GroupApplications, ItemsNeeded
from ledger_service.rules.needs import Needs
from ledger_service.rules.paid_in_turn import PaidInTurn
from ledger_service.settings import LedgerSettings
from ledger_service.store_applications import applied_changes, read_fronts, read_undone, tails_and_wholes
from ledger_service.store_books import lock_accounts
from ledger_service.store_round_trips import ask, write
from service_kit.database import RawConnection
from tests.integration.ledger.caller import Ledger, external_charge, payment
from tests.support.databases import FreshDatabase

ACCOUNTS = 20
CHARGES = 30
"""Of each account."""
LEFT = 4
"""So many of them, where the others are paid."""

WAITS = "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $1 AND NOT granted)"


@pytest.fixture
async def lane(database: FreshDatabase) -> AsyncIterator[RawConnection]:
    """The connection of a lane of the poster, in a transaction."""
    lane = LaneConnection(LedgerSettings(database_url=database.url, port=0))
    async with aclosing(lane), lane.trusted() as connection, connection.transaction():
        yield connection


@pytest.fixture
async def acct_nos(ledger: Ledger) -> list[int]:
    """Accounts with many open charges each, of one day."""
    acct_nos = [await ledger.account() for _ in range(ACCOUNTS)]
    await ledger.posted(*(external_charge(acct_no, 100) for acct_no in acct_nos * CHARGES))
    return acct_nos


async def found_by_index(connection: RawConnection, table: str) -> int:
    """How many rows of the table the connection, which is new, has found by any index."""
    found: int = await connection.fetchval(
        "SELECT idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = $1", table
    )
    return found


async def may_be_locked(connection: RawConnection, acct_no: int) -> bool:
    """Whether nobody holds the account."""
    row = await connection.fetchrow(
        "SELECT FROM account_balance WHERE acct_no = $1 FOR NO KEY UPDATE SKIP LOCKED", acct_no
    )
    return row is not None


async def test_no_more_of_what_waits_is_read_than_is_asked_for(
    lane: RawConnection, ledger: Ledger, acct_nos: list[int]
) -> None:
    books = Books()
    keys = {(ledger.client_no, acct_no) for acct_no in acct_nos}
    await lock_accounts(lane, Needs(accounts=keys), books)
    needed = ItemsNeeded(before=books.waiting, fronts={(*account, Queue.CHARGE): 200 for account in keys})
    items: defaultdict[tuple[int, int], AccountItems] = defaultdict(AccountItems)
    await read_fronts(lane, needed, items, places=2)
    assert [len(list(items[account].all())) for account in keys] == [2] * ACCOUNTS
    assert await found_by_index(lane, "acct_transaction") == 2 * ACCOUNTS


async def test_step_by_step_no_more_is_read_either(
    lane: RawConnection, ledger: Ledger, acct_nos: list[int]
) -> None:
    books = Books()
    account = ledger.client_no, acct_nos[0]
    await lock_accounts(lane, Needs(accounts={account}), books)
    needed = ItemsNeeded(before=books.waiting, fronts={(*account, Queue.CHARGE): 500})
    items: defaultdict[tuple[int, int], AccountItems] = defaultdict(AccountItems)
    await read_fronts(lane, needed, items, places=2)
    assert len(list(items[account].all())) == 5
    # The first two once more, for the steps begin at the front.
    assert await found_by_index(lane, "acct_transaction") == 2 + 5


@pytest.mark.parametrize(
    ("wanted", "told", "entered", "read"),
    [(1, 1, 0, 1), (3, 4, 0, 1 + 4), (20, 0, 20, 1 + 4 + 16 + 20)],
)
async def test_what_is_paid_in_turn_is_told_by_columns_unless_it_is_very_long(
    lane: RawConnection,
    ledger: Ledger,
    acct_nos: list[int],
    wanted: int,
    told: int,
    entered: int,
    read: int,
) -> None:
    books = Books()
    account = ledger.client_no, acct_nos[0]
    await lock_accounts(lane, Needs(accounts={account}), books)
    needed = ItemsNeeded(
        before=books.waiting, fronts={(*account, Queue.CHARGE): 100 * wanted}, in_turn={account}
    )
    items: defaultdict[tuple[int, int], AccountItems] = defaultdict(AccountItems)
    fronts = await read_fronts(lane, needed, items, places=1)
    assert sum(len(front.event_nos) for front in fronts.values()) == told
    assert len(list(items[account].all())) == entered
    assert await found_by_index(lane, "acct_transaction") == read


async def test_of_what_is_undone_no_other_transaction_is_read(
    lane: RawConnection, ledger: Ledger, acct_nos: list[int]
) -> None:
    """The payments, and what they paid."""
    paid = await ledger.posted(*(payment(acct_no, 300) for acct_no in acct_nos[:5]))
    items: defaultdict[tuple[int, int], AccountItems] = defaultdict(AccountItems)
    needed = ItemsNeeded(undone={(ledger.client_no, event_no) for event_no in paid})
    await read_undone(lane, needed, items)
    assert sorted(len(list(each.all())) for each in items.values()) == [1 + 3] * 5
    assert await found_by_index(lane, "acct_transaction") == 5 * (1 + 3)


async def test_of_what_is_paid_in_part_no_other_transaction_is_read(
    lane: RawConnection, ledger: Ledger, acct_nos: list[int]
) -> None:
    firsts = await lane.fetch("SELECT client_no, acct_no, min(event_no) FROM acct_transaction GROUP BY 1, 2")
    before = await found_by_index(lane, "acct_transaction")
    opened = [(client_no, acct_no, Queue.CHARGE, event_no, 40) for client_no, acct_no, event_no in firsts]
    applied = GroupApplications(in_turn=PaidInTurn(opened=opened))
    await write(lane, applied_changes(applied, datetime.now(UTC)))
    assert await found_by_index(lane, "acct_transaction") - before == ACCOUNTS
    rows = await lane.fetch("""
        SELECT item.client_no, item.acct_no, queue, event_no, open_amount
          FROM item_balance AS item
          JOIN acct_transaction AS t USING (client_no, acct_no, event_no, effective_date, transaction_type)
    """)
    assert sorted(map(tuple, rows)) == sorted(opened)


@pytest.mark.parametrize("is_whole", [False, True])
async def test_of_what_is_open_no_more_is_read_than_what_is_asked_for(
    lane: RawConnection, ledger: Ledger, acct_nos: list[int], is_whole: bool
) -> None:
    """Neither of other accounts nor of what is paid; and what has a row only where all is asked for."""
    await ledger.posted(*(payment(acct_no, 100 * (CHARGES - LEFT) + 1) for acct_no in acct_nos))
    accounts = {(ledger.client_no, acct_no) for acct_no in acct_nos[3:5]}
    needed = ItemsNeeded(whole=accounts) if is_whole else ItemsNeeded(tails=accounts)
    items: defaultdict[tuple[int, int], AccountItems] = defaultdict(AccountItems)
    await ask(lane, tails_and_wholes(needed, items))
    # The first charge that is left is paid in part, and so has a row.
    found = LEFT if is_whole else LEFT - 1
    assert [len(list(items[account].all())) for account in accounts] == [found] * 2
    assert await found_by_index(lane, "account_balance") == 2
    assert await found_by_index(lane, "item_balance") == (2 if is_whole else 0)
    if not is_whole:
        # With the payment, which comes after the charges.
        assert await found_by_index(lane, "acct_transaction") == 2 * (found + 1)


async def test_accounts_are_locked_in_the_order_of_their_keys(
    lane: RawConnection, ledger: Ledger, acct_nos: list[int], sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    first, second, third = sorted(acct_nos[:3])
    async with sql.transaction():
        await sql.execute("UPDATE account_balance SET balance = balance WHERE acct_no = $1", second)
        keys = {(ledger.client_no, acct_no) for acct_no in (third, first, second)}
        locking = asyncio.create_task(lock_accounts(lane, Needs(accounts=keys), Books()))
        async with asyncio.timeout(5):
            while not await sql.fetchval(WAITS, lane.get_server_pid()):  # noqa: ASYNC110  # another process does it
                await asyncio.sleep(0.01)
        assert not await may_be_locked(sql, first)
        assert await may_be_locked(sql, third)
    await locking


async def test_no_other_accounts_are_read_than_those_to_be_locked(
    lane: RawConnection, ledger: Ledger, acct_nos: list[int]
) -> None:
    books = Books()
    keys = {(ledger.client_no, acct_no) for acct_no in acct_nos[3:5]}
    await lock_accounts(lane, Needs(accounts=keys), books)
    assert books.accounts.keys() == keys
    assert await found_by_index(lane, "account") == 2
    assert await found_by_index(lane, "account_balance") == 2
