"""Carries the outbox to the audit service, at least once and in order, whatever fails on the way."""

from contextlib import AbstractAsyncContextManager

from sqlalchemy.ext.asyncio import AsyncEngine

from service_kit.settings import ServiceSettings


class Relay:
    """The task that carries the outbox. One for each process; several on one database take turns."""

    def wake(self) -> None:
        """Say that there is something new in the outbox. Cheap, never waits."""
        raise NotImplementedError

    async def flush(self, seconds: float) -> bool:
        """Wait until the outbox is empty, at most `seconds`; whether it is."""
        raise NotImplementedError


def running_relay(settings: ServiceSettings, engine: AsyncEngine) -> AbstractAsyncContextManager[Relay]:
    """`async with running_relay(settings, engine) as relay:` runs it, and flushes (bounded) at the end.

    Without `settings.audit_target` nothing is sent and events wait in the outbox.
    """
    raise NotImplementedError
