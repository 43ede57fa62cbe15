"""Waiting for batch sessions: watch them all until each has ended, or none can go on without a person."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

import grpc

from console.connections import Connections
from console.exit_codes import ExitCode
from tallybook.batch.v1.batch_pb2 import BatchSession, WatchBatchSessionRequest
from tallybook.batch.v1.batch_status_pb2 import BatchStatus

ENDED: Final = frozenset(
    {
        BatchStatus.BATCH_STATUS_OK,
        BatchStatus.BATCH_STATUS_INCOMPLETE,
        BatchStatus.BATCH_STATUS_ERROR,
        BatchStatus.BATCH_STATUS_PARTIAL,
        BatchStatus.BATCH_STATUS_WARNING,
    }
)

NEEDS_A_PERSON: Final = frozenset({BatchStatus.BATCH_STATUS_SUSPENDED, BatchStatus.BATCH_STATUS_INCOMPLETE})
"""What depends on a session in one of these waits until somebody resumes it (rule 23)."""

_MOST_RECONNECTIONS: Final = 10
_RECONNECTION_SECONDS: Final = 1.0
_WATCH_AGAIN: Final = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})


class SessionBoard:
    """The newest known state of the sessions that are waited for."""

    def __init__(self, sessions: Iterable[BatchSession]) -> None:
        """Start from the sessions as they were answered."""
        self._sessions = {session.session_no: session for session in sessions}

    @property
    def sessions(self) -> list[BatchSession]:
        """In the order in which they were given."""
        return list(self._sessions.values())

    def take(self, session: BatchSession) -> bool:
        """Put in a newer state; False for one that is not newer: streams may repeat themselves."""
        known = self._sessions[session.session_no]
        if session.version < known.version:
            return False
        self._sessions[session.session_no] = session
        return session != known

    @property
    def settled(self) -> bool:
        """Whether waiting on is no use: each session has ended, or waits for a person."""
        stuck = self._stuck_processes()
        return all(
            session.status in ENDED or session.process_code in stuck for session in self._sessions.values()
        )

    @property
    def waits_for_a_person(self) -> bool:
        """Whether a session goes on only when somebody resumes it or what it depends on."""
        return any(
            session.status in NEEDS_A_PERSON or session.status not in ENDED
            for session in self._sessions.values()
        )

    @property
    def exit_code(self) -> ExitCode:
        """OK when every session ended as Ok."""
        every_ok = all(session.status == BatchStatus.BATCH_STATUS_OK for session in self._sessions.values())
        return ExitCode.OK if every_ok else ExitCode.FOUND_WRONG

    def _stuck_processes(self) -> set[str]:
        """Processes that wait for a person, directly or because of what they depend on."""
        stuck = {each.process_code for each in self._sessions.values() if each.status in NEEDS_A_PERSON}
        for (
            session
        ) in self._sessions.values():  # in the order in which they run, so one pass follows every chain
            if session.status == BatchStatus.BATCH_STATUS_NEW and session.blocked_by in stuck:
                stuck.add(session.process_code)
        return stuck


async def wait_for_sessions(
    services: Connections,
    sessions: Iterable[BatchSession],
    on_change: Callable[[BatchSession], None] = lambda session: None,
) -> SessionBoard:
    """Watch `sessions` until waiting on is no use, telling each change. Survives a restart of the batch
    service.
    """
    board = SessionBoard(sessions)
    changed = asyncio.Event()

    def take(session: BatchSession) -> None:
        if board.take(session):
            on_change(session)
            changed.set()

    async with asyncio.TaskGroup() as group:
        watchers = [
            group.create_task(_watch(services, session, take))
            for session in board.sessions
            if session.status not in ENDED
        ]
        while not board.settled:
            await changed.wait()
            changed.clear()
        for watcher in watchers:
            watcher.cancel()
    return board


async def _watch(services: Connections, session: BatchSession, take: Callable[[BatchSession], None]) -> None:
    request = WatchBatchSessionRequest(client_no=session.client_no, session_no=session.session_no)
    failures = 0
    status = session.status
    while status not in ENDED:
        try:
            async for response in services.batch.WatchBatchSession(request):
                failures = 0
                status = response.session.status
                take(response.session)
        except grpc.aio.AioRpcError as error:
            failures += 1
            if error.code() not in _WATCH_AGAIN or failures > _MOST_RECONNECTIONS:
                raise
            await asyncio.sleep(_RECONNECTION_SECONDS)
