"""What a call of many checks costs whose rows are written, and nothing more.

`python -m benchmarks.bare_posting URL CLIENT_NO SAMPLE_CLIENT_NO` serves PostTransactions as the ledger does,
for calls of checks. It reads accounts, amounts and reference codes from the drafts, COPYs the two rows of
each to copies of the tables, with the update of the balances in the same durable commit, and answers with
their numbers. What else is in a row comes from the one document of the sample. Nothing is checked, asked or
decided; there are no keys, digests or audit events, and numbers are counted in memory.
"""

import asyncio
import sys
from operator import attrgetter
from typing import Final

import asyncpg
import grpc
import uvloop

from benchmarks import echo
from benchmarks.raw_copy import CHECK_TABLES, RawTables, read_books
from benchmarks.stand import CHANNEL_OPTIONS
from ledger_service.service import collect_garbage_less_often
from ledger_service.store_books import POSTING_SETTINGS
from tallybook.ledger.v1 import ledger_pb2

_SERVICE: Final = ledger_pb2.DESCRIPTOR.services_by_name["LedgerService"].full_name
_SCHEMA: Final = "bare"
# Calls that post on the same accounts wait for each other's commits, on however many connections.
_CONNECTIONS: Final = 4


class _BarePosting:
    """Writes what it is told."""

    def __init__(self, raw: RawTables, connections: "asyncio.Queue[asyncpg.Connection]") -> None:
        self._raw = raw
        self._connections = connections

    async def post(
        self, request: ledger_pb2.PostTransactionsRequest, _: object
    ) -> ledger_pb2.PostTransactionsResponse:
        """All drafts in a commit."""
        drafts = request.drafts
        payments = map(attrgetter("external_payment"), drafts)
        amounts = map(attrgetter("amount"), drafts)
        commit = self._raw.commit_of(
            {
                "acct_no": list(map(attrgetter("acct_no"), drafts)),
                "amount": list(map(attrgetter("minor_units"), amounts)),
                "reference_code": list(map(attrgetter("reference_code"), payments)),
            }
        )
        connection = await self._connections.get()
        try:
            await self._raw.write(connection, [commit])
        finally:
            self._connections.put_nowait(connection)
        response = ledger_pb2.PostTransactionsResponse()
        for event_no, source_no in commit.numbers:
            response.results.add().transactions.add(event_no=event_no, source_no=source_no)
        return response


async def _serve(url: str, client_no: int, sample_client_no: int) -> None:
    opened = [await asyncpg.connect(url) for _ in range(_CONNECTIONS)]
    connections: asyncio.Queue[asyncpg.Connection] = asyncio.Queue()
    for connection in opened:
        await connection.execute(POSTING_SETTINGS)
        connections.put_nowait(connection)
    books, sample = [await read_books(opened[0], each) for each in (client_no, sample_client_no)]
    raw = await RawTables.copied(opened[0], books, sample, CHECK_TABLES, _SCHEMA)
    handler = grpc.unary_unary_rpc_method_handler(
        _BarePosting(raw, connections).post,
        request_deserializer=ledger_pb2.PostTransactionsRequest.FromString,
        response_serializer=ledger_pb2.PostTransactionsResponse.SerializeToString,
    )
    server = grpc.aio.server(options=CHANNEL_OPTIONS)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(_SERVICE, {"PostTransactions": handler}),)
    )
    collect_garbage_less_often()
    await echo.serve_until_input_ends(server)
    await raw.drop()
    for connection in opened:
        await connection.close()


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
