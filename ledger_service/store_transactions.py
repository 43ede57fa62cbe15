"""Reads transactions with their source rows."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import asyncpg

from ledger_service.rules.sources import (
    BalanceTransfer,
    CheckRefund,
    CreditMemoLine,
    DunningCharge,
    ElectronicPayment,
    ElectronicRefund,
    ExternalCharge,
    ExternalPayment,
    InvoiceLine,
    RefundReversal,
    Source,
    WriteOff,
)
from ledger_service.rules.transaction_types import TRANSACTION_TYPES
from ledger_service.rules.transactions import Transaction
from ledger_service.tables import SOURCE_TABLES
from service_kit.database import RawConnection
from service_kit.money import Money

EventKey = tuple[int, int]
Row: TypeAlias = "asyncpg.Record"

# The void of a transaction is found by the index that lets it have only one. A void shows the source of
# what it voids; what that refers to (the payment of a refund) is in the row of the voided transaction.
_TRANSACTIONS: Final = """
    SELECT t.client_no,
           t.event_no,
           t.acct_no,
           coalesce(t.plan_instance_no, 0),
           t.transaction_type,
           t.source_no,
           t.amount,
           t.currency_code,
           t.effective_date,
           t.created_at,
           coalesce(t.related_event_no, 0),
           coalesce(void.event_no, 0),
           coalesce(t.reason_code, ''),
           coalesce(t.comment, ''),
           coalesce(original.related_event_no, t.related_event_no) AS refers_to
      FROM ({selected}) AS t
      LEFT JOIN acct_transaction AS void
        ON void.client_no = t.client_no AND void.related_event_no = t.event_no AND void.transaction_type < 0
      LEFT JOIN acct_transaction AS original
        ON t.transaction_type < 0
       AND original.client_no = t.client_no
       AND original.event_no = t.related_event_no
"""

_BY_KEY: Final = _TRANSACTIONS.format(
    selected="""
        SELECT acct_transaction.*
          FROM unnest($1::bigint[], $2::bigint[]) AS wanted (client_no, event_no)
          JOIN acct_transaction USING (client_no, event_no)
    """
)

_SOURCE_ROWS: Final[Mapping[str, str]] = MappingProxyType(
    {
        table.name: f"""
            SELECT source.*
              FROM unnest($1::bigint[], $2::bigint[]) AS wanted (client_no, {key})
              JOIN {table.name} AS source USING (client_no, {key})
        """  # noqa: S608  # names of our own tables
        for table in SOURCE_TABLES.values()
        for key in [list(table.primary_key.columns)[1].name]
    }
)


@dataclass(frozen=True, slots=True)
class TransactionFilter:
    """What a list of transactions is limited to; 0, None and an empty set are no limit."""

    client_no: int
    acct_no: int
    plan_instance_no: int
    transaction_types: frozenset[int]
    effective_from: date | None
    effective_to: date | None
    source_no: int
    amount_from: Money | None
    amount_to: Money | None
    voided: bool | None


_CREDIT_MEMO_LINES: Final = """
    SELECT event_no
      FROM acct_transaction
     WHERE client_no = $1 AND transaction_type = 24 AND source_no = $2
     ORDER BY event_no
"""

# Of a transaction of the list: whether there is a void of it.
_VOIDED: Final = """
    EXISTS (SELECT FROM acct_transaction AS void
             WHERE void.client_no = acct_transaction.client_no
               AND void.related_event_no = acct_transaction.event_no
               AND void.transaction_type < 0)
"""


async def read_transactions(
    connection: RawConnection, keys: Iterable[EventKey]
) -> dict[EventKey, Transaction]:
    """The transactions with these keys (client_no, event_no), as far as they exist."""
    wanted = list(keys)
    rows = await connection.fetch(_BY_KEY, [key[0] for key in wanted], [key[1] for key in wanted])
    found = await _with_sources(connection, rows)
    return {(each.client_no, each.event_no): each for each in found}


async def select_transactions(
    connection: RawConnection, condition: str, order: str, limit: int, values: Sequence[Any]
) -> list[Transaction]:
    """The first transactions for which a condition holds, in an order; both are SQL about acct_transaction.

    The rows that the condition finds are those that are shown: none is looked up again by its number.
    """
    last = f"ORDER BY {order} LIMIT ${len(values) + 1}"
    selected = f"SELECT * FROM acct_transaction WHERE {condition} {last}"  # noqa: S608  # our own conditions
    statement = f"{_TRANSACTIONS.format(selected=selected)} ORDER BY {order}"
    return await _with_sources(connection, await connection.fetch(statement, *values, limit))


async def find_transaction(connection: RawConnection, client_no: int, event_no: int) -> Transaction | None:
    """The transaction with this number, if the client has it."""
    found = await read_transactions(connection, [(client_no, event_no)])
    return found.get((client_no, event_no))


async def credit_memo_lines(connection: RawConnection, client_no: int, cm_no: int) -> list[Transaction]:
    """The lines of a credit memo, in order; none when the client has no such memo."""
    rows = await connection.fetch(_CREDIT_MEMO_LINES, client_no, cm_no)
    keys = [(client_no, row["event_no"]) for row in rows]
    found = await read_transactions(connection, keys)
    return [found[key] for key in keys]


_DISPUTES: Final = """
    SELECT hold.event_no
      FROM write_offs AS hold
     WHERE hold.client_no = $1
       AND hold.expires_on IS NOT NULL
       AND ($2::bigint = 0 OR hold.acct_no = $2)
       AND ($3::date IS NULL OR hold.expires_on <= $3)
       AND (hold.expires_on, hold.event_no) > ($4, $5)
       AND NOT EXISTS (
           SELECT FROM acct_transaction AS void
            WHERE void.client_no = hold.client_no
              AND void.related_event_no = hold.event_no
              AND void.transaction_type < 0
           )
     ORDER BY hold.expires_on, hold.event_no
     LIMIT $6
