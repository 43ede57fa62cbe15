"""Lets those who watch sessions know of a change: at once if it was made in this process, else by looking."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from batch_service import store_sessions
from batch_service.sessions import Session, SessionId

# How late a watcher may learn of what another process did.
_LOOK_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class _Watcher:
    """Somebody who knows a version of a session, and waits for the next."""

    session_id: SessionId
    version: int
    woken: asyncio.Future[None]


class SessionWatch:
    """All watchers of this process. One look serves all of them, however many they are."""

    def __init__(self, read: Callable[[], AbstractAsyncContextManager[AsyncConnection]]) -> None:
        self._read = read
        self._watchers: set[_Watcher] = set()
        self._looking: asyncio.Task[None] | None = None

    async def until_changed(self, session: Session) -> None:
        """Return once the session is likely to be another than this."""
        watcher = _Watcher(session.id, session.version, asyncio.get_running_loop().create_future())
        self._watchers.add(watcher)
        if self._looking is None:
            self._looking = asyncio.create_task(self._keep_looking(), name="watch of sessions")
        try:
            await watcher.woken
        finally:
            self._watchers.discard(watcher)

    def tell(self, session_id: SessionId) -> None:
        """Say that a session was changed. Cheap, never waits."""
        _wake(watcher for watcher in self._watchers if watcher.session_id == session_id)

    async def _keep_looking(self) -> None:
        try:
            while self._watchers:
                await asyncio.sleep(_LOOK_SECONDS)
                await self._look([watcher for watcher in self._watchers if not watcher.woken.done()])
        finally:
            self._looking = None

    async def _look(self, watchers: Sequence[_Watcher]) -> None:
        if not watchers:
            return
        try:
            async with self._read() as connection:
                versions = await store_sessions.session_versions(
                    connection, {watcher.session_id for watcher in watchers}
                )
        except Exception as failure:  # noqa: BLE001  # whatever it is, it is told to those who asked
            for watcher in watchers:
                if not watcher.woken.done():
                    watcher.woken.set_exception(failure)
            return
        _wake(watcher for watcher in watchers if versions.get(watcher.session_id) != watcher.version)


def _wake(watchers: Iterable[_Watcher]) -> None:
    for watcher in watchers:
        if not watcher.woken.done():
            watcher.woken.set_result(None)
