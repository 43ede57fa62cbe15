"""The echo service: what it answers, and how it is wired."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Annotated, Any

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from service_kit.authorisation import AuthorisationTable, ClientScope, Rule
from service_kit.server import ServiceDefinition
from service_kit.settings import ServiceSettings
from tests.support.echo_service.contract import ECHO_SERVICE, echo_pb2, echo_pb2_grpc

CALLERS = frozenset({"caller", "admin"})

ECHO_RULES = AuthorisationTable(
    {
        f"/{ECHO_SERVICE}/Echo": Rule(CALLERS),
        f"/{ECHO_SERVICE}/Count": Rule(CALLERS),
        f"/{ECHO_SERVICE}/Collect": Rule(CALLERS),
        f"/{ECHO_SERVICE}/Converse": Rule(CALLERS),
        f"/{ECHO_SERVICE}/Watch": Rule(frozenset({"admin"}), ClientScope.NONE),
        f"/{ECHO_SERVICE}/Upload": Rule(CALLERS, client_field="file.client_no"),
    }
)


class EchoSettings(ServiceSettings):
    """TALLYBOOK_ECHO_..."""

    model_config = SettingsConfigDict(env_prefix="TALLYBOOK_ECHO_")

    port: Annotated[int, Field(ge=0, le=65535)] = 0
    ledger_target: str | None = None


class EchoServicer:
    """Answers with what it was sent; a test may put its own answer to Echo in `on_echo`."""

    def __init__(self) -> None:
        self.on_echo: Callable[[Any, Any], Awaitable[str]] | None = None
        self.left_streams: list[str] = []

    async def Echo(self, request: Any, context: Any) -> Any:
        if self.on_echo is not None:
            return echo_pb2.EchoResponse(text=await self.on_echo(request, context))
        if request.seconds:
            await asyncio.sleep(request.seconds)
        return echo_pb2.EchoResponse(text=request.text)

    async def Count(self, request: Any, context: Any) -> AsyncIterator[Any]:
        try:
            for number in range(request.up_to):
                yield echo_pb2.EchoResponse(text=str(number))
            if self.on_echo is not None:
                yield echo_pb2.EchoResponse(text=await self.on_echo(request, context))
        finally:
            self.left_streams.append("Count")

    async def Collect(self, requests: Any, _context: Any) -> Any:
        return echo_pb2.EchoResponse(text=" ".join([request.text async for request in requests]))

    async def Converse(self, requests: Any, _context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            yield echo_pb2.EchoResponse(text=request.text)

    async def Watch(self, _request: Any, _context: Any) -> AsyncIterator[Any]:
        try:
            yield echo_pb2.EchoResponse(text="watching")
            await asyncio.Event().wait()
        finally:
            self.left_streams.append("Watch")

    async def Upload(self, requests: Any, _context: Any) -> Any:
        return echo_pb2.EchoResponse(text=str(len([part async for part in requests])))


def echo_definition(
    servicer: EchoServicer,
    *,
    package: str | None = None,
    lifespan: Callable[[EchoSettings], AbstractAsyncContextManager[Any]] | None = None,
) -> ServiceDefinition[EchoSettings, EchoServicer]:
    """The service around `servicer`; lifespan: what surrounds it, e.g. something slow to start."""
    surroundings: Callable[[EchoSettings], AbstractAsyncContextManager[Any]] = lifespan or nullcontext

    @asynccontextmanager
    async def open_servicer(settings: EchoSettings) -> AsyncIterator[EchoServicer]:
        async with surroundings(settings):
            yield servicer

    return ServiceDefinition(
        name="echo",
        error_domain="echo.tallybook",
        package=package,
        grpc_services=(ECHO_SERVICE,),
        settings=EchoSettings,
        authorisation=ECHO_RULES,
        lifespan=open_servicer,
        add_servicers=echo_pb2_grpc.add_EchoServiceServicer_to_server,
        deadlines={f"/{ECHO_SERVICE}/Watch": None},
    )
