"""Reads transactions with their source rows."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
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
from ledger_service.rules.transaction_types import TRANSACTION_TYPES, TransactionType
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
           coalesce(t.plan_instance_no, 0) AS plan_instance_no,
           t.transaction_type,
           t.source_no,
           t.amount,
           t.currency_code,
           t.effective_date,
           t.created_at,
           coalesce(t.related_event_no, 0) AS related_event_no,
           coalesce(void.event_no, 0) AS voided_by_event_no,
           coalesce(t.reason_code, '') AS reason_code,
           coalesce(t.comment, '') AS comment,
           coalesce(original.related_event_no, t.related_event_no) AS refers_to
      FROM unnest($1::bigint[], $2::bigint[]) AS wanted (client_no, event_no)
      JOIN acct_transaction AS t USING (client_no, event_no)
      LEFT JOIN acct_transaction AS void
        ON void.client_no = t.client_no AND void.related_event_no = t.event_no AND void.transaction_type < 0
      LEFT JOIN acct_transaction AS original
        ON t.transaction_type < 0
       AND original.client_no = t.client_no
       AND original.event_no = t.related_event_no
"""

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
    rows = await connection.fetch(_TRANSACTIONS, [key[0] for key in wanted], [key[1] for key in wanted])
    sources = await _read_source_rows(connection, rows)
    return {(row["client_no"], row["event_no"]): _transaction(row, sources) for row in rows}


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
    where = " AND ".join(condition.format(f"${place}") for place, (condition, _) in enumerate(conditions, 1))
    values = [value for _, value in conditions]
    last = f"ORDER BY event_no DESC LIMIT ${len(values) + 1}"
    statement = f"SELECT event_no FROM acct_transaction WHERE {where} {last}"  # noqa: S608  # our own conditions
    rows = await connection.fetch(statement, *values, limit)
    keys = [(wanted.client_no, row["event_no"]) for row in rows]
    found = await read_transactions(connection, keys)
    return [found[key] for key in keys]


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


async def _read_source_rows(
    connection: RawConnection, rows: Iterable[Row]
) -> dict[tuple[str, int, int], Row]:
    """The source rows of transactions, by table, client_no and source_no: one statement a table."""
    wanted: defaultdict[str, set[tuple[int, int]]] = defaultdict(set)
    for row in rows:
        kind = TRANSACTION_TYPES[row["transaction_type"]]
        if _SOURCES.get(abs(kind.code)) is not None:
            wanted[kind.source_table].add((row["client_no"], row["source_no"]))
    found: dict[tuple[str, int, int], Row] = {}
    for table, keys in wanted.items():
        for source in await connection.fetch(
            _SOURCE_ROWS[table], [key[0] for key in keys], [key[1] for key in keys]
        ):
            found[table, source["client_no"], source[1]] = source
    return found


def _transaction(row: Row, sources: Mapping[tuple[str, int, int], Row]) -> Transaction:
    kind: TransactionType = TRANSACTION_TYPES[row["transaction_type"]]
    make_source = _SOURCES.get(abs(kind.code))
    source = None
    if make_source is not None:
        source_row = sources[kind.source_table, row["client_no"], row["source_no"]]
        source = make_source(source_row, row["refers_to"])
    return Transaction(
        row["client_no"],
        row["event_no"],
        row["acct_no"],
        row["plan_instance_no"],
        kind,
        row["source_no"],
        row["amount"],
        row["currency_code"],
        row["effective_date"],
        row["created_at"],
        row["related_event_no"],
        row["voided_by_event_no"],
        row["reason_code"],
        row["comment"],
        source,
    )


# By type, the details from the source row and from what the transaction refers to. 9, 10 and 18 have none.
_SOURCES: Final[Mapping[int, Callable[[Row, int], Source]]] = MappingProxyType(
    {
        2: lambda row, _: ExternalPayment(row["reference_code"], row["received_date"]),
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
