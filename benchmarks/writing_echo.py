"""The least that a call which posts a check can cost: one that only writes its two rows.

`python -m benchmarks.writing_echo URL CLIENT_NO SAMPLE_CLIENT_NO` is an echo service (see `echo`). Each call
writes what the one document of the sample is made of, for the other client, to copies of the tables, with the
update of the balance, by one prepared statement in a durable commit: the first two methods each call by
itself, the third all calls that wait together. Nothing is decided or numbered, and only the second asks
anything.
"""

import asyncio
import sys
from contextlib import suppress
from typing import Any, Final

import asyncpg
import uvloop

from benchmarks.echo import serve
from benchmarks.raw_copy import CHECK_TABLES, RawTables, read_books
from ledger_service.posting_queue import PostingQueue, WaitingRequest
from ledger_service.store_books import POSTING_SETTINGS

_NO_LIMIT: Final = sys.maxsize
# The queue does not look at what is asked for.
_NOTHING: Final[Any] = None

WRITE: Final = "Write"
ASK_AND_WRITE: Final = "AskAndWrite"
WRITE_TOGETHER: Final = "WriteTogether"


class _GroupWriter:
    """Writes a document for each that waits when the group before is written; they wait as in the ledger."""

    def __init__(self, raw: RawTables) -> None:
        self._raw = raw
        self._queue = PostingQueue(size=_NO_LIMIT)

    async def write(self) -> None:
        """Write a document, with those of others."""
        written = asyncio.get_running_loop().create_future()
        self._queue.put(WaitingRequest(_NOTHING, 1, written))
        await written

    async def run(self) -> None:
        """Write what waits, for ever."""
        while True:
            group = await self._queue.take(_NO_LIMIT)
            failure = None
            try:
                await self._raw.write_many(len(group))
            except Exception as failed:  # noqa: BLE001  # whatever it is, somebody waits for it
                failure = failed
            for waiting in group:
                if waiting.answer.done():  # the caller has gone
                    continue
                if failure is None:
                    waiting.answer.set_result(b"")
                else:
                    waiting.answer.set_exception(failure)
            self._queue.done(group)


async def _serve(url: str, client_no: int, sample_client_no: int) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(POSTING_SETTINGS)
    books, sample = [await read_books(connection, each) for each in (client_no, sample_client_no)]
    raw = await RawTables.copied(connection, books, sample, CHECK_TABLES)

    async def ask_and_write() -> None:
        await raw.ask_one()
        await raw.write_one()

    group = _GroupWriter(raw)
    at_work = asyncio.create_task(group.run())
    await serve({WRITE: raw.write_one, ASK_AND_WRITE: ask_and_write, WRITE_TOGETHER: group.write})
    at_work.cancel()
    with suppress(asyncio.CancelledError):
        await at_work
    await connection.close()


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
