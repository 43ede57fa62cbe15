"""Reads transactions with their source rows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

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

# For connections that look things up, one after the other. Each row is found by an index, and the planner is
# told so, since a plan that is kept would read the whole of a table that was empty when it was made. What was
# found is not memoized: a page asks for each source row once, and to remember it costs more than to find it.
LOOKUP_SETTINGS: Final = """
    SET enable_seqscan = off;
    SET enable_hashjoin = off;
    SET enable_mergejoin = off;
    SET enable_memoize = off
"""


class _Details(NamedTuple):
    """What a transaction is shown with beyond itself, the same for all types, so that a row is short: what it
    refers to, and of its source row the event_no and what _DETAILS puts into each place.
    """

    refers_to: int
    source_event_no: int | None
    words: Any
    day: Any
    first: Any
    second: Any
    third: Any


# By source table: which of its columns is in which place. 9, 10, 18 and 24 have no details in theirs.
_DETAILS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "external_payments": {"words": "reference_code", "day": "received_date", "first": "reuse"},
        "payments": {"words": "gateway_reference", "first": "payment_method_kind"},
        "balance_transfer": {"first": "from_acct_no", "second": "to_acct_no"},
        "write_offs": {"first": "kind", "second": "invoice_no", "day": "expires_on"},
        "refunds": {},
        "check_refund": {"words": "check_number"},
        "external_charge": {"words": "description"},
        "dunning_charge": {"words": "description", "first": "dunning_step"},
        "gl_detail": {
            "words": "description",
            "first": "line_type",
            "second": "line_no",
            "third": "invoice_no",
        },
    }
)
_PLACES: Final[Mapping[str, str]] = MappingProxyType(
    {"words": "text", "day": "date", "first": "bigint", "second": "bigint", "third": "bigint"}
)


def _source_row(table: str) -> str:
    """Finds the source row of the transaction `t` in this table, if its type has it there."""
    key = list(SOURCE_TABLES[table].primary_key.columns)[1].name
    codes = [str(kind.code) for kind in TRANSACTION_TYPES.values() if kind.source_table == table]
    places = [f"{_DETAILS[table].get(place, 'NULL')}::{kind} AS {place}" for place, kind in _PLACES.items()]
    return f"""
        SELECT event_no AS source_event_no, {", ".join(places)}
          FROM {table} AS source
         WHERE t.transaction_type IN ({", ".join(codes)})
           AND source.client_no = t.client_no
           AND source.{key} = t.source_no
    """  # noqa: S608  # names of our own tables


# The void of a transaction is found by the index that lets it have only one. A void shows the source of
# what it voids; what that refers to (the payment of a refund) is in the row of the voided transaction. Of the
# source tables, only the one of the type is looked into, and none after it: by its key on connections with
# LOOKUP_SETTINGS, or those of the poster. On others, a plan that was made for an empty table reads the whole
# of it for each row.
_TRANSACTIONS: Final = f"""
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
           coalesce(original.related_event_no, t.related_event_no) AS refers_to,
           source.*
      FROM ({{selected}}) AS t
      LEFT JOIN acct_transaction AS void
        ON void.client_no = t.client_no AND void.related_event_no = t.event_no AND void.transaction_type < 0
      LEFT JOIN acct_transaction AS original
        ON t.transaction_type < 0
       AND original.client_no = t.client_no
       AND original.event_no = t.related_event_no
      LEFT JOIN LATERAL ({" UNION ALL ".join(map(_source_row, _DETAILS))} LIMIT 1) AS source ON true
"""  # noqa: S608  # our own text

# In a row: where the details begin, after all that the transaction itself has.
_DETAILS_AT: Final = 14

_BY_KEY: Final = _TRANSACTIONS.format(
    selected="""
        SELECT acct_transaction.*
          FROM unnest($1::bigint[], $2::bigint[]) AS wanted (client_no, event_no)
          JOIN acct_transaction USING (client_no, event_no)
    """
)


@dataclass(frozen=True, slots=True)
class TransactionFilter:
    """What a list of transactions is limited to; 0, None and an empty set are no limit."""

    client_no: int
    acct_no: int = 0
    plan_instance_no: int = 0
    transaction_types: frozenset[int] = frozenset()
    effective_from: date | None = None
    effective_to: date | None = None
    source_no: int = 0
    amount_from: Money | None = None
    amount_to: Money | None = None
    voided: bool | None = None


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
    return {(found.client_no, found.event_no): found for found in map(_transaction, rows)}


async def select_transactions(
    connection: RawConnection, condition: str, order: str, limit: int, values: Sequence[Any]
) -> list[Transaction]:
    """The first transactions for which a condition holds, in an order; both are SQL about acct_transaction.

    The rows that the condition finds are those that are shown: none is looked up again by its number.
    """
    last = f"ORDER BY {order} LIMIT ${len(values) + 1}"
    selected = f"SELECT * FROM acct_transaction WHERE {condition} {last}"  # noqa: S608  # our own conditions
    statement = f"{_TRANSACTIONS.format(selected=selected)} ORDER BY {order}"
    return [_transaction(row) for row in await connection.fetch(statement, *values, limit)]


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


def _transaction(row: Row) -> Transaction:
    client_no, event_no, acct_no, plan_instance_no, code, *others = row[:_DETAILS_AT]
    kind = TRANSACTION_TYPES[code]
    details = _Details._make(row[_DETAILS_AT:])
    assert details.source_event_no is not None or kind.source_table not in _DETAILS, "it has its source row"
    make_source = _SOURCES.get(abs(code))
    source = make_source(details) if make_source is not None else None
    return Transaction._make((client_no, event_no, acct_no, plan_instance_no, kind, *others, source))


def _invoice_line(its: _Details) -> InvoiceLine:
    return InvoiceLine(its.first, its.words, its.second, its.third)


# By type, what it is shown with. 9, 10 and 18 have nothing.
_SOURCES: Final[Mapping[int, Callable[[_Details], Source]]] = MappingProxyType(
    {
        2: lambda its: ExternalPayment(its.words, its.day, its.first),
        3: lambda its: ElectronicPayment(its.words, its.first),
        4: lambda its: BalanceTransfer(its.first),
        5: lambda its: BalanceTransfer(its.second),
        6: lambda its: WriteOff(its.first, its.second, its.day),
        8: lambda its: RefundReversal(its.refers_to, its.source_event_no or 0),
        12: lambda its: ElectronicRefund(its.refers_to, its.words),
        13: lambda its: CheckRefund(its.refers_to, its.words),
        14: lambda its: ExternalCharge(its.words),
        15: lambda its: DunningCharge(its.first, its.words),
        21: _invoice_line,
        22: _invoice_line,
        24: lambda its: CreditMemoLine(its.refers_to),
    }
)
