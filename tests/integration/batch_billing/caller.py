"""What the tests of billing say to the batch service, in few words."""

import itertools
from collections.abc import Awaitable
from datetime import date
from typing import Any, Final

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status
from google.type.date_pb2 import Date

from batch_service.settings import BatchSettings
from tallybook.batch.v1 import billing_setup_pb2 as setup
from tallybook.batch.v1 import billing_setup_pb2_grpc
from tallybook.type.v1 import money_pb2
from tests.support.databases import FreshDatabase

CLIENT: Final = 1

_KEYS: Final = itertools.count(1)


def key() -> str:
    """A request_id that no other call has."""
    return f"billing-{next(_KEYS)}"


def usd(minor_units: int) -> money_pb2.Money:
    """An amount."""
    return money_pb2.Money(currency_code="USD", minor_units=minor_units)


def day(text: str) -> Date:
    """A calendar day."""
    parsed = date.fromisoformat(text)
    return Date(year=parsed.year, month=parsed.month, day=parsed.day)


def as_text(value: Date) -> str:
    """A calendar day, as a test writes it."""
    return f"{value.year:04}-{value.month:02}-{value.day:02}"


def plan(**changes: Any) -> setup.RecurringPlan:
    """A monthly plan of account 7 at 31.00 USD, in advance from 1 January 2026."""
    values: dict[str, Any] = {
        "acct_no": 7,
        "plan_instance_no": 70,
        "description": "Basic",
        "price": usd(3100),
        "timing": setup.BILLING_TIMING_IN_ADVANCE,
        "period_months": 1,
        "anchor_day": 1,
        "start_date": day("2026-01-01"),
    }
    return setup.RecurringPlan(**{**values, **changes})


def batch_settings(database: FreshDatabase, **changes: Any) -> BatchSettings:
    """Settings for a test: short deadlines, a quick sweep."""
    values: dict[str, Any] = {
        "port": 0,
        "database_url": database.url,
        "development_principal": True,
        "workers": 2,
        "lease_seconds": 5.0,
        "sweep_seconds": 0.5,
        "gateway_deadline_seconds": 0.5,
    }
    return BatchSettings(**{**values, **changes})


async def refusal(call: Awaitable[Any]) -> tuple[grpc.StatusCode, str, str]:
    """The code, the reason and the first field of a call that has to be refused."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    metadata = dict(refused.value.trailing_metadata() or ())
    status = Status.FromString(metadata["grpc-status-details-bin"])
    info, bad_request = ErrorInfo(), BadRequest()
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(bad_request)
    field = bad_request.field_violations[0].field if bad_request.field_violations else ""
    return refused.value.code(), info.reason, field


class Caller:
    """Sets up billing for a client."""

    def __init__(self, channel: grpc.aio.Channel, client_no: int = CLIENT) -> None:
        self.client_no = client_no
        self.setup: billing_setup_pb2_grpc.BillingSetupServiceAsyncStub = (
            billing_setup_pb2_grpc.BillingSetupServiceStub(channel)
        )

    async def set_plans(self, *plans: setup.RecurringPlan, request_id: str = "") -> list[setup.RecurringPlan]:
        """Set recurring plans."""
        response = await self.setup.SetRecurringPlans(
            setup.SetRecurringPlansRequest(
                client_no=self.client_no, request_id=request_id or key(), recurring_plans=plans
            )
        )
        return list(response.recurring_plans)

    async def plans(self, **filters: Any) -> list[setup.RecurringPlan]:
        """All recurring plans."""
        response = await self.setup.ListRecurringPlans(
            setup.ListRecurringPlansRequest(client_no=self.client_no, page_size=1000, **filters)
        )
        return list(response.recurring_plans)

    async def change(self, *changes: setup.PlanChange) -> int:
        """Schedule plan changes."""
        response = await self.setup.SchedulePlanChanges(
            setup.SchedulePlanChangesRequest(client_no=self.client_no, request_id=key(), changes=changes)
        )
        return response.scheduled

    async def set_methods(self, *methods: setup.PaymentMethod) -> None:
        """Set payment methods."""
        await self.setup.SetPaymentMethods(
            setup.SetPaymentMethodsRequest(
                client_no=self.client_no, request_id=key(), payment_methods=methods
            )
        )

    async def methods(self) -> list[setup.PaymentMethod]:
        """All payment methods."""
        response = await self.setup.ListPaymentMethods(
            setup.ListPaymentMethodsRequest(client_no=self.client_no)
        )
        return list(response.payment_methods)

    async def set_rates(self, **unit_prices: str) -> None:
        """Set rates in USD, by usage type."""
        rates = [
            setup.UsageRate(usage_type=usage_type, currency_code="USD", unit_price=price)
            for usage_type, price in unit_prices.items()
        ]
        await self.setup.SetUsageRates(
            setup.SetUsageRatesRequest(client_no=self.client_no, request_id=key(), rates=rates)
        )

    async def record_usage(self, *records: setup.UsageRecord) -> setup.RecordUsageResponse:
        """Record usage."""
        return await self.setup.RecordUsage(
            setup.RecordUsageRequest(client_no=self.client_no, request_id=key(), records=records)
        )

    async def usage(self, acct_no: int = 7, **paging: Any) -> setup.ListUsageResponse:
        """Usage of an account."""
        return await self.setup.ListUsage(
            setup.ListUsageRequest(client_no=self.client_no, acct_no=acct_no, **paging)
        )

    async def add_lines(self, *lines: setup.PendingLine) -> setup.AddPendingLinesResponse:
        """Add pending lines."""
        return await self.setup.AddPendingLines(
            setup.AddPendingLinesRequest(client_no=self.client_no, request_id=key(), lines=lines)
        )

    async def set_steps(self, *steps: setup.DunningStep) -> list[setup.DunningStep]:
        """Set the dunning steps."""
        response = await self.setup.SetDunningSteps(
            setup.SetDunningStepsRequest(client_no=self.client_no, request_id=key(), steps=steps)
        )
        return list(response.steps)

    async def positions(self) -> list[setup.DunningPosition]:
        """The accounts in dunning."""
        response = await self.setup.ListDunningPositions(
            setup.ListDunningPositionsRequest(client_no=self.client_no)
        )
        return list(response.positions)
