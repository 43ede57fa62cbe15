"""BatchService: the contract in the words of the engine, and back."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date
from typing import Any, Final, TypeVar

import grpc
from google.protobuf.message import Message
from google.type.date_pb2 import Date

from batch_service.business_dates import BusinessDates
from batch_service.processes.contract import BatchProcess, RecordOutcome
from batch_service.processes.registry import ProcessRegistry
from batch_service.queueing import SessionQueue
from batch_service.rules.statuses import ENDED, BatchStatus
from batch_service.servicers.texts import storable
from batch_service.sessions import Session, SessionFilter, SessionId
from batch_service.snapshots import record_to_proto, session_to_proto
from batch_service.steering import SessionSteering, SteeredProcess, require_session
from batch_service.store_requests import answered_once
from batch_service.store_sessions import (
    find_session,
    list_records,
    list_sessions,
    suspended_processes,
)
from batch_service.unit_of_work import UnitOfWork, UnitsOfWork
from service_kit.dates import date_from_proto
from service_kit.errors import invalid_field
from service_kit.paging import page_size, page_start, page_token
from service_kit.principal import current_principal
from tallybook.batch.v1 import batch_pb2, batch_pb2_grpc

Response = TypeVar("Response", bound=Message)
Context = grpc.aio.ServicerContext[Any, Any]

_DEFAULT_PAGE: Final = 100


class BatchServicer(batch_pb2_grpc.BatchServiceServicer):
    """Runs the batch processes and shows what they did."""

    def __init__(self, units: UnitsOfWork, processes: ProcessRegistry, business_dates: BusinessDates) -> None:
        self._units = units
        self._processes = processes
        self._business_dates = business_dates
        self._queue = SessionQueue(processes)
        self._steering = SessionSteering(processes)

    async def ListBatchProcesses(
        self, request: batch_pb2.ListBatchProcessesRequest, context: Context
    ) -> batch_pb2.ListBatchProcessesResponse:
        """The processes in the order in which they run."""
        async with self._units.read() as connection:
            suspended = await suspended_processes(connection, request.client_no)
        return batch_pb2.ListBatchProcessesResponse(
            processes=[_process_to_proto(process, process.code in suspended) for process in self._processes]
        )

    async def RunDailyCycle(
        self, request: batch_pb2.RunDailyCycleRequest, context: Context
    ) -> batch_pb2.RunDailyCycleResponse:
        """Queue the daily processes."""

        async def answer(unit: UnitOfWork) -> batch_pb2.RunDailyCycleResponse:
            sessions = await self._queue.run_daily_cycle(
                unit, request.client_no, await self._business_date(request, unit), actor=_actor()
            )
            return batch_pb2.RunDailyCycleResponse(sessions=map(session_to_proto, sessions))

        return await self._once(request, batch_pb2.RunDailyCycleResponse, answer)

    async def RunBatchProcess(
        self, request: batch_pb2.RunBatchProcessRequest, context: Context
    ) -> batch_pb2.RunBatchProcessResponse:
        """Queue one process."""

        async def answer(unit: UnitOfWork) -> batch_pb2.RunBatchProcessResponse:
            session = await self._queue.run_process(
                unit,
                request.client_no,
                await self._business_date(request, unit),
                request.process_code,
                rerun=request.rerun,
                actor=_actor(),
            )
            return batch_pb2.RunBatchProcessResponse(session=session_to_proto(session))

        return await self._once(request, batch_pb2.RunBatchProcessResponse, answer)

    async def GetBatchSession(
        self, request: batch_pb2.GetBatchSessionRequest, context: Context
    ) -> batch_pb2.GetBatchSessionResponse:
        """A session with its jobs."""
        session = await self._session(SessionId(request.client_no, request.session_no))
        return batch_pb2.GetBatchSessionResponse(session=session_to_proto(session))

    async def ListBatchSessions(
        self, request: batch_pb2.ListBatchSessionsRequest, context: Context
    ) -> batch_pb2.ListBatchSessionsResponse:
        """Sessions, newest first."""
        limit = page_size(request.page_size, default=_DEFAULT_PAGE)
        start = page_start(request, int)
        async with self._units.read() as connection:
            found = await list_sessions(
                connection, _session_filter(request), before=start and start[0], limit=limit + 1
            )
        shown = found[:limit]
        more = len(found) > limit
        return batch_pb2.ListBatchSessionsResponse(
            sessions=map(session_to_proto, shown),
            next_page_token=page_token(request, [shown[-1].session_no]) if more else "",
        )

    async def ListBatchRecords(
        self, request: batch_pb2.ListBatchRecordsRequest, context: Context
    ) -> batch_pb2.ListBatchRecordsResponse:
        """Records, by number."""
        session_id = SessionId(request.client_no, request.session_no)
        limit = page_size(request.page_size, default=_DEFAULT_PAGE)
        start = page_start(request, int)
        outcomes = [RecordOutcome(outcome) for outcome in request.outcomes]
        async with self._units.read() as connection:
            require_session(await find_session(connection, session_id), session_id)
            found = await list_records(
                connection, session_id, outcomes, after=start[0] if start else 0, limit=limit + 1
            )
        shown = found[:limit]
        more = len(found) > limit
        return batch_pb2.ListBatchRecordsResponse(
            records=map(record_to_proto, shown),
            next_page_token=page_token(request, [shown[-1].record_no]) if more else "",
        )

    async def WatchBatchSession(
        self, request: batch_pb2.WatchBatchSessionRequest, context: Context
    ) -> AsyncIterator[batch_pb2.WatchBatchSessionResponse]:
        """The session now, and whenever it has changed; the last message shows how it ended."""
        session_id = SessionId(request.client_no, request.session_no)
        while True:
            session = await self._session(session_id)
            yield batch_pb2.WatchBatchSessionResponse(session=session_to_proto(session))
            if session.status in ENDED:
                return
            await self._units.watch.until_changed(session)

    async def SuspendBatchProcess(
        self, request: batch_pb2.SuspendBatchProcessRequest, context: Context
    ) -> batch_pb2.SuspendBatchProcessResponse:
        """Suspend a process of a client."""

        async def answer(unit: UnitOfWork) -> batch_pb2.SuspendBatchProcessResponse:
            steered = await self._steering.suspend_process(
                unit,
                request.client_no,
                request.process_code,
                actor=_actor(),
                comment=storable(request.comment, "comment"),
            )
            return batch_pb2.SuspendBatchProcessResponse(
                process=_process_to_proto(steered.process, suspended=True), sessions=_sessions(steered)
            )

        return await self._once(request, batch_pb2.SuspendBatchProcessResponse, answer)

    async def ResumeBatchProcess(
        self, request: batch_pb2.ResumeBatchProcessRequest, context: Context
    ) -> batch_pb2.ResumeBatchProcessResponse:
        """Lift the suspension of a process."""

        async def answer(unit: UnitOfWork) -> batch_pb2.ResumeBatchProcessResponse:
            steered = await self._steering.resume_process(
                unit,
                request.client_no,
                request.process_code,
                actor=_actor(),
                comment=storable(request.comment, "comment"),
            )
            return batch_pb2.ResumeBatchProcessResponse(
                process=_process_to_proto(steered.process, suspended=False), sessions=_sessions(steered)
            )

        return await self._once(request, batch_pb2.ResumeBatchProcessResponse, answer)

    async def InterruptBatchSession(
        self, request: batch_pb2.InterruptBatchSessionRequest, context: Context
    ) -> batch_pb2.InterruptBatchSessionResponse:
        """Interrupt a session."""

        async def answer(unit: UnitOfWork) -> batch_pb2.InterruptBatchSessionResponse:
            session = await self._steering.interrupt(
                unit,
                SessionId(request.client_no, request.session_no),
                actor=_actor(),
                comment=storable(request.comment, "comment"),
            )
            return batch_pb2.InterruptBatchSessionResponse(session=session_to_proto(session))

        return await self._once(request, batch_pb2.InterruptBatchSessionResponse, answer)

    async def ResumeBatchSession(
        self, request: batch_pb2.ResumeBatchSessionRequest, context: Context
    ) -> batch_pb2.ResumeBatchSessionResponse:
        """Go on with an Incomplete session."""

        async def answer(unit: UnitOfWork) -> batch_pb2.ResumeBatchSessionResponse:
            session = await self._steering.resume(
                unit, SessionId(request.client_no, request.session_no), actor=_actor()
            )
            return batch_pb2.ResumeBatchSessionResponse(session=session_to_proto(session))

        return await self._once(request, batch_pb2.ResumeBatchSessionResponse, answer)

    async def RetryFailedRecords(
        self, request: batch_pb2.RetryFailedRecordsRequest, context: Context
    ) -> batch_pb2.RetryFailedRecordsResponse:
        """Work the failed records of a session once more."""

        async def answer(unit: UnitOfWork) -> batch_pb2.RetryFailedRecordsResponse:
            session = await self._steering.retry_failed(
                unit, SessionId(request.client_no, request.session_no), actor=_actor()
            )
            return batch_pb2.RetryFailedRecordsResponse(session=session_to_proto(session))

        return await self._once(request, batch_pb2.RetryFailedRecordsResponse, answer)

    async def _once(
        self,
        request: Message,
        response_type: type[Response],
        answer: Callable[[UnitOfWork], Awaitable[Response]],
    ) -> Response:
        """Answer a request that changes something, in one transaction, and once for its request_id."""
        async with self._units.begin() as unit:
            return await answered_once(unit.connection, request, response_type, lambda: answer(unit))

    async def _session(self, session_id: SessionId) -> Session:
        async with self._units.read() as connection:
            return require_session(await find_session(connection, session_id), session_id)

    async def _business_date(
        self, request: batch_pb2.RunDailyCycleRequest | batch_pb2.RunBatchProcessRequest, unit: UnitOfWork
    ) -> date:
        if request.HasField("business_date"):
            return date_from_proto(request.business_date, "business_date")
        return await self._business_dates.today(unit.connection, request.client_no)


def _actor() -> str:
    return current_principal().subject


def _sessions(steered: SteeredProcess) -> list[batch_pb2.BatchSession]:
    return [session_to_proto(session) for session in steered.sessions]


def _process_to_proto(process: BatchProcess, suspended: bool) -> batch_pb2.BatchProcess:
    return batch_pb2.BatchProcess(
        batch_no=process.batch_no,
        process_code=process.code,
        name=process.name,
        purpose=process.purpose,
        depends_on=process.depends_on,
        in_daily_cycle=process.in_daily_cycle,
        suspended=suspended,
    )


def _session_filter(request: batch_pb2.ListBatchSessionsRequest) -> SessionFilter:
    wanted = SessionFilter(
        client_no=request.client_no,
        business_date_from=_day(request, "business_date_from"),
        business_date_to=_day(request, "business_date_to"),
        statuses=tuple(BatchStatus(status) for status in request.statuses),
        process_codes=tuple(
            storable(code, f"process_codes[{place}]") for place, code in enumerate(request.process_codes)
        ),
    )
    first, last = wanted.business_date_from, wanted.business_date_to
    if first is not None and last is not None and last < first:
        raise invalid_field("business_date_to", f"{last} is before business_date_from, {first}")
    return wanted


def _day(request: batch_pb2.ListBatchSessionsRequest, field: str) -> date | None:
    if not request.HasField(field):  # type: ignore[arg-type]  # the caller names one of its fields
        return None
    day: Date = getattr(request, field)
    return date_from_proto(day, field)
