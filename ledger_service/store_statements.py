"""Closes statements, and reads those that are closed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from ledger_service import tables
from ledger_service.rules.closed_statements import ClosedStatement, LastStatement, Unclosed
from ledger_service.rules.transactions import Transaction
from ledger_service.store_transactions import read_transactions
from service_kit.database import RawConnection


@dataclass(frozen=True, slots=True)
class StatementFilter:
    """What a list of closed statements is limited to; 0 and None are no limit. Both days are included."""

    client_no: int
    acct_no: int
    period_end_from: date | None
    period_end_to: date | None


_COLUMNS: Final = ", ".join(column.name for column in tables.closed_statement.columns)

# ------------------------------------------------------------------------------------------------- closing

# Whoever posts to an account holds its row before the commit, and so does who closes its statement: what is
# committed after has a higher number than the row says then.
_LOCK_ACCOUNTS: Final = """
    SELECT acct_no
      FROM account_balance
     WHERE client_no = $1 AND acct_no = ANY ($2::bigint[])
     ORDER BY acct_no
       FOR NO KEY UPDATE
"""

_ENDING_ON: Final = f"""
    SELECT {_COLUMNS}
      FROM closed_statement
     WHERE client_no = $1 AND acct_no = ANY ($2::bigint[]) AND period_end = $3
"""  # noqa: S608  # the names of our own columns

# What takes effect by the last day, and does not belong up to the statement before.
_UNCLOSED: Final = """
    SELECT wanted.acct_no,
           account.currency_code,
           (account.created_at AT TIME ZONE 'UTC')::date,
           last.statement_no,
           last.period_end,
           last.closing_balance,
           last.through_event_no,
           balance.last_event_no,
           posted.transactions,
           posted.adjustments,
           posted.first_date,
           posted.effect
      FROM unnest($2::bigint[]) AS wanted (acct_no)
      JOIN account ON account.client_no = $1 AND account.acct_no = wanted.acct_no
      JOIN account_balance AS balance ON balance.client_no = $1 AND balance.acct_no = wanted.acct_no
      LEFT JOIN LATERAL (
           SELECT statement_no, period_end, closing_balance, through_event_no
             FROM closed_statement
            WHERE client_no = $1 AND acct_no = wanted.acct_no
            ORDER BY period_end DESC
            LIMIT 1
           ) AS last ON true
     CROSS JOIN LATERAL (
           SELECT count(*) AS transactions,
                  count(*) FILTER (WHERE t.effective_date <= last.period_end) AS adjustments,
                  min(t.effective_date) AS first_date,
                  coalesce(sum(t.amount * y.effect), 0) AS effect
             FROM acct_transaction AS t
             JOIN transaction_type AS y ON y.code = t.transaction_type
            WHERE t.client_no = $1
              AND t.acct_no = wanted.acct_no
              AND t.effective_date <= $3
              AND (t.event_no > coalesce(last.through_event_no, 0) OR t.effective_date > last.period_end)
           ) AS posted
"""


async def lock_accounts(connection: RawConnection, client_no: int, acct_nos: Sequence[int]) -> None:
    """Lock the accounts until the end of the transaction, in the order in which the poster locks them."""
    await connection.execute(_LOCK_ACCOUNTS, client_no, acct_nos)


async def statements_ending_on(
    connection: RawConnection, client_no: int, acct_nos: Sequence[int], period_end: date
) -> dict[int, ClosedStatement]:
    """By account: its statement with this last day."""
    rows = await connection.fetch(_ENDING_ON, client_no, acct_nos, period_end)
    return {statement.acct_no: statement for statement in (ClosedStatement(*row) for row in rows)}


async def read_unclosed(
    connection: RawConnection, client_no: int, acct_nos: Sequence[int], period_end: date
) -> dict[int, Unclosed]:
    """By account that exists: what a statement up to a day would have. Ask with the accounts locked."""
    rows = await connection.fetch(_UNCLOSED, client_no, acct_nos, period_end)
    unclosed = {}
    for acct_no, currency, opened_on, statement_no, *rest in rows:
        last_end, closing_balance, through, last_event_no, transactions, adjustments, first_date, effect = (
            rest
        )
        last = LastStatement(statement_no, last_end, closing_balance, through) if statement_no else None
        unclosed[acct_no] = Unclosed(
            acct_no,
            currency,
            opened_on,
            last,
            last_event_no,
            transactions,
            adjustments,
            first_date,
            int(effect),
        )
    return unclosed


async def write_statements(connection: RawConnection, statements: Sequence[ClosedStatement]) -> None:
    """Store closed statements."""
    await connection.copy_records_to_table(
        tables.closed_statement.name, records=statements, columns=ClosedStatement._fields
    )


# ------------------------------------------------------------------------------------------------- reading

_BY_NUMBER: Final = f"""
    SELECT {_COLUMNS}
      FROM closed_statement
     WHERE client_no = $1 AND statement_no = $2
