"""The least that a call which posts a check can cost: one that only writes its two rows.

`python -m benchmarks.writing_echo URL CLIENT_NO SAMPLE_CLIENT_NO` is an echo service (see `echo`). Each call
writes what the one document of the sample is made of, for the other client, to copies of the tables, with the
update of the balance, by one prepared statement in a durable commit: the first two methods each call by
itself, the third all calls that wait together. Nothing is decided or numbered, and only the second asks
anything.
"""

import asyncio
import sys
from typing import Final

import asyncpg
import uvloop

from benchmarks.echo import serve
from benchmarks.raw_copy import CHECK_TABLES, RawTables, read_books
from ledger_service.posting_queue import TURNS_AT_THE_DOOR
from ledger_service.store_books import POSTING_SETTINGS

WRITE: Final = "Write"
ASK_AND_WRITE: Final = "AskAndWrite"
WRITE_TOGETHER: Final = "WriteTogether"


class _GroupWriter:
    """Writes a document for each that waits when the group before is written."""

    def __init__(self, raw: RawTables) -> None:
        self._raw = raw
        self._waiting: list[asyncio.Future[None]] = []
        self._at_work: asyncio.Task[None] | None = None

    async def write(self) -> None:
        """Write a document, with those of others."""
        written = asyncio.get_running_loop().create_future()
        self._waiting.append(written)
        if self._at_work is None:
            self._at_work = asyncio.create_task(self._write_all())
        await written

    async def _write_all(self) -> None:
        while self._waiting:
            await self._let_in()
            group, self._waiting = self._waiting, []
            failure = None
            try:
                await self._raw.write_many(len(group))
            except Exception as failed:  # noqa: BLE001  # whatever it is, somebody waits for it
                failure = failed
            for written in group:
                if written.done():  # the caller has gone
                    continue
                if failure is None:
                    written.set_result(None)
                else:
                    written.set_exception(failure)
        self._at_work = None

    async def _let_in(self) -> None:
        """As the ledger's queue does."""
        before = 0
        while before < len(self._waiting):
            before = len(self._waiting)
            for _ in range(TURNS_AT_THE_DOOR):
                await asyncio.sleep(0)


async def _serve(url: str, client_no: int, sample_client_no: int) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(POSTING_SETTINGS)
    books, sample = [await read_books(connection, each) for each in (client_no, sample_client_no)]
    raw = await RawTables.copied(connection, books, sample, CHECK_TABLES)

    async def ask_and_write() -> None:
        await raw.ask_one()
        await raw.write_one()

    group = _GroupWriter(raw)
    await serve({WRITE: raw.write_one, ASK_AND_WRITE: ask_and_write, WRITE_TOGETHER: group.write})
    await connection.close()


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
