"""Reads and writes which credit paid which charge, and what is open."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

import asyncpg

from ledger_service import tables
from ledger_service.rules.applications import AccountItems, Application, Item, Method, Queue, Waiting
from ledger_service.rules.books import AccountKey
from ledger_service.rules.group_applications import FrontKey, GroupApplications, ItemChange, ItemsNeeded
from ledger_service.rules.paid_in_turn import Front
from ledger_service.rules.transaction_types import TRANSACTION_TYPES
from ledger_service.store_round_trips import Append, Change, Found, Question, Step, ask, with_stacks
from service_kit.database import RawConnection

ItemsByAccount: TypeAlias = defaultdict[AccountKey, AccountItems]

# --------------------------------------------------------------------- for a group, under its accounts' locks

_CHARGES: Final = ", ".join(str(kind.code) for kind in TRANSACTION_TYPES.values() if kind.is_charge)

# From the front of what waits as many items as have the amount that is wanted, however many are open: one
# step for each, along the key of item_balance and then, when no row is left, along what waits in its turn
# behind the mark of the account. Where the other side waits nothing is found. It ends with the last that
# waits, since all have together what the account says: so it never looks through what was posted after that.
# + 0, here and below: of a range between two numbers the planner expects next to nothing, and may sort what
# another index finds rather than walk along the numbers; and that is the whole history of the account.
_FRONTS: Final = f"""
    WITH RECURSIVE front AS (
        SELECT client_no, acct_no, wanted.queue, balance.waiting_after, balance.last_event_no,
               least(wanted.amount, abs(balance.balance + balance.held)) AS missing,
               0::bigint AS event_no, 0::smallint AS transaction_type, 0::bigint AS open_amount,
               '-infinity'::date AS effective_date, true AS has_row
          FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::numeric[])
               AS wanted (client_no, acct_no, queue, amount)
          JOIN account_balance AS balance USING (client_no, acct_no)
         WHERE sign(balance.balance + balance.held) = CASE wanted.queue WHEN {Queue.CHARGE} THEN 1 ELSE -1 END
         UNION ALL
        SELECT front.client_no, front.acct_no, front.queue, front.waiting_after, front.last_event_no,
               front.missing - front.open_amount, next.*
          FROM front
         CROSS JOIN LATERAL (
               (SELECT own.event_no, own.transaction_type, own.open_amount, own.effective_date, true
                  FROM item_balance AS own
                 WHERE own.client_no = front.client_no
                   AND own.acct_no = front.acct_no
                   AND own.queue = front.queue
                   AND (own.effective_date, own.event_no) > (front.effective_date, front.event_no)
                   AND front.has_row
                 ORDER BY own.effective_date, own.event_no
                 LIMIT 1)
                UNION ALL
               (SELECT t.event_no, t.transaction_type, t.amount, t.effective_date, false
                  FROM acct_transaction AS t
                 WHERE t.client_no = front.client_no
                   AND t.acct_no = front.acct_no
                   AND t.event_no > CASE WHEN front.has_row THEN front.waiting_after ELSE front.event_no END
                   AND t.event_no + 0 <= front.last_event_no
                   AND (t.transaction_type IN ({_CHARGES})) = (front.queue = {Queue.CHARGE})
                 ORDER BY t.event_no
                 LIMIT 1)
                LIMIT 1
               ) AS next
         WHERE front.missing > front.open_amount
    )
    SELECT client_no, acct_no, event_no, transaction_type, open_amount, effective_date, has_row
      FROM front
     WHERE event_no > 0
"""  # noqa: S608  # our own numbers

# The first few that wait on accounts that are held, so that what their rows say is known: so many of those
# that have a row and, when these are fewer, what waits among as many transactions behind the mark. Some of
# these may be closed, so that less is found than is wanted; but it takes one step where the other takes many.
_PLACES: Final = f"""
    (SELECT own.event_no, own.transaction_type, own.open_amount, own.effective_date, true AS has_row
       FROM item_balance AS own
      WHERE own.client_no = wanted.client_no
        AND own.acct_no = wanted.acct_no
        AND own.queue = wanted.queue
      ORDER BY own.effective_date, own.event_no
      LIMIT wanted.places)
     UNION ALL
    (SELECT event_no, transaction_type, amount, effective_date, false
       FROM (SELECT t.event_no, t.transaction_type, t.amount, t.effective_date
               FROM acct_transaction AS t
              WHERE t.client_no = wanted.client_no
                AND t.acct_no = wanted.acct_no
                AND t.event_no > wanted.waiting_after
                AND t.event_no + 0 <= wanted.last_event_no
              ORDER BY t.event_no
              LIMIT wanted.places) AS behind
      WHERE (transaction_type IN ({_CHARGES})) = (wanted.queue = {Queue.CHARGE}))
     LIMIT wanted.places
