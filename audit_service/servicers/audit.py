"""AuditService: what is written, and what is searched."""

from collections.abc import Collection, Iterable
from datetime import date

import grpc

from audit_service.events import InvalidEventError, ReadEvent, read_event
from audit_service.rules.date_range import DateRange
from audit_service.rules.placement import Placement, Placing
from audit_service.rules.reasons import AuditReason
from audit_service.sequencer import Sequencer
from audit_service.store_search import (
    AuditSearch,
    EventSearch,
    FoundEvent,
    FoundSession,
    SessionKey,
    SessionSearch,
    StatusChange,
)
from service_kit.dates import date_from_proto, instant_to_proto
from service_kit.errors import DomainError, ErrorKind
from service_kit.paging import page_size, page_start, page_token
from service_kit.principal import AllClients, current_principal
from tallybook.audit.v1 import audit_pb2, audit_pb2_grpc
from tallybook.audit.v1.audit_event_pb2 import AuditEvent
from tallybook.batch.v1.batch_pb2 import BatchRecord, BatchSession

_DEFAULT_PAGE_SIZE = 100


class AuditServicer(audit_pb2_grpc.AuditServiceServicer):
    """Contract <-> domain."""

    def __init__(self, sequencer: Sequencer, search: AuditSearch) -> None:
        self._sequencer = sequencer
        self._search = search

    async def BatchWriteAuditEvents(
        self,
        request: audit_pb2.BatchWriteAuditEventsRequest,
        context: grpc.aio.ServicerContext[
            audit_pb2.BatchWriteAuditEventsRequest, audit_pb2.BatchWriteAuditEventsResponse
        ],
    ) -> audit_pb2.BatchWriteAuditEventsResponse:
        read = [_read(record) for record in request.events]
        events = [each for each in read if isinstance(each, ReadEvent)]
        # The whole call is refused, not the event: a refused event is never sent again, and would be lost
        # for a wrong credential.
        for client_no in {event.client_no for event in events}:
            current_principal().require_client(client_no)
        placements = iter(await self._sequencer.append(events))
        return audit_pb2.BatchWriteAuditEventsResponse(
            results=[
                _placed(record.event_id, next(placements))
                if isinstance(each, ReadEvent)
                else _refused(record.event_id, AuditReason.EVENT_INVALID, str(each))
                for record, each in zip(request.events, read, strict=True)
            ]
        )

    async def SearchBatchProcesses(
        self,
        request: audit_pb2.SearchBatchProcessesRequest,
        context: grpc.aio.ServicerContext[
            audit_pb2.SearchBatchProcessesRequest, audit_pb2.SearchBatchProcessesResponse
        ],
    ) -> audit_pb2.SearchBatchProcessesResponse:
        limit = page_size(request.page_size, default=_DEFAULT_PAGE_SIZE)
        start = page_start(request, date, int, int)
        search = SessionSearch(
            dates=_date_range(request),
            client_nos=_searched_clients(request.client_nos),
            statuses=set(request.statuses),
            batch_nos=set(request.batch_nos),
            name_contains=request.name_contains,
            after=None if start is None else SessionKey(*start),
        )
        found = await self._search.sessions(search, limit + 1)
        response = audit_pb2.SearchBatchProcessesResponse(
            sessions=[_session_without_jobs(each) for each in found[:limit]]
        )
        if len(found) > limit:
            last = found[limit - 1].key
            response.next_page_token = page_token(
                request, (last.business_date, last.session_no, last.client_no)
            )
        return response

    async def GetBatchProcess(
        self,
        request: audit_pb2.GetBatchProcessRequest,
        context: grpc.aio.ServicerContext[
            audit_pb2.GetBatchProcessRequest, audit_pb2.GetBatchProcessResponse
        ],
    ) -> audit_pb2.GetBatchProcessResponse:
        depth = await self._search.session_depth(request.client_no, request.session_no)
        if depth is None:
            raise DomainError(
                ErrorKind.NOT_FOUND,
                AuditReason.SESSION_NOT_FOUND,
                f"client {request.client_no} has no session {request.session_no} that the audit log heard of",
                metadata={"client_no": str(request.client_no), "session_no": str(request.session_no)},
            )
        return audit_pb2.GetBatchProcessResponse(
            session=BatchSession.FromString(depth.session),
            failed_records=[BatchRecord.FromString(record) for record in depth.failed_records],
            history=[_status_change(change) for change in depth.history],
        )

    async def SearchAuditEvents(
        self,
        request: audit_pb2.SearchAuditEventsRequest,
        context: grpc.aio.ServicerContext[
            audit_pb2.SearchAuditEventsRequest, audit_pb2.SearchAuditEventsResponse
        ],
    ) -> audit_pb2.SearchAuditEventsResponse:
        limit = page_size(request.page_size, default=_DEFAULT_PAGE_SIZE)
        start = page_start(request, int)
        search = EventSearch(
            dates=_date_range(request),
            client_nos=_searched_clients(request.client_nos),
            producers=set(request.producers),
            event_types=set(request.event_types),
            actors=set(request.actors),
            before=None if start is None else start[0],
        )
        page = await self._search.events(search, limit)
        response = audit_pb2.SearchAuditEventsResponse(events=[_logged_event(each) for each in page.events])
        if page.has_more:
            response.next_page_token = page_token(request, (page.events[-1].log_index,))
        return response


