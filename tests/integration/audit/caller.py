"""A caller of the audit service, with a credential of its own."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import grpc
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from grpc_status import rpc_status

from service_kit.dates import date_to_proto
from tallybook.audit.v1 import audit_pb2, audit_pb2_grpc
from tallybook.audit.v1.audit_event_pb2 import AuditEvent
from tests.unit.audit.events import TODAY, as_record


class AuditCaller:
    """Calls the audit service with one token."""

    def __init__(self, channel: grpc.aio.Channel, token: str | None) -> None:
        self._stub: audit_pb2_grpc.AuditServiceAsyncStub = audit_pb2_grpc.AuditServiceStub(channel)
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()

    async def write(self, *events: AuditEvent) -> list[audit_pb2.WriteResult]:
        """Write events and return their results."""
        return await self.write_records(*(as_record(event) for event in events))

    async def write_records(self, *records: audit_pb2.AuditEventRecord) -> list[audit_pb2.WriteResult]:
        """Write records as they are."""
        request = audit_pb2.BatchWriteAuditEventsRequest(events=records)
        response = await self._stub.BatchWriteAuditEvents(request, metadata=self._metadata)
        return list(response.results)

    async def search_processes(
        self, first: date = TODAY, last: date | None = None, **filters: Any
    ) -> audit_pb2.SearchBatchProcessesResponse:
        """One page of batch sessions, by default of today."""
        request = audit_pb2.SearchBatchProcessesRequest(
            from_date=date_to_proto(first), to_date=date_to_proto(last or first), **filters
        )
        return await self._stub.SearchBatchProcesses(request, metadata=self._metadata)

    async def found_sessions(
        self, first: date = TODAY, last: date | None = None, **filters: Any
    ) -> list[int]:
        """The numbers of the sessions on one page."""
        response = await self.search_processes(first, last, **filters)
        return [session.session_no for session in response.sessions]

    async def process(self, client_no: int, session_no: int) -> audit_pb2.GetBatchProcessResponse:
        """One batch session in depth."""
        request = audit_pb2.GetBatchProcessRequest(client_no=client_no, session_no=session_no)
        return await self._stub.GetBatchProcess(request, metadata=self._metadata)

    async def search_events(
        self, first: date = TODAY, last: date | None = None, **filters: Any
    ) -> audit_pb2.SearchAuditEventsResponse:
        """One page of events, by default of today."""
        request = audit_pb2.SearchAuditEventsRequest(
            from_date=date_to_proto(first), to_date=date_to_proto(last or first), **filters
        )
        return await self._stub.SearchAuditEvents(request, metadata=self._metadata)

    async def found_events(self, first: date = TODAY, last: date | None = None, **filters: Any) -> list[str]:
        """The summaries of the events on one page."""
        response = await self.search_events(first, last, **filters)
        return [logged.event.summary for logged in response.events]


class Refused:
    """What a refusal says."""

    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        details = dict(_details(error))
        info, bad_request = details[ErrorInfo], details.get(BadRequest, BadRequest())
        assert isinstance(info, ErrorInfo)
        assert isinstance(bad_request, BadRequest)
        self.code = error.code()
        self.message = error.details() or ""
        self.reason = info.reason
        self.domain = info.domain
        self.metadata: Mapping[str, str] = info.metadata
        self.fields = [violation.field for violation in bad_request.field_violations]


def _details(error: grpc.aio.AioRpcError) -> Iterator[tuple[type[ErrorInfo | BadRequest], object]]:
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # it reads what both kinds of call have
    assert status is not None
    for detail in status.details:
        for kind in (ErrorInfo, BadRequest):
            content = kind()
            if detail.Unpack(content):
                yield kind, content