"""


async def list_disputes(
    connection: RawConnection,
    client_no: int,
    acct_no: int,
    expires_to: date | None,
    *,
    after: tuple[date, int],
    limit: int,
) -> list[Transaction]:
    """At most `limit` dispute holds that stand after a day and event_no, by the day on which they end. 0 and
    None are no limit.
    """
    rows = await connection.fetch(_DISPUTES, client_no, acct_no, expires_to, *after, limit)
    keys = [(client_no, event_no) for (event_no,) in rows]
    found = await read_transactions(connection, keys)
    return [found[key] for key in keys]


async def list_transactions(
    connection: RawConnection, wanted: TransactionFilter, before_event_no: int, limit: int
) -> list[Transaction]:
    """At most `limit` transactions with numbers below `before_event_no`, newest first."""
    conditions = [*_conditions(wanted), ("event_no < {}", before_event_no)]
    condition = " AND ".join(each.format(f"${place}") for place, (each, _) in enumerate(conditions, 1))
    values = [value for _, value in conditions]
    return await select_transactions(connection, condition, "event_no DESC", limit, values)


def _conditions(wanted: TransactionFilter) -> list[tuple[str, Any]]:
    """Only what is asked for is in the statement, so that its plan has the index for it."""
    conditions: list[tuple[str, Any]] = [("client_no = {}", wanted.client_no)]
    if wanted.acct_no:
        conditions.append(("acct_no = {}", wanted.acct_no))
    if wanted.plan_instance_no:
        conditions.append(("plan_instance_no = {}", wanted.plan_instance_no))
    if wanted.transaction_types:
        conditions.append(("transaction_type = ANY ({}::smallint[])", sorted(wanted.transaction_types)))
    if wanted.effective_from is not None:
        conditions.append(("effective_date >= {}", wanted.effective_from))
    if wanted.effective_to is not None:
        conditions.append(("effective_date <= {}", wanted.effective_to))
    if wanted.source_no:
        conditions.append(("source_no = {}", wanted.source_no))
    if wanted.amount_from is not None:
        conditions.append(("amount >= {}", wanted.amount_from.minor_units))
        conditions.append(("currency_code = {}", wanted.amount_from.currency))
    if wanted.amount_to is not None:
        conditions.append(("amount <= {}", wanted.amount_to.minor_units))
        conditions.append(("currency_code = {}", wanted.amount_to.currency))
    if wanted.voided is not None:
        conditions.append((f"{_VOIDED} = {{}}", wanted.voided))
    return conditions


async def _with_sources(connection: RawConnection, rows: Sequence[Row]) -> list[Transaction]:
    """The transactions of rows, in their order."""
    sources = await _read_source_rows(connection, rows)
    return [_transaction(row, sources) for row in rows]


async def _read_source_rows(
    connection: RawConnection, rows: Iterable[Row]
) -> dict[tuple[str, int, int], Row]:
    """The source rows of transactions, by table, client_no and source_no: one statement a table."""
    wanted: defaultdict[str, set[tuple[int, int]]] = defaultdict(set)
    for row in rows:
        kind = TRANSACTION_TYPES[row["transaction_type"]]
        if abs(kind.code) in _SOURCES:
            wanted[kind.source_table].add((row["client_no"], row["source_no"]))
    found: dict[tuple[str, int, int], Row] = {}
    for table, keys in wanted.items():
        # In the order of the index, whose pages are then read one after the other.
        client_nos, source_nos = zip(*sorted(keys), strict=True)
        for source in await connection.fetch(_SOURCE_ROWS[table], client_nos, source_nos):
            found[table, source[0], source[1]] = source
    return found


def _transaction(row: Row, sources: Mapping[tuple[str, int, int], Row]) -> Transaction:
    client_no, event_no, acct_no, plan_instance_no, code, source_no, *others, refers_to = row
    kind = TRANSACTION_TYPES[code]
    make_source = _SOURCES.get(abs(code))
    source = None
    if make_source is not None:
        source = make_source(sources[kind.source_table, client_no, source_no], refers_to)
    return Transaction._make(
        (client_no, event_no, acct_no, plan_instance_no, kind, source_no, *others, source)
    )


# By type, the details from the source row and from what the transaction refers to. 9, 10 and 18 have none.
_SOURCES: Final[Mapping[int, Callable[[Row, int], Source]]] = MappingProxyType(
    {
        2: lambda row, _: ExternalPayment(row["reference_code"], row["received_date"], row["reuse"]),
        3: lambda row, _: ElectronicPayment(row["gateway_reference"], row["payment_method_kind"]),
        4: lambda row, _: BalanceTransfer(row["from_acct_no"]),
        5: lambda row, _: BalanceTransfer(row["to_acct_no"]),
        6: lambda row, _: WriteOff(row["kind"], row["invoice_no"], row["expires_on"]),
        8: lambda row, charge: RefundReversal(charge, row["event_no"]),
        12: lambda row, payment: ElectronicRefund(payment, row["gateway_reference"]),
        13: lambda row, payment: CheckRefund(payment, row["check_number"]),
        14: lambda row, _: ExternalCharge(row["description"]),
        15: lambda row, _: DunningCharge(row["dunning_step"], row["description"]),
        21: lambda row, _: _invoice_line(row),
        22: lambda row, _: _invoice_line(row),
        24: lambda _, charge: CreditMemoLine(charge),
    }
)


def _invoice_line(row: Row) -> InvoiceLine:
    return InvoiceLine(row["line_type"], row["description"], row["line_no"], row["invoice_no"])