"""  # noqa: S608  # the names of our own columns

_LIST: Final = f"""
    SELECT {_COLUMNS}
      FROM closed_statement
     WHERE client_no = $1
       AND ($2::bigint = 0 OR acct_no = $2)
       AND ($3::date IS NULL OR period_end >= $3)
       AND ($4::date IS NULL OR period_end <= $4)
       AND statement_no < $5
     ORDER BY statement_no DESC
     LIMIT $6
"""  # noqa: S608  # the names of our own columns

# By which statement a transaction is on: $1 client, $2 account, $3 and $4 the limits of the statement before,
# $5 and $6 its own.
_ON_STATEMENT: Final = """
      FROM acct_transaction AS t
      JOIN transaction_type AS y ON y.code = t.transaction_type
     WHERE t.client_no = $1
       AND t.acct_no = $2
       AND (t.event_no > $3 OR t.effective_date >= $4)
       AND t.event_no <= $5
       AND t.effective_date <= $6
"""

_TOTALS: Final = f"""
    SELECT coalesce(sum(t.amount) FILTER (WHERE y.effect > 0), 0),
           coalesce(sum(t.amount) FILTER (WHERE y.effect < 0), 0)
    {_ON_STATEMENT}
"""  # a text of our own

_LINES: Final = f"""
    SELECT t.event_no
    {_ON_STATEMENT}
       AND (t.effective_date, t.event_no) > ($7, $8)
     ORDER BY t.effective_date, t.event_no
     LIMIT $9
"""  # a text of our own


async def find_statement(
    connection: RawConnection, client_no: int, statement_no: int
) -> ClosedStatement | None:
    """The statement with this number."""
    row = await connection.fetchrow(_BY_NUMBER, client_no, statement_no)
    return None if row is None else ClosedStatement(*row)


async def list_statements(
    connection: RawConnection, wanted: StatementFilter, before_statement_no: int, limit: int
) -> list[ClosedStatement]:
    """At most `limit` statements with lower numbers than `before_statement_no`, newest first."""
    rows = await connection.fetch(
        _LIST,
        wanted.client_no,
        wanted.acct_no,
        wanted.period_end_from,
        wanted.period_end_to,
        before_statement_no,
        limit,
    )
    return [ClosedStatement(*row) for row in rows]


async def totals_of(connection: RawConnection, statement: ClosedStatement) -> tuple[int, int]:
    """The sums of what raises and of what lowers the balance on a statement, both not below zero."""
    ((charges, credits_),) = await connection.fetch(_TOTALS, *_limits(statement))
    return int(charges), int(credits_)


async def transactions_on(
    connection: RawConnection,
    statement: ClosedStatement,
    *,
    after: tuple[date, int],
    limit: int,
) -> list[Transaction]:
    """At most `limit` transactions on a statement after a date and event_no, in that order."""
    rows = await connection.fetch(_LINES, *_limits(statement), *after, limit)
    keys = [(statement.client_no, event_no) for (event_no,) in rows]
    found = await read_transactions(connection, keys)
    return [found[key] for key in keys]


def _limits(statement: ClosedStatement) -> tuple[int, int, int, date, int, date]:
    return (
        statement.client_no,
        statement.acct_no,
        statement.after_event_no,
        statement.period_start,
        statement.through_event_no,
        statement.period_end,
    )
