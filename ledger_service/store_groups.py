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

_INSERT_GROUP: Final = """
    INSERT INTO commit_group (group_no, first_event_no, last_event_no, transactions, digest, committed_at)
    VALUES ($1, $2, $3, $4, $5, $6)
"""

_INSERT_PARTS: Final = """
    INSERT INTO commit_group_part (client_no, group_no, first_event_no, last_event_no, transactions, digest)
    SELECT client_no, $1, first_event_no, last_event_no, transactions, digest
      FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::integer[], $6::bytea[])
           AS part (client_no, first_event_no, last_event_no, transactions, digest)
"""

# The rows are locked already, so the order of the updates does not matter.
_UPDATE_BALANCES: Final = """
    UPDATE account_balance AS balance
       SET balance = balance.balance + change.amount,
           last_event_no = change.last_event_no
      FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])
           AS change (client_no, acct_no, amount, last_event_no)
     WHERE balance.client_no = change.client_no
       AND balance.acct_no = change.acct_no
"""

_UPDATE_PLAN_BALANCES: Final = """
    UPDATE plan_instance_balance AS balance
       SET balance = balance.balance + change.amount
      FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS change (client_no, plan_instance_no, amount)
     WHERE balance.client_no = change.client_no
       AND balance.plan_instance_no = change.plan_instance_no
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
    await _copy(connection, tables.account, group.accounts)
    await _copy(connection, tables.account_balance, group.account_balances)
    await _copy(connection, tables.plan_instance, group.plan_instances)
    await _copy(connection, tables.plan_instance_balance, group.plan_instance_balances)
    await _copy(connection, tables.acct_transaction, group.transactions)
    for name in sorted(group.source_rows):
        await _copy(connection, tables.SOURCE_TABLES[name], group.source_rows[name])
    await _copy(connection, tables.invoice, group.invoices)
    await _copy(connection, tables.invoice_void, group.invoice_voids)


async def write_keys(connection: RawConnection, keys: Sequence[Row]) -> None:
    """Write the request keys that the group answers.

    In the order of the keys: two groups that have two keys in common wait for each other at most once.
    """
    await _copy(connection, tables.request_key, sorted(keys, key=lambda row: row[:3]))


async def write_marks_and_balances(connection: RawConnection, group: CommitGroup) -> None:
    """Write the mark of the group, with its digest, and what its transactions do to the balances."""
    if group.transactions:
        await _write_marks(connection, group)
        await _update_balances(connection, group)


async def _copy(connection: RawConnection, table: Table, rows: Sequence[Row]) -> None:
    if rows:
        await connection.copy_records_to_table(table.name, records=rows, columns=_COLUMNS[table.name])


_COLUMNS: Final = {
    table.name: [column.name for column in table.columns] for table in tables.metadata.sorted_tables
}


async def _write_marks(connection: RawConnection, group: CommitGroup) -> None:
    await connection.execute(
        _INSERT_GROUP,
        group.group_no,
        group.first_event_no,
        group.last_event_no,
        len(group.transactions),
        group.digest,
        group.created_at,
    )
    await connection.execute(
        _INSERT_PARTS,
        group.group_no,
        [part.client_no for part in group.parts],
        [part.first_event_no for part in group.parts],
        [part.last_event_no for part in group.parts],
        [part.transactions for part in group.parts],
        [part.digest for part in group.parts],
    )


async def _update_balances(connection: RawConnection, group: CommitGroup) -> None:
    if group.balance_changes:
        await connection.execute(
            _UPDATE_BALANCES,
            [key[0] for key in group.balance_changes],
            [key[1] for key in group.balance_changes],
            list(group.balance_changes.values()),
            [group.last_events[key] for key in group.balance_changes],
        )
    if group.plan_balance_changes:
        await connection.execute(
            _UPDATE_PLAN_BALANCES,
            [key[0] for key in group.plan_balance_changes],
            [key[1] for key in group.plan_balance_changes],
            list(group.plan_balance_changes.values()),
        )
