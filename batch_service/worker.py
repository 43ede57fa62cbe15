"""Works chunks: claims what is delivered, keeps its leases alive, and lets go of what it lost.

A lease is kept by a heartbeat of this process. When the process is killed the heartbeat stops and the chunk
is rescued; when it is frozen and wakes up late, its epoch is outdated and it can't settle.
"""

import asyncio
import contextlib
import os
import secrets
import socket
from dataclasses import dataclass
from typing import Final

import structlog

from batch_service import session_changes, store_chunks, store_sessions
from batch_service.chunks import ChunkTicket, Claim
from batch_service.delivery import ChunkDelivery
from batch_service.processes.contract import ProcessContext, ProcessFault
from batch_service.processes.registry import ProcessRegistry, ProcessResources
from batch_service.rules.splitting import is_worked_alone
from batch_service.sessions import Session
from batch_service.settings import BatchSettings
from batch_service.steps import Interrupted, StepRun, is_transient, run_step, what_is_away
from batch_service.store_chunks import LeaseLostError
from batch_service.unit_of_work import UnitsOfWork
from batch_service.work_room import WorkRoom

_log = structlog.get_logger()

_LONGEST_PAUSE_SECONDS: Final = 30.0


def new_worker_name() -> str:
    """A name that no other worker has: the host and the process, for people, and something random."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"


@dataclass(slots=True)
class _Held:
    """A claim that this worker holds, and the task that works on it."""

    task: asyncio.Task[None]
    stopping: bool = False
    gone: bool = False
    """The claim was not there any more at the last heartbeat."""


class Worker:
    """Works chunks until it is stopped, `settings.workers` at a time."""

    def __init__(
        self,
        units: UnitsOfWork,
        processes: ProcessRegistry,
        delivery: ChunkDelivery,
        resources: ProcessResources,
        settings: BatchSettings,
        name: str,
    ) -> None:
        self._units = units
        self._processes = processes
        self._delivery = delivery
        self._resources = resources
        self._settings = settings
        self._name = name
        self._actor = f"batch:{name}"
        self._held: dict[ChunkTicket, _Held] = {}
        self._room = WorkRoom()
        self._stopping = False

    async def run(self) -> None:
        """Work until `stop`; then finish what is claimed, for at most `drain_seconds`, and give back the
        rest.
        """
        heartbeat = asyncio.create_task(self._keep_leases(), name="batch heartbeat")
        try:
            await self._delivery.run(self._take, self._settings.workers)
        finally:
            heartbeat.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await heartbeat

    def stop(self) -> None:
        """Take no more chunks. Those that are not done in time are given back."""
        self._stopping = True
        self._delivery.stop()
        asyncio.get_running_loop().call_later(self._settings.drain_seconds, self._cancel_all)

    async def _take(self, ticket: ChunkTicket) -> None:
        """Claim a chunk and work it, whatever comes of it; never raises."""
        try:
            async with self._units.read() as connection:
                losses = await store_chunks.losses(connection, ticket)
        except Exception:  # noqa: BLE001  # it is delivered again
            _log.exception("a chunk could not be looked at now", session_no=ticket.session_no)
            return
        async with self._room.entered(alone=is_worked_alone(losses, self._settings.losses_allowed)):
            claim = None if self._stopping else await self._claim(ticket)
            if claim is not None:
                await self._hold(claim)

    async def _claim(self, ticket: ChunkTicket) -> Claim | None:
        try:
            async with self._units.begin() as unit:
                return await store_chunks.claim(
                    unit.connection, ticket, self._name, self._settings.lease_seconds
                )
        except Exception:  # noqa: BLE001  # nothing is claimed, or its lease runs out
            _log.exception("a chunk could not be claimed now", session_no=ticket.session_no)
            return None

    async def _hold(self, claim: Claim) -> None:
        task = asyncio.create_task(self._work(claim), name=f"chunk {claim.ticket}")
        self._held[claim.ticket] = _Held(task)
        try:
            await asyncio.wait({task})
        finally:
            held = self._held.pop(claim.ticket)
        if task.cancelled():
            await self._let_go(claim, lost=held.gone)
        elif failure := task.exception():
            _log.error("a claim could not be ended, its lease runs out", exc_info=failure)

    async def _let_go(self, claim: Claim, *, lost: bool) -> None:
        """The work was cancelled: by the loss of its lease, or because this worker stops and gives it
        back.
        """
        if lost:
            _log.warning("a lease was lost, its work was broken off", chunk=claim.ticket)
            return
        try:
            async with self._units.begin() as unit:
                await session_changes.give_back(unit, claim.ticket, actor=self._actor)
        except Exception:  # noqa: BLE001  # then its lease runs out
            _log.warning("a chunk could not be given back", chunk=claim.ticket, exc_info=True)

    async def _work(self, claim: Claim) -> None:
        try:
            await run_step(self._units, await self._step_run(claim))
        except LeaseLostError:
            _log.warning("a lease was lost, its results are void", chunk=claim.ticket)
        except Interrupted:
            async with self._units.begin() as unit:
                await session_changes.break_off(unit, claim.ticket, actor=self._actor)
        except ProcessFault as fault:
            await self._fail(claim, str(fault))
        except Exception as failure:  # noqa: BLE001  # whatever it is, the session must not hang
            if is_transient(failure):
                await self._put_off(claim, failure)
            else:
                _log.exception("a step failed", chunk=claim.ticket)
                await self._fail(claim, f"an unexpected {type(failure).__name__}, see the log of the worker")

    async def _step_run(self, claim: Claim) -> StepRun:
        async with self._units.read() as connection:
            session = await store_sessions.find_session(connection, claim.ticket.session_id)
        assert session is not None, f"{claim} belongs to no session"
        process = self._processes.find(session.process_code)
        if process is None:
            raise ProcessFault(f"this worker does not know the process {session.process_code}")
        return StepRun(claim, process, self._context(claim, session), self._actor)

    def _context(self, claim: Claim, session: Session) -> ProcessContext:
        def interrupted() -> bool:
            held = self._held.get(claim.ticket)
            return held is None or held.stopping

        return ProcessContext(
            client_no=session.client_no,
            session_no=session.session_no,
            business_date=session.business_date,
            attempt=session.attempt,
            file_name=session.file_name,
            actor=session.queued_by,
            clock=self._resources.clock,
            engine=self._resources.engine,
            interrupted=interrupted,
        )

    async def _fail(self, claim: Claim, message: str) -> None:
        try:
            async with self._units.begin() as unit:
                await session_changes.fail(unit, claim.ticket, actor=self._actor, message=message)
        except LeaseLostError:
            _log.warning("a lease was lost, its fault is void", chunk=claim.ticket, fault=message)

    async def _put_off(self, claim: Claim, failure: Exception) -> None:
        """Something can't be reached: rest, for a bounded time, then give up."""
        cause = what_is_away(failure)
        _log.warning("a chunk has to wait", chunk=claim.ticket, cause=cause)
        async with self._units.begin() as unit:
            waited = await store_chunks.waited(unit.connection, claim.ticket)
            if waited < self._settings.transient_seconds:
                await session_changes.put_off(
                    unit,
                    claim.ticket,
                    _LONGEST_PAUSE_SECONDS,
                    actor=self._actor,
                    message=f"waits and tries again: {cause}",
                )
            else:
                message = f"gave up after {waited:.0f} s: {cause}"
                await session_changes.fail(unit, claim.ticket, actor=self._actor, message=message)

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(self._settings.lease_seconds / 3)
            if not self._held:
                continue
            asked = dict(self._held)
            try:
                async with self._units.begin() as unit:
                    kept = await store_chunks.keep(unit.connection, list(asked), self._settings.lease_seconds)
            except Exception:  # noqa: BLE001  # a lease lasts for three heartbeats
                _log.warning("leases could not be renewed now", exc_info=True)
                continue
            for ticket, held in asked.items():
                if ticket in kept:
                    held.stopping = kept[ticket]
                elif ticket in self._held:
                    # A task that has just settled its chunk has no claim left either, and still has to
                    # deliver what comes next. Who is not done with that by the next heartbeat lost the lease.
                    if held.gone:
                        held.task.cancel()
                    held.gone = True

    def _cancel_all(self) -> None:
        for held in self._held.values():
            held.task.cancel()
