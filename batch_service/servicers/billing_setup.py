"""BillingSetupService: the contract in the words of the billing processes, and back."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

import grpc
from google.protobuf.message import Message

from batch_service import (
    setting_up,
    store_activities,
    store_dunning,
    store_payments,
    store_plans,
    store_usage,
)
from batch_service.business_dates import BusinessDates
from batch_service.events import entity_changed
from batch_service.processes.activity_loader import ActivityLoader
from batch_service.processes.registry import ProcessRegistry
from batch_service.queueing import SessionQueue
from batch_service.rules.activity_files import LineFault, read_header
from batch_service.servicers import billing_setup_translation as translation
from batch_service.snapshots import session_to_proto
from batch_service.store_requests import answered_once
from batch_service.unit_of_work import UnitOfWork, UnitsOfWork
from service_kit.dates import date_from_proto
from service_kit.errors import DomainError, ErrorKind, invalid_field
from service_kit.paging import page_size, page_start, page_token
from service_kit.principal import current_principal
from tallybook.batch.v1 import billing_setup_pb2, billing_setup_pb2_grpc

Response = TypeVar("Response", bound=Message)
Context = grpc.aio.ServicerContext[Any, Any]

_DEFAULT_PAGE: Final = 100
# A file is held in memory until its stream is complete, since a stream that breaks leaves nothing behind.
_LARGEST_FILE_BYTES: Final = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _ReceivedFile:
    """An activity file as its stream brought it; `digest` stands for all of it."""

    header: billing_setup_pb2.ActivityFile
    lines: list[str]
    digest: bytes


class BillingSetupServicer(billing_setup_pb2_grpc.BillingSetupServiceServicer):
    """What the processes need and the ledger does not keep."""

    def __init__(self, units: UnitsOfWork, processes: ProcessRegistry, business_dates: BusinessDates) -> None:
        self._units = units
        self._queue = SessionQueue(processes)
        self._business_dates = business_dates

    async def SetClientProfile(
        self, request: billing_setup_pb2.SetClientProfileRequest, context: Context
    ) -> billing_setup_pb2.SetClientProfileResponse:
        """Set the name and the time zone of a client."""
        profile = translation.profile_from_proto(request)

        async def answer(unit: UnitOfWork) -> billing_setup_pb2.SetClientProfileResponse:
            await store_plans.set_profile(unit.connection, profile)
            _tell(unit, request.client_no, "client_profile", 1, profile.time_zone)
            return billing_setup_pb2.SetClientProfileResponse(profile=translation.profile_to_proto(profile))

        return await self._once(request, billing_setup_pb2.SetClientProfileResponse, answer)

    async def GetClientProfile(
        self, request: billing_setup_pb2.GetClientProfileRequest, context: Context
    ) -> billing_setup_pb2.GetClientProfileResponse:
        """The name and the time zone of a client."""
        async with self._units.read() as connection:
            profile = await store_plans.find_profile(connection, request.client_no)
        return billing_setup_pb2.GetClientProfileResponse(profile=translation.profile_to_proto(profile))

    async def SetRecurringPlans(
        self, request: billing_setup_pb2.SetRecurringPlansRequest, context: Context
    ) -> billing_setup_pb2.SetRecurringPlansResponse:
        """Set recurring plans, all or none."""
        plans = translation.plans_from_proto(request)

        async def answer(unit: UnitOfWork) -> billing_setup_pb2.SetRecurringPlansResponse:
            today = await self._business_dates.today(unit.connection, request.client_no)
            stored = await setting_up.set_recurring_plans(unit.connection, request.client_no, plans, today)
            first = plans[0].plan_instance_no
            _tell(unit, request.client_no, "recurring_plan", len(plans), str(first))
            return billing_setup_pb2.SetRecurringPlansResponse(
                recurring_plans=map(translation.plan_to_proto, stored)
            )

        return await self._once(request, billing_setup_pb2.SetRecurringPlansResponse, answer)

    async def ListRecurringPlans(
        self, request: billing_setup_pb2.ListRecurringPlansRequest, context: Context
    ) -> billing_setup_pb2.ListRecurringPlansResponse:
        """Recurring plans by account and plan instance."""
        limit = page_size(request.page_size, default=_DEFAULT_PAGE)
        after = page_start(request, int, int) or (0, 0)
        async with self._units.read() as connection:
            found = await store_plans.list_plans(
                connection, request.client_no, request.acct_no, after, limit + 1
            )
        shown = found[:limit]
        last = shown[-1].plan if len(found) > limit else None
        return billing_setup_pb2.ListRecurringPlansResponse(
            recurring_plans=map(translation.plan_to_proto, shown),
            next_page_token=page_token(request, (last.acct_no, last.plan_instance_no)) if last else "",
        )

    async def SchedulePlanChanges(
        self, request: billing_setup_pb2.SchedulePlanChangesRequest, context: Context
    ) -> billing_setup_pb2.SchedulePlanChangesResponse:
        """Schedule changes of recurring plans, all or none."""
        changes = translation.changes_from_proto(request)

        async def answer(unit: UnitOfWork) -> billing_setup_pb2.SchedulePlanChangesResponse:
            await setting_up.schedule_changes(unit.connection, request.client_no, changes, _actor())
            first = changes[0].plan_instance_no
            _tell(unit, request.client_no, "plan_change", len(changes), str(first), "scheduled")
            return billing_setup_pb2.SchedulePlanChangesResponse(scheduled=len(changes))

        return await self._once(request, billing_setup_pb2.SchedulePlanChangesResponse, answer)

    async def SetPaymentMethods(
        self, request: billing_setup_pb2.SetPaymentMethodsRequest, context: Context
    ) -> billing_setup_pb2.SetPaymentMethodsResponse:
        """Set how accounts pay, all or none."""
        methods = translation.methods_from_proto(request)

        async def answer(unit: UnitOfWork) -> billing_setup_pb2.SetPaymentMethodsResponse:
            await store_payments.set_methods(unit.connection, request.client_no, methods)
            _tell(unit, request.client_no, "payment_method", len(methods), str(methods[0].acct_no))
            return billing_setup_pb2.SetPaymentMethodsResponse(set=len(methods))

        return await self._once(request, billing_setup_pb2.SetPaymentMethodsResponse, answer)

    async def ListPaymentMethods(
        self, request: billing_setup_pb2.ListPaymentMethodsRequest, context: Context
    ) -> billing_setup_pb2.ListPaymentMethodsResponse:
        """How accounts pay, by account."""
        limit = page_size(request.page_size, default=_DEFAULT_PAGE)
        (after,) = page_start(request, int) or (0,)
        async with self._units.read() as connection:
            found = await store_payments.list_methods(
                connection, request.client_no, request.acct_no, after, limit + 1
            )
        shown = found[:limit]
        more = len(found) > limit
        return billing_setup_pb2.ListPaymentMethodsResponse(
            payment_methods=map(translation.method_to_proto, shown),
            next_page_token=page_token(request, (shown[-1].acct_no,)) if more else "",
        )

    async def SetUsageRates(
        self, request: billing_setup_pb2.SetUsageRatesRequest, context: Context
    ) -> billing_setup_pb2.SetUsageRatesResponse:
        """Set the prices of units of usage."""
        rates = translation.rates_from_proto(request)

        async def answer(unit: UnitOfWork) -> billing_setup_pb2.SetUsageRatesResponse:
            await store_usage.set_rates(unit.connection, request.client_no, rates)
            _tell(unit, request.client_no, "usage_rate", len(rates), rates[0].usage_type)
            return billing_setup_pb2.SetUsageRatesResponse(set=len(rates))

        return await self._once(request, billing_setup_pb2.SetUsageRatesResponse, answer)

    async def RecordUsage(
        self, request: billing_setup_pb2.RecordUsageRequest, context: Context
    ) -> billing_setup_pb2.RecordUsageResponse:
        """Record usage that is not known."""
        records = translation.usage_from_proto(request)

        async def answer(unit: UnitOfWork) -> billing_setup_pb2.RecordUsageResponse:
            recorded = await setting_up.record_usage(unit.connection, request.client_no, records)
            _tell(unit, request.client_no, "usage_record", recorded, records[0].usage_id, "recorded")
            return billing_setup_pb2.RecordUsageResponse(
                recorded=recorded, duplicates=len(records) - recorded
            )

        return await self._once(request, billing_setup_pb2.RecordUsageResponse, answer)

    async def ListUsage(
        self, request: billing_setup_pb2.ListUsageRequest, context: Context
    ) -> billing_setup_pb2.ListUsageResponse:
        """The usage of an account, newest first."""
        limit = page_size(request.page_size, default=_DEFAULT_PAGE)
        before = page_start(request, datetime, str)
        async with self._units.read() as connection:
            found = await store_usage.list_usage(
                connection, request.client_no, request.acct_no, before, limit + 1
            )
        shown = found[:limit]
        last = shown[-1] if len(found) > limit else None
        return billing_setup_pb2.ListUsageResponse(
            records=map(translation.usage_to_proto, shown),
            next_page_token=page_token(request, (last.used_at, last.usage_id)) if last else "",
        )

    async def AddPendingLines(
        self, request: billing_setup_pb2.AddPendingLinesRequest, context: Context
    ) -> billing_setup_pb2.AddPendingLinesResponse:
        """Add lines to next invoices."""
        lines = translation.lines_from_proto(request)

        async def answer(unit: UnitOfWork) -> billing_setup_pb2.AddPendingLinesResponse:
            added = await setting_up.add_pending_lines(unit.connection, request.client_no, lines)
            _tell(unit, request.client_no, "pending_line", added, request.lines[0].line_id, "added")
            return billing_setup_pb2.AddPendingLinesResponse(added=added, duplicates=len(lines) - added)

        return await self._once(request, billing_setup_pb2.AddPendingLinesResponse, answer)

    async def SetDunningSteps(
        self, request: billing_setup_pb2.SetDunningStepsRequest, context: Context
    ) -> billing_setup_pb2.SetDunningStepsResponse:
        """Replace the dunning steps of a client."""
        steps = translation.steps_from_proto(request)

        async def answer(unit: UnitOfWork) -> billing_setup_pb2.SetDunningStepsResponse:
            await store_dunning.set_steps(unit.connection, request.client_no, steps)
            _tell(unit, request.client_no, "dunning_step", len(steps), str(request.client_no))
            return billing_setup_pb2.SetDunningStepsResponse(steps=map(translation.step_to_proto, steps))

        return await self._once(request, billing_setup_pb2.SetDunningStepsResponse, answer)

    async def ListDunningSteps(
        self, request: billing_setup_pb2.ListDunningStepsRequest, context: Context
    ) -> billing_setup_pb2.ListDunningStepsResponse:
        """The dunning steps of a client, by number."""
        async with self._units.read() as connection:
            steps = await store_dunning.find_steps(connection, request.client_no)
        return billing_setup_pb2.ListDunningStepsResponse(steps=map(translation.step_to_proto, steps))

    async def ListDunningPositions(
        self, request: billing_setup_pb2.ListDunningPositionsRequest, context: Context
    ) -> billing_setup_pb2.ListDunningPositionsResponse:
        """The accounts that are in dunning, by account."""
        limit = page_size(request.page_size, default=_DEFAULT_PAGE)
        (after,) = page_start(request, int) or (0,)
        async with self._units.read() as connection:
            found = await store_dunning.list_positions(connection, request.client_no, after, limit + 1)
        shown = found[:limit]
        more = len(found) > limit
        return billing_setup_pb2.ListDunningPositionsResponse(
            positions=[translation.position_to_proto(*each) for each in shown],
            next_page_token=page_token(request, (shown[-1][0],)) if more else "",
        )

    async def LoadActivities(
        self, request_iterator: AsyncIterator[billing_setup_pb2.LoadActivitiesRequest], context: Context
    ) -> billing_setup_pb2.LoadActivitiesResponse:
        """Take a file, and queue the session that loads it. A stream that breaks leaves nothing behind."""
        file = await _received(request_iterator)
        header = file.header

        async def answer(unit: UnitOfWork) -> billing_setup_pb2.LoadActivitiesResponse:
            if header.HasField("business_date"):
                business_date = date_from_proto(header.business_date, "file.business_date")
            else:
                business_date = await self._business_dates.today(unit.connection, header.client_no)
            session = await self._queue.start_file_session(
                unit,
                header.client_no,
                business_date,
                ActivityLoader.code,
                file_name=header.file_name,
                actor=_actor(),
            )
            await store_activities.add_lines(unit.connection, header.client_no, header.file_name, file.lines)
            return billing_setup_pb2.LoadActivitiesResponse(session=session_to_proto(session))

        async with self._units.begin() as unit:
            return await answered_once(
                unit.connection,
                header,
                billing_setup_pb2.LoadActivitiesResponse,
                lambda: answer(unit),
                fingerprint=file.digest,
            )

    async def _once(
        self,
        request: Message,
        response_type: type[Response],
        answer: Callable[[UnitOfWork], Awaitable[Response]],
    ) -> Response:
        """Answer a request that changes something, in one transaction, and once for its request_id."""
        async with self._units.begin() as unit:
            return await answered_once(unit.connection, request, response_type, lambda: answer(unit))


async def _received(
    stream: AsyncIterator[billing_setup_pb2.LoadActivitiesRequest],
) -> _ReceivedFile:
    """All of a file. DomainError STREAM_INVALID or FILE_INVALID."""
    header: billing_setup_pb2.ActivityFile | None = None
    lines: list[str] = []
    size = 0
    digest = hashlib.sha256()
    async for message in stream:
        part = message.WhichOneof("part")
        if (part == "file") != (header is None):
            raise invalid_field(
                "part",
                "the first message of the stream has to be the header (file), and all others lines",
                "STREAM_INVALID",
            )
        if header is None:
            header = message.file
            current_principal().require_client(header.client_no)
            digest.update(header.SerializeToString(deterministic=True))
        else:
            size += message.ByteSize()
            _require_bearable(size)
            lines += message.lines.lines
            for line in message.lines.lines:
                digest.update(line.encode() + b"\n")
    if header is None:
        raise invalid_field("part", "the stream is empty: it begins with the header (file)", "STREAM_INVALID")
    _require_activity_file(lines)
    return _ReceivedFile(header, lines, digest.digest())


def _require_bearable(size: int) -> None:
    if size > _LARGEST_FILE_BYTES:
        raise DomainError(
            ErrorKind.RESOURCE_EXHAUSTED,
            "FILE_INVALID",
            f"the file is larger than {_LARGEST_FILE_BYTES // 2**20} MiB: load it in parts",
        )


def _require_activity_file(lines: list[str]) -> None:
    columns = read_header(lines[0]) if lines else LineFault("FILE_INVALID", "the file is empty")
    if isinstance(columns, LineFault):
        raise invalid_field("lines", columns.message, columns.reason)
    nul = next((line_no for line_no, line in enumerate(lines, start=1) if "\0" in line), None)
    if nul is not None:
        raise invalid_field(
            "lines", f"line {nul} has the character NUL: this is no text file", "FILE_INVALID"
        )


def _tell(
    unit: UnitOfWork, client_no: int, entity_type: str, count: int, first: str, action: str = "set"
) -> None:
    """One audit event a request, whatever the number of its rows: it names the first, and says how many."""
    things = entity_type.replace("_", " ")
    unit.tell(
        entity_changed(
            client_no,
            entity_type,
            first,
            action,
            actor=_actor(),
            summary=f"{count} {things}{'' if count == 1 else 's'} {action}, beginning with {first}",
            at=unit.now,
        )
    )


def _actor() -> str:
    return current_principal().subject
