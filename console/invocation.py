"""What one call of the command works with: the screen, and the way to the services."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import typer
from google.protobuf.message import Message
from rich.console import RenderableType

from console.connections import Connections, Targets
from console.paging import FirstRows
from console.rendering import Screen

Answer = TypeVar("Answer")
Document = TypeVar("Document", bound=Message)


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of the command."""

    targets: Targets = field(default_factory=Targets)
    screen: Screen = field(default_factory=Screen)

    @classmethod
    def of(cls, context: typer.Context) -> "Invocation":
        """The invocation that the global options made."""
        invocation = context.find_object(cls)
        assert invocation is not None, "the root callback makes it before any command runs"
        return invocation

    def ask(self, question: Callable[[Connections], Awaitable[Answer]]) -> Answer:
        """Put a question to the services on an event loop of its own and return the answer."""

        async def connected() -> Answer:
            async with Connections(self.targets) as services:
                return await question(services)

        return asyncio.run(connected())

    def note_more(self, first_rows: FirstRows[Any], limit: int) -> None:
        """Say beside the answer that it is not all: who adds up a list has to know."""
        if first_rows.more:
            self.screen.note(f"These are the first {limit:,}, there are more: --limit N shows N", "yellow")

    def show(self, answer: Document, view: Callable[[Document], RenderableType], *, as_json: bool) -> None:
        """Write an answer: as a document for programs, or as its view for people."""
        if as_json:
            self.screen.document(answer)
        else:
            self.screen.show(view(answer))
