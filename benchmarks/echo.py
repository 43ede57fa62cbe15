"""Empty gRPC services, the limits of what single calls can reach: grpc.aio on uvloop, in one process.

`python -m benchmarks.echo` serves on a port that the system chooses, prints it, and stops with its standard
input. It does nothing; `benchmarks.writing_echo` writes to the database.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from subprocess import PIPE, Popen
from typing import Final

import grpc
import uvloop
from google.protobuf.empty_pb2 import Empty

_SERVICE: Final = "tallybook.benchmarks.Echo"
METHOD: Final = f"/{_SERVICE}/Echo"


async def serve(answer: Callable[[Empty, object], Awaitable[Empty]]) -> None:
    """Serve until the standard input ends."""
    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(
        answer, request_deserializer=Empty.FromString, response_serializer=Empty.SerializeToString
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, {"Echo": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(grace=None)


@contextmanager
def running_echo(module: str = "benchmarks.echo", *arguments: str) -> Iterator[tuple[str, int]]:
    """The address and the process id of an echo service in a process of its own."""
    command = [sys.executable, "-m", module, *arguments]
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"127.0.0.1:{process.stdout.readline().strip()}", process.pid
        finally:
            process.stdin.close()


async def _echo(request: Empty, _: object) -> Empty:
    return request


if __name__ == "__main__":
    uvloop.run(serve(_echo))
