"""The limits of posting: COPY of the same rows, by one connection, with nothing decided about them; and for
single calls one statement that does the same.

The rows go into copies of the ledger's own tables, with all their indexes, and the balances of the accounts
are updated in the same commit; or into these tables themselves, where all of it is undone. What a row looks
like is learned from a document that the ledger wrote itself, so that the comparison stays fair when the
schema changes.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count, islice, repeat
from typing import Any, Final

import asyncpg

from benchmarks.figures import Sample
from benchmarks.meter import Meter
from benchmarks.requests import spread_over
from benchmarks.stand import Books
from ledger_service.store_round_trips import with_stacks

CHECK_TABLES: Final = ("acct_transaction", "external_payments")
"""Those that a check is written to."""

# What is different in every document. Numbers go up, texts get the document's number.
_NUMBERED: Final = frozenset(
    {
        *("event_no", "source_no", "first_event_no", "last_event_no"),
        *("payment_id", "reference_code", "gateway_reference"),
        *("invoice_no", "invoice_detail_no", "issue"),
        *("application_no", "credit_event_no", "charge_event_no", "by_event_no"),
    }
)

_UPDATE_BALANCES: Final = """
    UPDATE {schema}.account_balance AS balance
       SET balance = balance.balance + change.amount, last_event_no = $4
      FROM unnest($2::bigint[], $3::bigint[]) AS change (acct_no, amount)
     WHERE balance.client_no = $1 AND balance.acct_no = change.acct_no
"""

_UPDATE_BALANCE: Final = """
    UPDATE {schema}.account_balance
       SET balance = balance + $3, last_event_no = $4
     WHERE client_no = $1 AND acct_no = $2
"""

_ASK_BALANCE: Final = """
    SELECT balance, last_event_no
      FROM {schema}.account_balance
     WHERE client_no = $1 AND acct_no = $2