"""  # noqa: S608  # our own numbers

_WANTED_PLACES: Final = """
      FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::bigint[], $5::bigint[], $6::bigint[])
           AS wanted (client_no, acct_no, queue, waiting_after, last_event_no, places)
"""

_FIRST_PLACES: Final = f"""
    SELECT client_no, acct_no, next.*
    {_WANTED_PLACES}
     CROSS JOIN LATERAL ({_PLACES}) AS next
"""

# The same with a row for each account, and no more than it takes to pay in turn: with a row for each item,
# asyncpg takes longer to read them than it takes to decide what is paid. Columns have the order in which the
# items are found: first one select, then the other, each in its order, with nothing in between that sorts.
_FIRST_IN_TURN: Final = f"""
    SELECT client_no, acct_no, queue, front.*
    {_WANTED_PLACES}
     CROSS JOIN LATERAL (
           SELECT array_agg(event_no), array_agg(open_amount),
                  array_agg(effective_date) FILTER (WHERE has_row)
             FROM ({_PLACES}) AS item
            HAVING count(*) > 0
           ) AS front
"""  # noqa: S608  # our own text

# What waits in its turn, behind the mark of the account `balance`. It is asked for in order, so that no index
# but that by number will do: any other has the whole history of the account.
_IN_TURN: Final = f"""
    SELECT t.event_no, t.transaction_type, t.amount, t.effective_date, t.source_no
      FROM acct_transaction AS t
     WHERE t.client_no = balance.client_no
       AND t.acct_no = balance.acct_no
       AND t.event_no > balance.waiting_after
       AND t.event_no + 0 <= balance.last_event_no
       AND (t.transaction_type IN ({_CHARGES})) = (balance.balance + balance.held > 0)
       AND balance.balance + balance.held <> 0
     ORDER BY t.event_no
"""  # noqa: S608  # our own numbers

# All that waits in its turn.
_TAILS: Final = f"""
    SELECT client_no, acct_no, item.event_no, item.transaction_type, item.amount, item.effective_date, false
      FROM unnest($1::bigint[], $2::bigint[]) AS wanted (client_no, acct_no)
      JOIN account_balance AS balance USING (client_no, acct_no)
     CROSS JOIN LATERAL ({_IN_TURN}) AS item
"""  # noqa: S608  # our own text

# Who names what it pays, or pays what is due first, asks for these as well.
_DETAILS: Final = """
      LEFT JOIN gl_detail AS detail
        ON detail.client_no = item.client_no
       AND detail.invoice_detail_no = CASE WHEN item.transaction_type IN (21, 22) THEN item.source_no END
      LEFT JOIN invoice
        ON invoice.client_no = item.client_no AND invoice.invoice_no = detail.invoice_no
      LEFT JOIN LATERAL (
           SELECT newest.due_date
             FROM invoice_due_date AS newest
            WHERE newest.client_no = item.client_no AND newest.invoice_no = detail.invoice_no
            ORDER BY newest.event_no DESC
            LIMIT 1
           ) AS re_aged ON true
"""
_DUE_DATE: Final = "coalesce(re_aged.due_date, invoice.due_date, item.effective_date)"

_ITEM_COLUMNS: Final = f"""
    item.queue, item.event_no, item.transaction_type, item.open_amount, item.effective_date,
    {_DUE_DATE} AS due_date, detail.invoice_no, item.has_row
