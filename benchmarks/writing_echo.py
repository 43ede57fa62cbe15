"""The least that a call which posts by itself can cost: one that only writes the two rows of a check.

`python -m benchmarks.writing_echo URL CLIENT_NO SAMPLE_CLIENT_NO` is an echo service (see `echo`). Each call
writes what the one document of the sample is made of, for the other client, to copies of the tables, with the
update of the balance: by one prepared statement, in a durable commit. Nothing is decided or numbered, and
only the second method asks anything.
"""

import sys
from typing import Final

import asyncpg
import uvloop

from benchmarks.echo import serve
from benchmarks.raw_copy import RawTables
from benchmarks.stand import Books

WRITE: Final = "Write"
ASK_AND_WRITE: Final = "AskAndWrite"

_TABLES: Final = ("acct_transaction", "external_payments")


async def _serve(url: str, client_no: int, sample_client_no: int) -> None:
    connection = await asyncpg.connect(url)
    accounts = "SELECT acct_no FROM account_balance WHERE client_no = $1 ORDER BY acct_no"
    books, sample = [
        Books(each, [row["acct_no"] for row in await connection.fetch(accounts, each)])
        for each in (client_no, sample_client_no)
    ]
    raw = await RawTables.copied(connection, books, sample, _TABLES)

    async def ask_and_write() -> None:
        await raw.ask_one()
        await raw.write_one()

    await serve({WRITE: raw.write_one, ASK_AND_WRITE: ask_and_write})
    await connection.close()


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
