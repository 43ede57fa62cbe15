"""A transaction of the batch engine, with what follows its commit: deliveries, audit events, and who has to
look.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from batch_service.chunks import ChunkTicket
from batch_service.delivery import ChunkDelivery
from batch_service.session_watch import SessionWatch
from batch_service.sessions import SessionId
from service_kit import outbox
from service_kit.clock import Clock
from service_kit.database import reading
from service_kit.outbox import OutboxEvent

_log = structlog.get_logger()


@dataclass(slots=True)
class UnitOfWork:
    """One transaction.

    now: the one instant at which everything in it happened.
    redelivery: after how many seconds a chunk that nobody took is delivered again.
    """

    connection: AsyncConnection
    now: datetime
    redelivery: float
    tickets: list[ChunkTicket] = field(default_factory=list)
    events: list[OutboxEvent] = field(default_factory=list)
    clients_to_look_at: set[int] = field(default_factory=set)
    changed: set[SessionId] = field(default_factory=set)

    def deliver(self, tickets: Sequence[ChunkTicket]) -> None:
        """Deliver chunks once this is committed; earlier a worker would not find them."""
        self.tickets.extend(tickets)

    def show(self, session_id: SessionId) -> None:
        """Let those who watch a session know of its change once this is committed."""
        self.changed.add(session_id)

    def tell(self, event: OutboxEvent) -> None:
        """Store an audit event with the change."""
        self.events.append(event)

    def look_at(self, client_no: int) -> None:
        """Once this is committed, let the coordinator see whether sessions of the client can start."""
        self.clients_to_look_at.add(client_no)


class UnitsOfWork:
    """Begins units of work. `on_commit` is called for each client that has to be looked at; `wake_relay` when
    there are audit events to send.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        clock: Clock,
        delivery: ChunkDelivery,
        *,
        redelivery: float,
        wake_relay: Callable[[], None] = lambda: None,
    ) -> None:
        self._engine = engine
        self._reading = reading(engine)
        self._clock = clock
        self._delivery = delivery
        self._redelivery = redelivery
        self._wake_relay = wake_relay
        self.watch = SessionWatch(self.read)
        self.on_commit: Callable[[int], None] = lambda _client_no: None

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[UnitOfWork]:
        """A transaction that commits at the end of the block, or is rolled back by an exception."""
        async with self._engine.begin() as connection:
            unit = UnitOfWork(connection, self._clock.now(), self._redelivery)
            yield unit
            await outbox.append(connection, unit.events)
        if unit.events:
            self._wake_relay()
        for client_no in unit.clients_to_look_at:
            self.on_commit(client_no)
        for session_id in unit.changed:
            self.watch.tell(session_id)
        if unit.tickets:
            await self._defer(unit.tickets)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection that only reads."""
        async with self._reading.connect() as connection:
            yield connection

    async def _defer(self, tickets: Sequence[ChunkTicket]) -> None:
        try:
            await self._delivery.defer(tickets)
        except asyncio.CancelledError:
            raise
        except Exception:  # noqa: BLE001  # the change is committed; the sweeper delivers it
            _log.warning("chunks could not be delivered now", chunks=len(tickets), exc_info=True)