"""

_ACCOUNTS: Final = "SELECT acct_no FROM account_balance WHERE client_no = $1 ORDER BY acct_no"

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
    """The rows of one commit, by table, and by how much they change the balances of accounts. numbers: of its
    transactions, event_no and source_no.
    """

    rows: Mapping[str, Sequence[Row]]
    changes: Mapping[int, int]
    last_event_no: int
    numbers: Sequence[Row]


class RawTables:
    """The tables that a document is written to: copies (`copied`), or the ledger's own (`of_the_ledger`)."""

    def __init__(
        self,
        connection: asyncpg.Connection,
        books: Books,
        document: Document,
        types: Mapping[str, Sequence[str]],
        schema: str,
    ) -> None:
        """types: by table, those of its columns."""
        self._schema = schema
        self._connection = connection
        self._client_no = books.client_no
        self._acct_nos = spread_over(books.acct_nos)
        self._document = document
        self._stride = max(len(rows) for rows in document.values())
        self._amount = sum(row["amount"] for row in document["acct_transaction"])
        self._written = 0
        self._update_balances = _UPDATE_BALANCES.format(schema=schema)
        self._ask_balance = _ASK_BALANCE.format(schema=schema)
        self._statement = self._one_statement()
        self._statement_of_many = self._statement_of_rows(types)

    @classmethod
    async def copied(
        cls,
        connection: asyncpg.Connection,
        books: Books,
        sample: Books,
        tables: Sequence[str],
        schema: str = "raw",
        condition: str = "true",
    ) -> "RawTables":
        """Empty copies of the tables, and of the balances of these books, in a schema of their own. sample:
        books of which one document is all that they have in these tables, of those transactions for which
        a condition holds.
        """
        await connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}")
        for table in ("account_balance", *tables):
            options = ", ".join(await connection.fetchval(_OPTIONS, table) or ())
            stored = f"WITH ({options})" if options else ""
            await connection.execute(f"CREATE TABLE {schema}.{table} (LIKE {table} INCLUDING ALL) {stored}")
        await connection.execute(
            f"INSERT INTO {schema}.account_balance SELECT * FROM account_balance WHERE client_no = $1",  # noqa: S608
            books.client_no,
        )
        await connection.execute(f"ANALYZE {schema}.account_balance")
        return cls(connection, books, *await _read_document(connection, sample, tables, condition), schema)

    @classmethod
    async def of_the_ledger(
        cls, connection: asyncpg.Connection, books: Books, sample: Books, tables: Sequence[str]
    ) -> "RawTables":
        """The ledger's own tables: only for rounds that are undone."""
        schema = await connection.fetchval("SELECT current_schema()")
        return cls(connection, books, *await _read_document(connection, sample, tables), schema)

    async def drop(self) -> None:
        """Leave nothing of the copies behind."""
        own = await self._connection.fetchval("SELECT current_schema()")
        assert self._schema != own, "they are the ledger's own"
        await self._connection.execute(f"DROP SCHEMA {self._schema} CASCADE")

    async def ask_one(self) -> None:
        """Ask for the balance of an account."""
        await self._connection.fetchrow(self._ask_balance, self._client_no, next(self._acct_nos))

    async def write_one(self) -> None:
        """Write one document by one prepared statement, which is a transaction by itself."""
        commit = self._next_commit(1)
        ((acct_no, change),) = commit.changes.items()
        values = [self._client_no, acct_no, change, commit.last_event_no]
        for rows in commit.rows.values():
            values += [value for row in rows for value in row]
        await self._connection.execute(self._statement, *values)

    async def write_many(self, documents: int) -> None:
        """Write so many documents by one prepared statement, which is a transaction by itself."""
        commit = self._next_commit(documents)
        values = [self._client_no, [*commit.changes], [*commit.changes.values()], commit.last_event_no]
        for rows in commit.rows.values():
            values += zip(*rows, strict=True)
        statement, values = with_stacks(self._statement_of_many, values)
        await self._connection.execute(statement, *values)

    def _one_statement(self) -> str:
        steps, parameters = [_UPDATE_BALANCE.format(schema=self._schema)], count(5)
        for table, pattern in self._document.items():
            rows = (f"({', '.join(f'${next(parameters)}' for _ in row)})" for row in pattern)
            steps.append(f"INSERT INTO {self._schema}.{table} VALUES {', '.join(rows)}")  # noqa: S608  # our own names
        return _together(steps)

    def _statement_of_rows(self, types: Mapping[str, Sequence[str]]) -> str:
        """What `_one_statement` does, of rows that are given as arrays, a column each."""
        steps, parameters = [self._update_balances], count(5)
        for table, columns in types.items():
            arrays = ", ".join(f"${next(parameters)}::{_SHORT_NAMES.get(each, each)}[]" for each in columns)
            steps.append(f"INSERT INTO {self._schema}.{table} SELECT * FROM unnest({arrays})")  # noqa: S608  # our own names
        return _together(steps)

    async def copy_round(
        self,
        meter: Meter,
        commits: int,
        documents: int,
        first: Callable[[], Awaitable[None]] | None = None,
    ) -> Sample:
        """A round of so many commits of so many documents each. first: what is done in each before its rows
        are written.
        """
        prepared = self._commits(commits, documents)
        sample, _ = await meter.measure(commits * documents, self.write(self._connection, prepared, first))
        return sample

    async def undone_round(self, meter: Meter, commits: int, documents: int) -> Sample:
        """The same, but nothing of it stays: savepoints of a transaction that is rolled back."""
        transaction = self._connection.transaction()
        await transaction.start()
        try:
            return await self.copy_round(meter, commits, documents)
        finally:
            await transaction.rollback()

    def commit_of(self, given: Mapping[str, Sequence[Any]]) -> Commit:
        """A commit of the next documents, with what is given of each by column: acct_no at least, and the
        amount only where a document is one transaction.
        """
        acct_nos = given["acct_no"]
        columns = {
            table: [self._columns(row, given, len(acct_nos)) for row in pattern]
            for table, pattern in self._document.items()
        }
        self._written += len(acct_nos)
        changes: dict[int, int] = {}
        for acct_no, amount in zip(acct_nos, given.get("amount") or repeat(self._amount)):  # noqa: B905  # for ever
            changes[acct_no] = changes.get(acct_no, 0) + amount
        transactions = columns["acct_transaction"]
        return Commit(
            {table: _rows(of_table) for table, of_table in columns.items()},
            # In the order in which others lock them.
            dict(sorted(changes.items())),
            self._written * self._stride,
            _rows([{name: of_row[name] for name in ("event_no", "source_no")} for of_row in transactions]),
        )

    def _columns(
        self, row: Mapping[str, Any], given: Mapping[str, Sequence[Any]], documents: int
    ) -> Mapping[str, Sequence[Any]]:
        """What a row of the document has in so many, by column."""
        return {
            name: given[name] if name in given else self._column(name, value, documents)
            for name, value in row.items()
        }

    def _column(self, name: str, value: Any, documents: int) -> Sequence[Any]:
        """What the next so many documents have in a column of which nothing is given."""
        if name not in _NUMBERED:
            return [self._client_no if name == "client_no" else value] * documents
        numbers = range(self._written + 1, self._written + 1 + documents)
        if isinstance(value, str):
            return [f"{value} {number}" for number in numbers]
        return range(value + numbers.start * self._stride, value + numbers.stop * self._stride, self._stride)

    def _commits(self, count: int, documents: int) -> list[Commit]:
        return [self._next_commit(documents) for _ in range(count)]

    def _next_commit(self, documents: int) -> Commit:
        return self.commit_of({"acct_no": list(islice(self._acct_nos, documents))})

    async def write(
        self,
        connection: asyncpg.Connection,
        commits: Iterable[Commit],
        first: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Write the commits, one after the other. first: what is done in each before its rows are written."""
        for commit in commits:
            async with connection.transaction():
                if first is not None:
                    await first()
                for table, rows in commit.rows.items():
                    await connection.copy_records_to_table(table, records=rows, schema_name=self._schema)
                await connection.execute(
                    self._update_balances,
                    self._client_no,
                    list(commit.changes),
                    list(commit.changes.values()),
                    commit.last_event_no,
                )


def _rows(columns: Sequence[Mapping[str, Sequence[Any]]]) -> list[Row]:
    """Rows from their columns, document by document; the columns of each row of a document."""
    return list(
        chain.from_iterable(zip(*(zip(*each.values(), strict=True) for each in columns), strict=True))
    )


async def _read_document(
    connection: asyncpg.Connection, sample: Books, tables: Sequence[str], condition: str = "true"
) -> tuple[Document, Mapping[str, Sequence[str]]]:
    """The one document that these books have, and by table the types of its columns."""
    document, types = {}, {}
    for table in tables:
        of_table = condition if table == "acct_transaction" else "true"
        rows = await connection.fetch(
            f"SELECT * FROM {table} WHERE client_no = $1 AND {of_table}",  # noqa: S608  # our own condition
            sample.client_no,
        )
        assert rows, f"{table} has nothing of the document"
        document[table] = [dict(row) for row in rows]
        types[table] = [row[0] for row in await connection.fetch(_COLUMN_TYPES, table)]
    return document, types


async def read_books(connection: asyncpg.Connection, client_no: int) -> Books:
    """The books of a client."""
    return Books(client_no, [row["acct_no"] for row in await connection.fetch(_ACCOUNTS, client_no)])


def _together(steps: Sequence[str]) -> str:
    *before, last = steps
    return f"WITH {', '.join(f'step_{place} AS ({each})' for place, each in enumerate(before))} {last}"