"""

# What the view open_item has of these accounts, but account by account: joined with the accounts, the view
# would be read as a whole, for PostgreSQL looks for no keys in what puts two kinds of rows together.
_WHOLE: Final = f"""
    SELECT item.client_no, item.acct_no, {_ITEM_COLUMNS}
      FROM unnest($1::bigint[], $2::bigint[]) AS wanted (client_no, acct_no)
      JOIN account_balance AS balance USING (client_no, acct_no)
     CROSS JOIN LATERAL (
           SELECT own.client_no, own.acct_no, own.queue, own.event_no, own.transaction_type, own.open_amount,
                  own.effective_date, true AS has_row, t.source_no
             FROM item_balance AS own
             JOIN acct_transaction AS t USING (client_no, event_no)
            WHERE own.client_no = balance.client_no
              AND own.acct_no = balance.acct_no
            UNION ALL
           SELECT balance.client_no, balance.acct_no,
                  CASE WHEN balance.balance + balance.held > 0 THEN {Queue.CHARGE} ELSE {Queue.CREDIT} END,
                  event_no, transaction_type, amount, effective_date, false, source_no
             FROM ({_IN_TURN}) AS in_turn
           ) AS item
    {_DETAILS}
"""  # noqa: S608  # our own text

# What the transactions paid, or were paid by, less what of it was taken back.
_STANDING: Final = """
    WITH made AS (
        SELECT made.*
          FROM unnest($1::bigint[], $2::bigint[]) AS wanted (client_no, credit_event_no)
          JOIN application AS made USING (client_no, credit_event_no)
         WHERE made.takes_back_no IS NULL
         UNION
        SELECT made.*
          FROM unnest($1::bigint[], $2::bigint[]) AS wanted (client_no, charge_event_no)
          JOIN application AS made USING (client_no, charge_event_no)
         WHERE made.takes_back_no IS NULL
    )
    SELECT made.client_no, made.acct_no, made.application_no, made.credit_event_no, made.charge_event_no,
           made.amount, made.by_event_no, made.effective_date,
           (made.amount - coalesce(sum(back.amount), 0))::bigint AS live
      FROM made
      LEFT JOIN application AS back
        ON back.client_no = made.client_no
       AND back.acct_no = made.acct_no
       AND back.takes_back_no = made.application_no
     GROUP BY made.client_no, made.acct_no, made.application_no, made.credit_event_no, made.charge_event_no,
              made.amount, made.by_event_no, made.effective_date
     ORDER BY made.application_no
"""

# Transactions as the items that they would be if anything of them were open. They are asked for in order, so
# that no index but that by number will do.
_CLOSED: Final = f"""
    SELECT item.client_no, item.acct_no, item.event_no, item.transaction_type, item.effective_date,
           {_DUE_DATE} AS due_date, detail.invoice_no, instruction.method
      FROM unnest($1::bigint[], $2::bigint[]) AS wanted (client_no, event_no)
     CROSS JOIN LATERAL (
           SELECT own.*
             FROM acct_transaction AS own
            WHERE own.client_no = wanted.client_no
              AND own.event_no >= wanted.event_no
            ORDER BY own.event_no
            LIMIT 1
           ) AS item
    {_DETAILS}
      LEFT JOIN application_instruction AS instruction
        ON instruction.client_no = item.client_no AND instruction.event_no = item.event_no
     WHERE item.event_no = wanted.event_no
"""  # noqa: S608  # our own columns

_UPDATE_ITEMS: Final = """
    UPDATE item_balance AS item
       SET open_amount = change.open_amount
      FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::date[], $5::bigint[], $6::bigint[])
           AS change (client_no, acct_no, queue, effective_date, event_no, open_amount)
     WHERE (item.client_no, item.acct_no, item.queue, item.effective_date, item.event_no)
           = (change.client_no, change.acct_no, change.queue, change.effective_date, change.event_no)
"""

_DELETE_ITEMS: Final = """
    DELETE FROM item_balance AS item
     USING unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::date[], $5::bigint[])
           AS closed (client_no, acct_no, queue, effective_date, event_no)
     WHERE (item.client_no, item.acct_no, item.queue, item.effective_date, item.event_no)
           = (closed.client_no, closed.acct_no, closed.queue, closed.effective_date, closed.event_no)
"""


# What waited without a row and is paid in part. It is asked for in order, so that no index but that by number
# of the account will do.
_OPEN_ITEMS: Final = """
    INSERT INTO item_balance (client_no, acct_no, queue, effective_date, event_no, transaction_type,
                              open_amount)
    SELECT t.client_no, t.acct_no, item.queue, t.effective_date, t.event_no, t.transaction_type,
           item.open_amount
      FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::bigint[], $5::bigint[])
           AS item (client_no, acct_no, queue, event_no, open_amount)
     CROSS JOIN LATERAL (
           SELECT own.*
             FROM acct_transaction AS own
            WHERE own.client_no = item.client_no
              AND own.acct_no = item.acct_no
              AND own.event_no >= item.event_no
            ORDER BY own.event_no
            LIMIT 1
           ) AS t
     WHERE t.event_no = item.event_no
