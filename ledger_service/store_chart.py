"""Charts of accounts: those that every client has, a client's own, and what is booked to them."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Final, NamedTuple

from ledger_service.rules.gl_mappings import MappingKey, Override
from service_kit.database import RawConnection


class ChartAccount(NamedTuple):
    """An account in a client's chart; `own` when no other client has it."""

    code: str
    name: str
    kind: str
    own: bool


# A default that came later than the client's own account of that code does not take its place.
_CHART: Final = """
    SELECT code, name, kind, own
      FROM (SELECT DISTINCT ON (code) code, name, kind, own
              FROM (SELECT code COLLATE "C", name, kind, false AS own
                      FROM gl_account
                     UNION ALL
                    SELECT code, name, kind, true
                      FROM client_gl_account
                     WHERE client_no = $1) AS account (code, name, kind, own)
             ORDER BY code, own DESC) AS chart
     ORDER BY code
"""

_INSERT_ACCOUNT: Final = """
    INSERT INTO client_gl_account (client_no, code, name, kind, created_at) VALUES ($1, $2, $3, $4, $5)
"""

_OVERRIDES: Final = """
    SELECT transaction_type, line_type, gl_account, from_event_no, effective_from, created_at, actor
      FROM gl_override
     WHERE client_no = $1
     ORDER BY override_no
"""

_INSERT_OVERRIDES: Final = """
    INSERT INTO gl_override
           (client_no, transaction_type, line_type,
            gl_account, from_event_no, effective_from, created_at, actor)
    SELECT $1, key.transaction_type, key.line_type, $4, $5, $6, $7, $8
      FROM unnest($2::smallint[], $3::smallint[]) AS key (transaction_type, line_type)
"""

# The lock that reserve_numbers (migration 0001) takes, but until the end of the transaction.
_HOLD_RESERVATIONS: Final = "SELECT pg_advisory_xact_lock(7205759403792)"
_NEXT_EVENT_NO: Final = "SELECT last_value + is_called::integer FROM event_no_seq"


async def read_chart(connection: RawConnection, client_no: int) -> list[ChartAccount]:
    """The chart of a client, by code."""
    return [ChartAccount(*row) for row in await connection.fetch(_CHART, client_no)]


async def read_account_names(connection: RawConnection, client_no: int) -> dict[str, str]:
    """The names of the accounts in a client's chart, by code."""
    return {account.code: account.name for account in await read_chart(connection, client_no)}


async def insert_account(
    connection: RawConnection, client_no: int, account: ChartAccount, created_at: datetime
) -> None:
    """Add an account to a client's chart."""
    await connection.execute(_INSERT_ACCOUNT, client_no, account.code, account.name, account.kind, created_at)


async def read_overrides(connection: RawConnection, client_no: int) -> list[Override]:
    """The changes of a client's counter accounts, oldest first."""
    return [
        Override(MappingKey(transaction_type, line_type), *rest)
        for transaction_type, line_type, *rest in await connection.fetch(_OVERRIDES, client_no)
    ]


async def hold_event_numbers(connection: RawConnection) -> int:
    """The next event number, which nobody reserves before this transaction has ended.

    So what has a number already is below it, and what gets a later one is recorded, and read, after the
    commit of this transaction: nobody can have read a row that the change concerns. Everybody who posts waits
    meanwhile; end the transaction soon.
    """
    await connection.execute(_HOLD_RESERVATIONS)
    next_event_no: int = await connection.fetchval(_NEXT_EVENT_NO)
    return next_event_no


async def insert_overrides(
    connection: RawConnection,
    client_no: int,
    keys: Iterable[MappingKey],
    *,
    gl_account: str | None,
    from_event_no: int,
    effective_from: date | None,
    created_at: datetime,
    actor: str,
) -> None:
    """Change the counter account of several keys."""
    wanted: Sequence[MappingKey] = list(keys)
    await connection.execute(
        _INSERT_OVERRIDES,
        client_no,
        [key.transaction_type for key in wanted],
        [key.line_type for key in wanted],
        gl_account,
        from_event_no,
        effective_from,
        created_at,
        actor,
    )