def _read(record: audit_pb2.AuditEventRecord) -> ReadEvent | InvalidEventError:
    try:
        return read_event(record.event_id, record.event)
    except InvalidEventError as fault:
        return fault


def _placed(event_id: str, placement: Placement) -> audit_pb2.WriteResult:
    if placement.placing is Placing.REUSED:
        return _refused(
            event_id,
            AuditReason.EVENT_ID_REUSED,
            f"event {event_id} stands in the log at {placement.log_index} with other bytes",
        )
    return audit_pb2.WriteResult(
        event_id=event_id, outcome=_OUTCOMES[placement.placing], log_index=placement.log_index
    )


_OUTCOMES = {
    Placing.APPENDED: audit_pb2.WRITE_OUTCOME_APPENDED,
    Placing.DUPLICATE: audit_pb2.WRITE_OUTCOME_DUPLICATE,
}


def _refused(event_id: str, reason: AuditReason, message: str) -> audit_pb2.WriteResult:
    return audit_pb2.WriteResult(
        event_id=event_id,
        outcome=audit_pb2.WRITE_OUTCOME_REFUSED,
        log_index=-1,
        reason=reason,
        message=message,
    )


def _date_range(
    request: audit_pb2.SearchBatchProcessesRequest | audit_pb2.SearchAuditEventsRequest,
) -> DateRange:
    return DateRange(
        date_from_proto(request.from_date, "from_date"), date_from_proto(request.to_date, "to_date")
    )


def _searched_clients(named: Iterable[int]) -> Collection[int] | None:
    """The clients that the caller named, or may act for; None: every client, and several at once."""
    principal = current_principal()
    clients = set(named)
    for client_no in sorted(clients):
        principal.require_client(client_no)
    if clients:
        return clients
    return None if isinstance(principal.clients, AllClients) else principal.clients


def _session_without_jobs(found: FoundSession) -> BatchSession:
    session = BatchSession.FromString(found.session)
    session.ClearField("jobs")
    return session


def _status_change(change: StatusChange) -> audit_pb2.StatusChange:
    return audit_pb2.StatusChange(
        log_index=change.log_index,
        occurred_at=instant_to_proto(change.occurred_at),
        status=change.status,  # type: ignore[arg-type]  # an open enum: a status of a later version passes through
        actor=change.actor,
        message=change.message,
        version=change.version,
    )


def _logged_event(found: FoundEvent) -> audit_pb2.LoggedEvent:
    return audit_pb2.LoggedEvent(
        log_index=found.log_index,
        logged_at=instant_to_proto(found.logged_at),
        event=AuditEvent.FromString(found.event),
        leaf_hash=found.leaf_hash,
    )