"""

# So many times as many as were asked for first: a payment seldom pays more, the lines of an invoice.
_MORE_PLACES: Final = (1, 4, 16)


def fronts(wanted: Mapping[FrontKey, int], accounts: ItemsByAccount) -> list[Question]:
    """Enters the items at the front of what waits, as many as have the amounts that are wanted."""
    if not wanted:
        return []
    keys = [(*front, amount) for front, amount in wanted.items()]
    return [Question(_FRONTS, _columns(keys), partial(_take_waiting, accounts))]


async def read_fronts(
    connection: RawConnection, needed: ItemsNeeded, accounts: ItemsByAccount, places: int
) -> dict[AccountKey, Front]:
    """The front of what waits, of those accounts on which all is paid in turn; of the others it is entered as
    items. Of each as many as have the amount that is wanted, and hardly more: so many are asked for first,
    then step by step. All accounts are held.
    """
    in_turn = {key: amount for key, amount in needed.fronts.items() if key[:2] in needed.in_turn}
    others = {
        key: min(amount, abs(needed.before[key[:2]].amount))
        for key, amount in needed.fronts.items()
        if key[:2] not in needed.in_turn
    }
    found = await _fronts_in_turn(connection, in_turn, needed.before, places)
    if others:
        question = Question(
            _FIRST_PLACES, _places(others, needed.before, places), partial(_take_waiting, accounts)
        )
        await ask(connection, [question])
    lacking = {key: amount for key, amount in in_turn.items() if key[:2] not in found} | {
        key: amount
        for key, amount in others.items()
        if sum([item.open_amount for item in accounts[key[:2]].all()]) < amount
    }
    await ask(connection, fronts(lacking, accounts))
    return found


async def _fronts_in_turn(
    connection: RawConnection,
    wanted: Mapping[FrontKey, int],
    before: Mapping[AccountKey, Waiting],
    places: int,
) -> dict[AccountKey, Front]:
    """Fronts that have the amounts that are wanted. Of those that have less, more is asked for; what is very
    long is left out.
    """
    found: dict[AccountKey, Front] = {}
    for more in _MORE_PLACES:
        if not wanted:
            break
        statement, values = first_in_turn(wanted, before, more * places)
        for client_no, acct_no, queue, event_nos, amounts, row_dates in await connection.fetch(
            statement, *values
        ):
            if sum(amounts) >= wanted[client_no, acct_no, queue]:
                found[client_no, acct_no] = Front(Queue(queue), event_nos, amounts, row_dates or ())
        wanted = {key: amount for key, amount in wanted.items() if key[:2] not in found}
    return found


def first_in_turn(
    wanted: Iterable[FrontKey], before: Mapping[AccountKey, Waiting], places: int
) -> tuple[str, list[Any]]:
    """The statement that tells at most so many of each front, and its parameters. It goes by itself: asyncpg
    reads no arrays in the rows of what is asked together.
    """
    return with_stacks(_FIRST_IN_TURN, _places(wanted, before, places))


def _places(wanted: Iterable[FrontKey], before: Mapping[AccountKey, Waiting], places: int) -> list[list[Any]]:
    keys = []
    for client_no, acct_no, queue in wanted:
        waits = before[client_no, acct_no]
        keys.append((client_no, acct_no, queue, waits.after, waits.last_event_no, places))
    return _columns(keys)


def tails_and_wholes(needed: ItemsNeeded, accounts: ItemsByAccount) -> list[Question]:
    """Enters what is needed besides fronts."""
    questions = []
    if needed.tails:
        questions.append(Question(_TAILS, _columns(needed.tails), partial(_take_waiting, accounts)))
    if needed.whole:
        for account in needed.whole:
            # So that what has nothing open is there as well, and what was read before is not there twice.
            accounts[account] = AccountItems()
        questions.append(Question(_WHOLE, _columns(needed.whole), partial(_take_whole, accounts)))
    return questions


def _take_waiting(accounts: ItemsByAccount, rows: Found) -> None:
    for client_no, acct_no, event_no, code, amount, effective_date, has_row in rows:
        items = accounts[client_no, acct_no]
        if event_no not in items:
            kind, stored = TRANSACTION_TYPES[code], amount if has_row else 0
            items.add(Item(event_no, kind, amount, effective_date, effective_date, 0, False, stored))


def _take_whole(accounts: ItemsByAccount, rows: Found) -> None:
    for row in rows:
        client_no, acct_no, *facts = row
        accounts[client_no, acct_no].add(_open_item(*facts))


async def read_undone(connection: RawConnection, needed: ItemsNeeded, accounts: ItemsByAccount) -> None:
    """Enter the applications that may be taken back, and what is open again then."""
    if not needed.undone:
        return
    named = set(needed.undone)
    for row in await connection.fetch(_STANDING, *_columns(needed.undone)):
        client_no, credit_event_no, charge_event_no = (
            row["client_no"],
            row["credit_event_no"],
            row["charge_event_no"],
        )
        named |= {(client_no, credit_event_no), (client_no, charge_event_no)}
        accounts[client_no, row["acct_no"]].add_application(
            Application(
                credit_event_no,
                charge_event_no,
                row["amount"],
                row["by_event_no"] or 0,
                row["effective_date"],
                row["live"],
                application_no=row["application_no"],
            )
        )
    for row in await connection.fetch(_CLOSED, *_columns(named)):
        items = accounts[row["client_no"], row["acct_no"]]
        if row["event_no"] not in items:
            items.add(_closed_item(row))


def _open_item(
    queue: int,
    event_no: int,
    code: int,
    open_amount: int,
    effective_date: date,
    due_date: date,
    invoice_no: int | None,
    has_row: bool,
) -> Item:
    return Item(
        event_no,
        TRANSACTION_TYPES[code],
        open_amount,
        effective_date,
        due_date,
        invoice_no or 0,
        queue == Queue.HELD,
        open_amount if has_row else 0,
    )


def _closed_item(row: asyncpg.Record) -> Item:
    return Item(
        row["event_no"],
        TRANSACTION_TYPES[row["transaction_type"]],
        0,
        row["effective_date"],
        row["due_date"],
        row["invoice_no"] or 0,
        row["method"] == Method.NONE,
    )


def applied_changes(applied: GroupApplications, created_at: datetime) -> list[Step]:
    """The applications of a group, which have their numbers, and what is open now."""
    opened, changed, closed = [], [], []
    for change in applied.changes:
        item, key = change.item, _item_key(change)
        if not item.stored_amount:
            opened.append((*key, item.kind.code, item.open_amount))
        elif item.open_amount:
            changed.append((*key, item.open_amount))
        else:
            closed.append(key)
    in_turn = applied.in_turn
    for row in in_turn.changed:
        if row[-1]:
            changed.append(row)
        else:
            closed.append(row[:-1])
    made = [
        _application_row(each.client_no, each.acct_no, each.application, created_at)
        for each in applied.applications
    ]
    made += [
        (client_no, acct_no, number, credit_no, charge_no, amount, None, by_event_no, day, created_at)
        for number, (client_no, acct_no, credit_no, charge_no, amount, by_event_no, day) in enumerate(
            in_turn.applications, applied.first_in_turn_no
        )
    ]
    steps: list[Step] = [
        Append(tables.application, made),
        Append(tables.application_instruction, applied.instructions),
        # In the order of their key, of which an index takes neighbours for less.
        Append(tables.item_balance, sorted(opened)),
    ]
    if in_turn.opened:
        steps.append(Change(_OPEN_ITEMS, _columns(in_turn.opened)))
    if changed:
        steps.append(Change(_UPDATE_ITEMS, _columns(changed)))
    if closed:
        steps.append(Change(_DELETE_ITEMS, _columns(closed)))
    return steps


def _application_row(
    client_no: int, acct_no: int, made: Application, created_at: datetime
) -> tuple[Any, ...]:
    """The columns of application."""
    return (
        client_no,
        acct_no,
        made.application_no,
        made.credit_event_no,
        made.charge_event_no,
        made.amount,
        None if made.takes_back is None else made.takes_back.application_no,
        made.by_event_no or None,
        made.effective_date,
        created_at,
    )


def _item_key(change: ItemChange) -> tuple[int, int, Queue, date, int]:
    item = change.item
    return change.client_no, change.acct_no, item.queue, item.effective_date, item.event_no


def _columns(rows: Iterable[tuple[Any, ...]]) -> list[list[Any]]:
    """The rows as one array a column, for unnest, in the order of their keys."""
    return [list(column) for column in zip(*sorted(rows), strict=True)]


# ------------------------------------------------------------------------------------------------ for readers


class ItemKey(NamedTuple):
    """Where an open item stands in its account."""

    queue: int
    effective_date: date
    event_no: int


FIRST_ITEM: Final = ItemKey(0, date.min, 0)


@dataclass(frozen=True, slots=True)
class StoredApplication:
    """An application as it is stored; 0 stands for none."""

    application_no: int
    acct_no: int
    credit_event_no: int
    charge_event_no: int
    amount: int
    takes_back_no: int
    by_event_no: int
    effective_date: date
    created_at: datetime
    currency_code: str


# A page of each of the two kinds: those with a row along their key, the others along their numbers, in which
# they come after those. So a page costs what a page has, however much is open.
_ITEMS_AFTER: Final = f"""
    WITH waiting AS (
        SELECT CASE WHEN balance + held > 0 THEN {Queue.CHARGE} ELSE {Queue.CREDIT} END AS queue,
               waiting_after, last_event_no
          FROM account_balance
         WHERE client_no = $1 AND acct_no = $2 AND balance + held <> 0
    ), item AS (
       (SELECT own.client_no, own.queue, own.effective_date, own.event_no, own.transaction_type,
               own.open_amount, true AS has_row, t.source_no
          FROM item_balance AS own
          JOIN acct_transaction AS t USING (client_no, event_no)
         WHERE own.client_no = $1
           AND own.acct_no = $2
           AND (own.queue, own.effective_date, own.event_no) > ($3, $4, $5)
         ORDER BY own.queue, own.effective_date, own.event_no
         LIMIT $6)
         UNION ALL
       (SELECT t.client_no, waiting.queue, t.effective_date, t.event_no, t.transaction_type, t.amount, false,
               t.source_no
          FROM waiting
         CROSS JOIN LATERAL (
               SELECT *
                 FROM acct_transaction
                WHERE client_no = $1
                  AND acct_no = $2
                  AND event_no > greatest(waiting_after, CASE WHEN $3 = waiting.queue THEN $5 END)
                  AND event_no <= last_event_no
                  AND (transaction_type IN ({_CHARGES})) = (waiting.queue = {Queue.CHARGE})
                ORDER BY event_no
                LIMIT $6
               ) AS t
         WHERE waiting.queue >= $3)
    )
    SELECT {_ITEM_COLUMNS}
      FROM item
    {_DETAILS}
     ORDER BY item.queue, item.effective_date, item.event_no
     LIMIT $6
