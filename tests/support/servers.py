"""Servers inside of the test's process, and what it takes to call them.

Fixture: `start_server` (a factory: `channel = await start_server(definition, settings)` starts the server on
a port that the system chooses, and is a channel to it; both are closed after the test).
"""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest

from service_kit.server import ServiceDefinition, running_server
from service_kit.settings import ServiceSettings

StartServer = Callable[[ServiceDefinition[Any, Any], ServiceSettings], Awaitable[grpc.aio.Channel]]


@pytest.fixture
async def start_server() -> AsyncIterator[StartServer]:
    """A factory of servers in this process; give their settings port 0 and development_principal=True."""
    async with AsyncExitStack() as stack:

        async def start(
            definition: ServiceDefinition[Any, Any], settings: ServiceSettings
        ) -> grpc.aio.Channel:
            server = await stack.enter_async_context(running_server(definition, settings))
            channel = grpc.aio.insecure_channel(f"{settings.host}:{server.port}")
            return await stack.enter_async_context(channel)

        yield start


def free_port() -> int:
    """A TCP port of this machine that nobody uses now. Where port 0 will do, that is safer."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
