"""Fills the books of a client with a history, faster than anybody could post it.

The history is pairs of a charge by hand (type 14) and the check (type 2) that pays it, spread over three
years, each on its day and a few of them back-dated. What a row looks like is learned from a pair that the
ledger posted itself, and the commit groups get their digests, so VerifyLedger has to find nothing.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final

import asyncpg

from benchmarks.requests import AMOUNT, single_checks
from benchmarks.stand import CURRENCY, Books, Stand
from tallybook.ledger.v1.ledger_pb2 import CreateExternalChargeRequest
from tallybook.ledger.v1.transaction_pb2 import ExternalCharge
from tallybook.type.v1.money_pb2 import Money

HISTORY: Final = timedelta(days=3 * 365)
BUSIEST: Final = 100
"""One pair of so many is on the first account, which so has a far longer history than the others."""

_PAIRS_A_STEP: Final = 20_000
_GROUP: Final = 5_000

_PAIR_TABLE: Final = """
    CREATE UNLOGGED TABLE pair (
        pair_no bigint, charge_event_no bigint, check_event_no bigint, number bigint, acct_no bigint,
        effective_date date
    )
"""

# Every pair with its numbers, from which the rows of all tables are made. One of fifty is a month late.
_PAIRS: Final = f"""
    INSERT INTO pair
    SELECT k AS pair_no,
           $1 + 2 * k - 1 AS charge_event_no,
           $1 + 2 * k AS check_event_no,
           $1 + k AS number,
           ($2::bigint[])[CASE WHEN k % {BUSIEST} = 0 THEN 1 ELSE 1 + k * 7919 % cardinality($2) END]
               AS acct_no,
           $3::date + (k * $4 / $5)::integer - CASE WHEN k % 50 = 0 THEN 30 ELSE 0 END AS effective_date
      FROM generate_series(1, $5::bigint) AS k
"""  # noqa: S608  # our own number

# By table: the rows that a pair has in it. Each is one of the sample's (the one of a type, where there are
# several), with other values in some columns.
_ROWS: Final[Mapping[str, Sequence[tuple[str, Mapping[str, str]]]]] = {
    "acct_transaction": [
        ("transaction_type = 14", {"event_no": "pair.charge_event_no", "source_no": "pair.number"}),
        ("transaction_type = 2", {"event_no": "pair.check_event_no", "source_no": "pair.number"}),
    ],
    "external_charge": [("true", {"charge_no": "pair.number", "event_no": "pair.charge_event_no"})],
    "external_payments": [
        (
            "true",
            {
                "payment_id": "pair.number",
                "event_no": "pair.check_event_no",
                "reference_code": "'history ' || pair.number",
                "received_date": "pair.effective_date",
            },
        )
    ],
    "application": [
        (
            "true",
            {
                "application_no": "pair.number",
                "credit_event_no": "pair.check_event_no",
                "charge_event_no": "pair.charge_event_no",
                "by_event_no": "pair.check_event_no",
            },
        )
    ],
}
_TABLES: Final = tuple(_ROWS)
_IN_ALL: Final = {"acct_no": "pair.acct_no", "effective_date": "pair.effective_date"}
_SEQUENCES: Final = {"event_no": 2, "external_charge": 1, "external_payments": 1, "application": 1}
"""How many numbers a pair takes of each."""

_COLUMNS: Final = """
    SELECT attname
      FROM pg_attribute
     WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
     ORDER BY attnum
"""

_LAST_GROUP: Final = "SELECT max(group_no) FROM commit_group"

_BALANCES: Final = """
    UPDATE account_balance AS balance
       SET last_event_no = last.event_no, last_effective_date = last.effective_date,
           waiting_after = last.event_no
      FROM (SELECT acct_no, max(event_no) AS event_no, max(effective_date) AS effective_date
              FROM acct_transaction
             WHERE client_no = $1
             GROUP BY acct_no) AS last
     WHERE balance.client_no = $1 AND balance.acct_no = last.acct_no
