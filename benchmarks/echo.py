"""Empty gRPC services, the limits of what single calls can reach: grpc.aio on uvloop, in one process.

`python -m benchmarks.echo` serves on a port that the system chooses, prints it, and stops with its standard
input. It does nothing; `benchmarks.writing_echo` and `benchmarks.bare_posting` write to the database.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from subprocess import PIPE, Popen
from typing import Final

import grpc
import uvloop
from google.protobuf.empty_pb2 import Empty

_SERVICE: Final = "tallybook.benchmarks.Echo"
ECHO: Final = "Echo"


def call_of(channel: grpc.aio.Channel, method: str) -> Callable[[Empty], Awaitable[Empty]]:
    """What calls a method of a service that is served by `serve`."""
    return channel.unary_unary(
        f"/{_SERVICE}/{method}",
        request_serializer=Empty.SerializeToString,
        response_deserializer=Empty.FromString,
    )


async def serve(methods: Mapping[str, Callable[[], Awaitable[None]]]) -> None:
    """Serve until the standard input ends. methods: what each does before it answers, by its name."""
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(
            _answering(work),
            request_deserializer=Empty.FromString,
            response_serializer=Empty.SerializeToString,
        )
        for name, work in methods.items()
    }
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, handlers),))
    await serve_until_input_ends(server)


async def serve_until_input_ends(server: grpc.aio.Server) -> None:
    """Serve on a port that the system chooses, which is printed."""
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(grace=None)


@contextmanager
def running_service(module: str = "benchmarks.echo", *arguments: str) -> Iterator[tuple[str, int]]:
    """The address and the process id of a service of this kind in a process of its own."""
    command = [sys.executable, "-m", module, *arguments]
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"127.0.0.1:{process.stdout.readline().strip()}", process.pid
        finally:
            process.stdin.close()


def _answering(work: Callable[[], Awaitable[None]]) -> Callable[[Empty, object], Awaitable[Empty]]:
    async def answer(request: Empty, _: object) -> Empty:
        await work()
        return request

    return answer


async def _nothing() -> None:
    """All that the empty call does."""


if __name__ == "__main__":
    uvloop.run(serve({ECHO: _nothing}))
