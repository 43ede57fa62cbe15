"""The limits of posting: COPY of the same rows, by one connection, with nothing decided about them; and for
single calls one statement that does the same.

The rows go into copies of the ledger's own tables, with all their indexes, and the balances of the accounts
are updated in the same commit. What a row looks like is learned from a document that the ledger wrote itself,
so that the comparison stays fair when the schema changes.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import Any, Final

import asyncpg

from benchmarks.figures import Sample
from benchmarks.meter import Meter
from benchmarks.requests import spread_over
from benchmarks.stand import Books
from ledger_service.store_round_trips import with_stacked_numbers

_SCHEMA: Final = "raw"

# What is different in every document. Numbers go up, texts get the document's number.
_NUMBERED: Final = frozenset(
    {
        *("event_no", "source_no", "first_event_no", "last_event_no"),
        *("payment_id", "reference_code", "gateway_reference"),
        *("invoice_no", "invoice_detail_no", "issue"),
    }
)

_UPDATE_BALANCES: Final = f"""
    UPDATE {_SCHEMA}.account_balance AS balance
       SET balance = balance.balance + change.amount, last_event_no = $4
      FROM unnest($2::bigint[], $3::bigint[]) AS change (acct_no, amount)
     WHERE balance.client_no = $1 AND balance.acct_no = change.acct_no
"""  # noqa: S608  # our own name

_UPDATE_BALANCE: Final = f"""
    UPDATE {_SCHEMA}.account_balance
       SET balance = balance + $3, last_event_no = $4
     WHERE client_no = $1 AND acct_no = $2
"""  # noqa: S608  # our own name

_ASK_BALANCE: Final = f"""
    SELECT balance, last_event_no
      FROM {_SCHEMA}.account_balance
     WHERE client_no = $1 AND acct_no = $2
"""  # noqa: S608  # our own name

_COLUMN_TYPES: Final = """
    SELECT format_type(atttypid, atttypmod)
      FROM pg_attribute
     WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
     ORDER BY attnum