"""

# The groups of the history, numbered after those that there are. The digest is the one that
# ledger_service/rules/digests.py describes; a row has no plan instance, no related event and no texts.
_GROUPS: Final = f"""
    WITH grouped AS (
        SELECT (event_no - $2 - 1) / {_GROUP} AS place, min(event_no) AS first_event_no,
               max(event_no) AS last_event_no, count(*) AS transactions, max(created_at) AS committed_at,
               sha256(string_agg(
                   int8send(client_no) || int8send(event_no) || int8send(acct_no) || int8send(0)
                   || int2send(transaction_type) || int8send(source_no) || int8send(amount)
                   || convert_to(currency_code, 'UTF8')
                   || int4send(effective_date - date '0001-01-01' + 1)
                   || int8send((extract(epoch FROM created_at) * 1000000)::bigint) || int8send(0)
                   || '\\x0000'::bytea, ''::bytea ORDER BY event_no)) AS digest
          FROM acct_transaction
         WHERE client_no = $1 AND event_no > $2
         GROUP BY 1
    ), parts AS (
        INSERT INTO commit_group_part
               (client_no, group_no, first_event_no, last_event_no, transactions, digest)
        SELECT $1, $3 + place, first_event_no, last_event_no, transactions, digest FROM grouped
    )
    INSERT INTO commit_group (group_no, first_event_no, last_event_no, transactions, digest, committed_at)
    SELECT $3 + place, first_event_no, last_event_no, transactions,
           sha256(int8send($1) || digest), committed_at
      FROM grouped
"""  # noqa: S608  # our own numbers


async def fill(stand: Stand, books: Books, transactions: int, today: date) -> None:
    """Give the books so many transactions, the last of which take effect today. Nothing may be posted
    meanwhile.
    """
    sample = await stand.open_books(1)
    await _post_sample(stand, sample)
    pairs = transactions // 2
    async with stand.connection() as one, stand.connection() as other:
        before = await one.fetchval("SELECT max(event_no) FROM acct_transaction")
        await _make_pairs(one, before, books, today, pairs)
        filling = [
            _fill_tables(connection, tables, pairs, books.client_no, sample.client_no)
            for connection, tables in ((one, _TABLES[:1]), (other, _TABLES[1:]))
        ]
        await asyncio.gather(*filling)
        for sequence, numbers in _SEQUENCES.items():
            await one.execute(f"SELECT setval('{sequence}_seq', $1)", before + numbers * pairs)
        last_group_no = await one.fetchval(_LAST_GROUP)
        await one.execute(_GROUPS, books.client_no, before, last_group_no + 1)
        await one.execute("SELECT setval('group_no_seq', max(group_no)) FROM commit_group")
        await one.execute(_BALANCES, books.client_no)
        await one.execute("DROP TABLE pair")
        # What autovacuum does with a history that grows as slowly as one does.
        await one.execute("VACUUM (ANALYZE)")
        await one.execute("CHECKPOINT")


async def _post_sample(stand: Stand, sample: Books) -> None:
    """A charge, and the check that pays it."""
    await stand.ledger.transactions.CreateExternalCharge(
        CreateExternalChargeRequest(
            client_no=sample.client_no,
            request_id="sample",
            acct_no=sample.acct_nos[0],
            amount=Money(currency_code=CURRENCY, minor_units=AMOUNT),
            external_charge=ExternalCharge(description="history"),
        )
    )
    await stand.ledger.transactions.RecordExternalPayment(single_checks(sample, 1)[0])


async def _make_pairs(
    connection: asyncpg.Connection, before: int, books: Books, today: date, pairs: int
) -> None:
    await connection.execute(_PAIR_TABLE)
    await connection.execute(_PAIRS, before, list(books.acct_nos), today - HISTORY, HISTORY.days, pairs)
    await connection.execute("ALTER TABLE pair ADD PRIMARY KEY (pair_no)")
    await connection.execute("ANALYZE pair")


async def _fill_tables(
    connection: asyncpg.Connection, tables: Sequence[str], pairs: int, client_no: int, sample_client_no: int
) -> None:
    statements = []
    for table in tables:
        columns = [name for (name,) in await connection.fetch(_COLUMNS, table)]
        statements += [_statement(table, columns, which, own) for which, own in _ROWS[table]]
    for first in range(1, pairs + 1, _PAIRS_A_STEP):
        for statement in statements:
            await connection.execute(statement, first, first + _PAIRS_A_STEP - 1, client_no, sample_client_no)


def _statement(table: str, columns: Sequence[str], which: str, own: Mapping[str, str]) -> str:
    """A row of each pair; what is not different in each is as in the row of the sample."""
    values = {column: f"sample.{column}" for column in columns} | {"client_no": "$3::bigint"}
    values |= {column: value for column, value in {**_IN_ALL, **own}.items() if column in values}
    return f"""
        INSERT INTO {table} ({", ".join(values)})
        SELECT {", ".join(values.values())}
          FROM pair
         CROSS JOIN (SELECT * FROM {table} WHERE client_no = $4 AND {which}) AS sample
         WHERE pair_no BETWEEN $1 AND $2
         ORDER BY pair_no
    """  # noqa: S608  # our own names