"""  # noqa: S608  # our own columns

_CURRENCY: Final = "SELECT currency_code FROM account WHERE client_no = $1 AND acct_no = $2"


async def currency_of(connection: RawConnection, client_no: int, acct_no: int) -> str | None:
    """The currency of an account; None when there is no such account."""
    currency: str | None = await connection.fetchval(_CURRENCY, client_no, acct_no)
    return currency


async def list_open_items(
    connection: RawConnection, client_no: int, acct_no: int, *, after: ItemKey, limit: int
) -> list[Item]:
    """The first open items of an account after one of them: charges, credits, then credits that are held."""
    rows = await connection.fetch(_ITEMS_AFTER, client_no, acct_no, *after, limit)
    return [_open_item(*row) for row in rows]


async def list_applications(
    connection: RawConnection, client_no: int, of: str, number: int, *, after: int, limit: int
) -> Sequence[StoredApplication]:
    """The first applications with a number above `after`. `of` is the column that has `number`: acct_no,
    credit_event_no or charge_event_no.
    """
    statement = f"""
        SELECT application_no, acct_no, credit_event_no, charge_event_no, amount,
               coalesce(takes_back_no, 0), coalesce(by_event_no, 0), application.effective_date,
               application.created_at, account.currency_code
          FROM application
          JOIN account USING (client_no, acct_no)
         WHERE client_no = $1 AND {of} = $2 AND application_no > $3
         ORDER BY application_no
         LIMIT $4
    """  # noqa: S608  # one of three names of our own
    rows = await connection.fetch(statement, client_no, number, after, limit)
    return [StoredApplication(*row) for row in rows]