"""

_OPTIONS: Final = "SELECT reloptions FROM pg_class WHERE oid = to_regclass($1)"

# What stacks the columns of numbers knows types by one word.
_SHORT_NAMES: Final = {"timestamp with time zone": "timestamptz"}

Row = tuple[Any, ...]
Document = Mapping[str, Sequence[Mapping[str, Any]]]
"""The rows of a document, by table."""


@dataclass(frozen=True, slots=True)
class Commit:
    """The rows of one commit, by table, and by how much they change the balances of accounts."""

    rows: Mapping[str, Sequence[Row]]
    changes: Mapping[int, int]
    last_event_no: int


class RawTables:
    """Copies of the tables that a document is written to; made by `copied`."""

    def __init__(
        self,
        connection: asyncpg.Connection,
        books: Books,
        document: Document,
        types: Mapping[str, Sequence[str]],
    ) -> None:
        """types: by table, those of its columns."""
        self._connection = connection
        self._client_no = books.client_no
        self._acct_nos = spread_over(books.acct_nos)
        self._document = document
        self._stride = max(len(rows) for rows in document.values())
        self._amount = sum(row["amount"] for row in document["acct_transaction"])
        self._written = 0
        self._statement = self._one_statement()
        self._statement_of_many = _statement_of_many(types)

    @classmethod
    async def copied(
        cls, connection: asyncpg.Connection, books: Books, sample: Books, tables: Sequence[str]
    ) -> "RawTables":
        """Empty copies of the tables, and of the balances of these books. sample: books of which one document
        is all that they have in these tables.
        """
        await connection.execute(f"DROP SCHEMA IF EXISTS {_SCHEMA} CASCADE; CREATE SCHEMA {_SCHEMA}")
        for table in ("account_balance", *tables):
            options = ", ".join(await connection.fetchval(_OPTIONS, table) or ())
            stored = f"WITH ({options})" if options else ""
            await connection.execute(f"CREATE TABLE {_SCHEMA}.{table} (LIKE {table} INCLUDING ALL) {stored}")
        await connection.execute(
            f"INSERT INTO {_SCHEMA}.account_balance SELECT * FROM account_balance WHERE client_no = $1",  # noqa: S608
            books.client_no,
        )
        await connection.execute(f"ANALYZE {_SCHEMA}.account_balance")
        document, types = {}, {}
        for table in tables:
            rows = await connection.fetch(f"SELECT * FROM {table} WHERE client_no = $1", sample.client_no)  # noqa: S608
            assert rows, f"{table} has nothing of the document"
            document[table] = [dict(row) for row in rows]
            types[table] = [row[0] for row in await connection.fetch(_COLUMN_TYPES, table)]
        return cls(connection, books, document, types)

    async def ask_one(self) -> None:
        """Ask for the balance of an account."""
        await self._connection.fetchrow(_ASK_BALANCE, self._client_no, next(self._acct_nos))

    async def write_one(self) -> None:
        """Write one document by one prepared statement, which is a transaction by itself."""
        commit = self._commit([next(self._acct_nos)])
        ((acct_no, change),) = commit.changes.items()
        values = [self._client_no, acct_no, change, commit.last_event_no]
        for rows in commit.rows.values():
            values += [value for row in rows for value in row]
        await self._connection.execute(self._statement, *values)

    async def write_many(self, documents: int) -> None:
        """Write so many documents by one prepared statement, which is a transaction by itself."""
        commit = self._commit(list(islice(self._acct_nos, documents)))
        values = [self._client_no, [*commit.changes], [*commit.changes.values()], commit.last_event_no]
        for rows in commit.rows.values():
            values += zip(*rows, strict=True)
        statement, values = with_stacked_numbers(self._statement_of_many, values)
        await self._connection.execute(statement, *values)

    def _one_statement(self) -> str:
        steps, parameters = [_UPDATE_BALANCE], count(5)
        for table, pattern in self._document.items():
            rows = (f"({', '.join(f'${next(parameters)}' for _ in row)})" for row in pattern)
            steps.append(f"INSERT INTO {_SCHEMA}.{table} VALUES {', '.join(rows)}")  # noqa: S608  # our own names
        return _together(steps)

    async def copy_round(self, meter: Meter, commits: int, documents: int) -> Sample:
        """A round of so many commits of so many documents each."""
        prepared = self._commits(commits, documents)
        sample, _ = await meter.measure(commits * documents, self._write(prepared))
        return sample

    def _commits(self, count: int, documents: int) -> list[Commit]:
        return [self._commit(list(islice(self._acct_nos, documents))) for _ in range(count)]

    async def _write(self, commits: Sequence[Commit]) -> None:
        for commit in commits:
            async with self._connection.transaction():
                for table, rows in commit.rows.items():
                    await self._connection.copy_records_to_table(table, records=rows, schema_name=_SCHEMA)
                await self._connection.execute(
                    _UPDATE_BALANCES,
                    self._client_no,
                    list(commit.changes),
                    list(commit.changes.values()),
                    commit.last_event_no,
                )

    def _commit(self, acct_nos: Sequence[int]) -> Commit:
        first = self._written + 1
        self._written += len(acct_nos)
        rows = {
            table: [
                row
                for number, acct_no in enumerate(acct_nos, first)
                for row in self._rows(pattern, number, acct_no)
            ]
            for table, pattern in self._document.items()
        }
        changes = {acct_no: count * self._amount for acct_no, count in Counter(acct_nos).items()}
        return Commit(rows, changes, self._written * self._stride)

    def _rows(self, pattern: Sequence[Mapping[str, Any]], number: int, acct_no: int) -> Iterator[Row]:
        own = {"client_no": self._client_no, "acct_no": acct_no}
        for row in pattern:
            yield tuple(
                self._numbered(value, number) if column in _NUMBERED else own.get(column, value)
                for column, value in row.items()
            )

    def _numbered(self, value: int | str, number: int) -> int | str:
        return f"{value} {number}" if isinstance(value, str) else value + number * self._stride


def _statement_of_many(types: Mapping[str, Sequence[str]]) -> str:
    """What `_one_statement` does, of rows that are given as arrays, a column each."""
    steps, parameters = [_UPDATE_BALANCES], count(5)
    for table, columns in types.items():
        arrays = ", ".join(f"${next(parameters)}::{_SHORT_NAMES.get(each, each)}[]" for each in columns)
        steps.append(f"INSERT INTO {_SCHEMA}.{table} SELECT * FROM unnest({arrays})")  # noqa: S608  # our own names
    return _together(steps)


def _together(steps: Sequence[str]) -> str:
    *before, last = steps
    return f"WITH {', '.join(f'step_{place} AS ({each})' for place, each in enumerate(before))} {last}"
