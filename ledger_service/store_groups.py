"""Writes a commit group: COPY for what is appended, one statement for each kind of balance."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from sqlalchemy import Table

from ledger_service import tables
from ledger_service.requests import FirstAnswer, RequestKey
from ledger_service.rules.commit_groups import CommitGroup, Row
from service_kit.database import RawConnection

_KNOWN_KEYS: Final = """
    SELECT client_no, scope, request_id, request_key.fingerprint, request_key.answer
      FROM unnest($1::bigint[], $2::smallint[], $3::text[]) AS wanted (client_no, scope, request_id)
      JOIN request_key USING (client_no, scope, request_id)
"""

_RESERVE: Final = "SELECT reserve_numbers($1::text[], $2::bigint[])"

# The mark of the group, its parts, and the balances: small things, and each would be a round trip of its own.
# The balances are locked already, so the order in which they are updated does not matter.
_SETTLE: Final = """
    WITH mark AS (
        INSERT INTO commit_group (group_no, first_event_no, last_event_no, transactions, digest, committed_at)
        VALUES ($1, $2, $3, $4, $5, $6)
    ), parts AS (
        INSERT INTO commit_group_part
               (client_no, group_no, first_event_no, last_event_no, transactions, digest)
        SELECT client_no, $1, first_event_no, last_event_no, transactions, digest
          FROM unnest($7::bigint[], $8::bigint[], $9::bigint[], $10::integer[], $11::bytea[])
               AS part (client_no, first_event_no, last_event_no, transactions, digest)
    ), plan_balances AS (
        UPDATE plan_instance_balance AS balance
           SET balance = balance.balance + change.amount
          FROM unnest($12::bigint[], $13::bigint[], $14::bigint[])
               AS change (client_no, plan_instance_no, amount)
         WHERE balance.client_no = change.client_no
           AND balance.plan_instance_no = change.plan_instance_no
    )
    UPDATE account_balance AS balance
       SET balance = balance.balance + change.amount,
           last_event_no = change.last_event_no,
           last_effective_date = greatest(balance.last_effective_date, change.last_effective_date)
      FROM unnest($15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::date[])
           AS change (client_no, acct_no, amount, last_event_no, last_effective_date)
     WHERE balance.client_no = change.client_no
       AND balance.acct_no = change.acct_no
"""


async def read_known_keys(
    connection: RawConnection, keys: Iterable[RequestKey]
) -> dict[RequestKey, FirstAnswer]:
    """The first answers to those of the keys that were used before."""
    wanted = list(keys)
    rows = await connection.fetch(_KNOWN_KEYS, *([key[place] for key in wanted] for place in range(3)))
    return {
        (client_no, scope, request_id): FirstAnswer(fingerprint, answer)
        for client_no, scope, request_id, fingerprint, answer in rows
    }


async def reserve_numbers(connection: RawConnection, needed: Mapping[str, int]) -> dict[str, int]:
    """The first number of a contiguous block of each kind.

    Reserve while the accounts are locked: so the numbers of an account grow in the order of its commits. A
    block whose transaction is rolled back is never used.
    """
    names = list(needed)
    firsts = await connection.fetchval(_RESERVE, names, list(needed.values()))
    return dict(zip(names, firsts, strict=True))


async def write_rows(connection: RawConnection, group: CommitGroup) -> None:
    """Write what the group appends."""
    await copy_rows(connection, tables.account, group.accounts)
    await copy_rows(connection, tables.account_balance, group.account_balances)
    await copy_rows(connection, tables.plan_instance, group.plan_instances)
    await copy_rows(connection, tables.plan_instance_balance, group.plan_instance_balances)
    await copy_rows(connection, tables.acct_transaction, group.transactions)
    for name in sorted(group.source_rows):
        await copy_rows(connection, tables.SOURCE_TABLES[name], group.source_rows[name])
    await copy_rows(connection, tables.invoice, group.invoices)
    await copy_rows(connection, tables.invoice_void, group.invoice_voids)
    await copy_rows(connection, tables.invoice_due_date, group.due_dates)


async def write_keys(connection: RawConnection, keys: Sequence[Row]) -> None:
    """Write the request keys that the group answers.

    In the order of the keys: two groups that have two keys in common wait for each other at most once.
    """
    await copy_rows(connection, tables.request_key, sorted(keys, key=lambda row: row[:3]))


async def settle(connection: RawConnection, group: CommitGroup) -> None:
    """Write the mark of the group, with its digest, and what its transactions do to the balances."""
    if not group.transactions:
        return
    await connection.execute(
        _SETTLE,
        group.group_no,
        group.first_event_no,
        group.last_event_no,
        len(group.transactions),
        group.digest,
        group.created_at,
        [part.client_no for part in group.parts],
        [part.first_event_no for part in group.parts],
        [part.last_event_no for part in group.parts],
        [part.transactions for part in group.parts],
        [part.digest for part in group.parts],
        [client_no for client_no, _ in group.plan_balance_changes],
        [plan_instance_no for _, plan_instance_no in group.plan_balance_changes],
        list(group.plan_balance_changes.values()),
        [client_no for client_no, _ in group.balance_changes],
        [acct_no for _, acct_no in group.balance_changes],
        list(group.balance_changes.values()),
        [group.last_events[account] for account in group.balance_changes],
        [group.last_dates[account] for account in group.balance_changes],
    )


async def copy_rows(connection: RawConnection, table: Table, rows: Sequence[Row]) -> None:
    """Append rows, which have the columns of the table in their order."""
    if rows:
        await connection.copy_records_to_table(table.name, records=rows, columns=_COLUMNS[table.name])


_COLUMNS: Final = {
    table.name: [column.name for column in table.columns] for table in tables.metadata.sorted_tables
}
