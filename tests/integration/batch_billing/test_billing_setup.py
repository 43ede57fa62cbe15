"""BillingSetupService: what is set is there, once, checked, and in pages."""

from datetime import UTC, datetime

import asyncpg
import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from service_kit.dates import instant_to_proto
from tallybook.audit.v1 import audit_event_pb2
from tallybook.batch.v1 import billing_setup_pb2 as setup
from tallybook.type.v1 import money_pb2
from tests.integration.batch_billing.caller import CLIENT, Caller, as_text, day, key, plan, refusal, usd
from tests.support.databases import FreshDatabase

INVALID = grpc.StatusCode.INVALID_ARGUMENT


def usage(usage_id: str, **changes: object) -> setup.UsageRecord:
    values: dict[str, object] = {
        "usage_id": usage_id,
        "acct_no": 7,
        "plan_instance_no": 70,
        "usage_type": "minutes",
        "quantity": "12.5",
        "used_at": instant_to_proto(datetime(2026, 1, 15, tzinfo=UTC)),
    }
    return setup.UsageRecord(**{**values, **changes})  # type: ignore[arg-type]


def line(line_id: str, **changes: object) -> setup.PendingLine:
    values: dict[str, object] = {
        "line_id": line_id,
        "acct_no": 7,
        "plan_instance_no": 70,
        "kind": setup.PENDING_LINE_KIND_SURCHARGE,
        "description": "Postage",
        "amount": usd(100),
    }
    return setup.PendingLine(**{**values, **changes})  # type: ignore[arg-type]


async def test_a_client_without_a_profile_lives_in_utc(caller: Caller) -> None:
    response = await caller.setup.GetClientProfile(setup.GetClientProfileRequest(client_no=9))
    assert response.profile == setup.ClientProfile(client_no=9, time_zone="UTC")


async def test_a_profile_is_set_and_replaced(caller: Caller) -> None:
    for zone in ("Europe/Berlin", "America/New_York"):
        await caller.setup.SetClientProfile(
            setup.SetClientProfileRequest(client_no=CLIENT, request_id=key(), name="Acme", time_zone=zone)
        )
    response = await caller.setup.GetClientProfile(setup.GetClientProfileRequest(client_no=CLIENT))
    assert response.profile == setup.ClientProfile(
        client_no=CLIENT, name="Acme", time_zone="America/New_York"
    )


async def test_a_zone_that_nobody_knows_is_refused(caller: Caller) -> None:
    request = setup.SetClientProfileRequest(client_no=CLIENT, request_id=key(), time_zone="Mars/Olympus")
    assert await refusal(caller.setup.SetClientProfile(request)) == (
        INVALID, "TIME_ZONE_UNKNOWN", "time_zone"
    )  # fmt: skip


async def test_a_plan_comes_back_as_it_was_set_with_the_date_of_its_first_invoice(caller: Caller) -> None:
    wanted = plan(
        start_date=day("2026-01-10"), activation_charge=usd(500), tax_percent="8.250", description="Größe L"
    )
    (stored,) = await caller.set_plans(wanted)
    assert stored == (await caller.plans())[0]
    assert stored.next_bill_date == day("2026-01-10")
    assert stored.tax_percent == "8.25"
    assert stored.status == setup.RECURRING_PLAN_STATUS_ACTIVE
    assert (stored.price, stored.activation_charge, stored.description) == (usd(3100), usd(500), "Größe L")


@pytest.mark.parametrize(
    ("timing", "start", "anchor_day", "next_bill_date"),
    [
        (setup.BILLING_TIMING_IN_ADVANCE, "2026-01-10", 1, "2026-01-10"),
        (setup.BILLING_TIMING_IN_ARREARS, "2026-01-10", 1, "2026-02-01"),
        (setup.BILLING_TIMING_IN_ARREARS, "2026-01-31", 31, "2026-02-28"),
    ],
)
async def test_the_first_invoice_is_due_by_timing_and_anchor(
    caller: Caller, timing: setup.BillingTiming.ValueType, start: str, anchor_day: int, next_bill_date: str
) -> None:
    (stored,) = await caller.set_plans(plan(timing=timing, start_date=day(start), anchor_day=anchor_day))
    assert as_text(stored.next_bill_date) == next_bill_date


async def test_setting_a_plan_again_replaces_it(caller: Caller) -> None:
    await caller.set_plans(plan())
    await caller.set_plans(plan(price=usd(99), start_date=day("2026-05-01")))
    (stored,) = await caller.plans()
    assert stored.price == usd(99)
    assert stored.next_bill_date == day("2026-05-01")


async def test_a_cancelled_plan_has_no_next_invoice(caller: Caller) -> None:
    (stored,) = await caller.set_plans(plan(status=setup.RECURRING_PLAN_STATUS_CANCELLED))
    assert not stored.HasField("next_bill_date")


async def test_the_same_request_is_answered_again_and_another_with_its_key_is_refused(caller: Caller) -> None:
    first = await caller.set_plans(plan(), request_id="once")
    await caller.set_plans(plan(price=usd(1)))
    assert await caller.set_plans(plan(), request_id="once") == first
    assert (await caller.plans())[0].price == usd(1)
    code, reason, _ = await refusal(caller.set_plans(plan(price=usd(2)), request_id="once"))
    assert reason == "REQUEST_ID_REUSED"
    assert code in {INVALID, grpc.StatusCode.ALREADY_EXISTS}


async def test_a_refused_request_does_not_use_up_its_key(caller: Caller) -> None:
    await refusal(caller.set_plans(plan(tax_percent="8,25"), request_id="twice"))
    assert await caller.set_plans(plan(tax_percent="8.25"), request_id="twice")


@pytest.mark.parametrize(
    ("changes", "reason", "field"),
    [
        ({"tax_percent": "8,25"}, "DECIMAL_INVALID", "recurring_plans[0].tax_percent"),
        ({"tax_percent": "-1"}, "DECIMAL_INVALID", "recurring_plans[0].tax_percent"),
        ({"start_date": day("1899-12-31")}, "DATE_INVALID", "recurring_plans[0].start_date"),
        ({"price": money_pb2.Money(currency_code="XXX", minor_units=1)}, "CURRENCY_UNKNOWN",
         "recurring_plans[0].price.currency_code"),
        ({"activation_charge": money_pb2.Money(currency_code="EUR", minor_units=1)}, "INVALID_REQUEST",
         "recurring_plans[0].activation_charge.currency_code"),
        ({"activation_charge": usd(-1)}, "INVALID_REQUEST",
         "recurring_plans[0].activation_charge.minor_units"),
        ({"description": "a\0b"}, "INVALID_REQUEST", "recurring_plans[0].description"),
        ({"period_months": 0}, "INVALID_REQUEST", "recurring_plans[0].period_months"),
    ],
)  # fmt: skip
async def test_a_plan_that_can_not_be_billed_is_refused_by_field(
    caller: Caller, changes: dict[str, object], reason: str, field: str
) -> None:
    assert await refusal(caller.set_plans(plan(**changes))) == (INVALID, reason, field)
    assert await caller.plans() == []


async def test_one_faulty_plan_keeps_all_others_out(caller: Caller) -> None:
    await refusal(caller.set_plans(plan(), plan(plan_instance_no=71, tax_percent="x")))
    code, _, field = await refusal(caller.set_plans(plan(), plan()))
    assert (code, field) == (INVALID, "recurring_plans[1].plan_instance_no")
    assert await caller.plans() == []


async def test_plans_come_in_pages_by_account_and_plan_instance(caller: Caller) -> None:
    await caller.set_plans(
        *[
            plan(acct_no=acct_no, plan_instance_no=number)
            for acct_no, number in ((9, 1), (7, 3), (7, 2), (8, 4))
        ]
    )
    seen: list[tuple[int, int]] = []
    request = setup.ListRecurringPlansRequest(client_no=CLIENT, page_size=3)
    while True:
        page = await caller.setup.ListRecurringPlans(request)
        seen += [(each.acct_no, each.plan_instance_no) for each in page.recurring_plans]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert seen == [(7, 2), (7, 3), (8, 4), (9, 1)]
    assert [each.plan_instance_no for each in await caller.plans(acct_no=7)] == [2, 3]
    request.acct_no = 7
    assert (await refusal(caller.setup.ListRecurringPlans(request)))[1] == "INVALID_PAGE_TOKEN"
    assert await caller.setup.ListRecurringPlans(
        setup.ListRecurringPlansRequest(client_no=2)
    ) == setup.ListRecurringPlansResponse()  # fmt: skip


async def test_changes_are_scheduled_all_or_none(caller: Caller) -> None:
    await caller.set_plans(plan())
    cancel = setup.PlanChange(
        plan_instance_no=70, kind=setup.PLAN_CHANGE_KIND_CANCEL, effective_date=day("2026-02-01")
    )
    assert await caller.change(cancel, cancel) == 2
    stranger = setup.PlanChange(
        plan_instance_no=71, kind=setup.PLAN_CHANGE_KIND_CANCEL, effective_date=day("2026-02-01")
    )
    assert await refusal(caller.change(cancel, stranger)) == (
        grpc.StatusCode.NOT_FOUND, "RECURRING_PLAN_NOT_FOUND", "changes[1].plan_instance_no"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "price", "field"),
    [
        (setup.PLAN_CHANGE_KIND_PRICE, None, "changes[0].new_price"),
        (setup.PLAN_CHANGE_KIND_CANCEL, usd(1), "changes[0].new_price"),
        (setup.PLAN_CHANGE_KIND_PRICE, usd(-1), "changes[0].new_price.minor_units"),
        (setup.PLAN_CHANGE_KIND_PRICE, money_pb2.Money(currency_code="EUR", minor_units=1),
         "changes[0].new_price.currency_code"),
    ],
)  # fmt: skip
async def test_a_change_has_a_price_exactly_when_it_changes_the_price(
    caller: Caller,
    kind: setup.PlanChangeKind.ValueType,
    price: money_pb2.Money | None,
    field: str,
) -> None:
    await caller.set_plans(plan())
    change = setup.PlanChange(
        plan_instance_no=70, kind=kind, effective_date=day("2026-02-01"), new_price=price
    )
    assert await refusal(caller.change(change)) == (INVALID, "INVALID_REQUEST", field)


async def test_payment_methods_are_set_and_listed(caller: Caller) -> None:
    card = setup.PaymentMethod(acct_no=8, kind=setup.ACCOUNT_PAYMENT_KIND_CARD, payment_token="tok_approve")
    check = setup.PaymentMethod(acct_no=7, kind=setup.ACCOUNT_PAYMENT_KIND_EXTERNAL)
    await caller.set_methods(card, check)
    assert await caller.methods() == [check, card]
    tokenless = setup.PaymentMethod(acct_no=9, kind=setup.ACCOUNT_PAYMENT_KIND_CARD)
    assert (await refusal(caller.set_methods(tokenless)))[2] == "payment_methods[0].payment_token"


async def test_usage_is_recorded_once_for_its_id(caller: Caller) -> None:
    await caller.set_plans(plan())
    assert await caller.record_usage(usage("a"), usage("b"), usage("a")) == setup.RecordUsageResponse(
        recorded=2, duplicates=1
    )
    assert await caller.record_usage(usage("b"), usage("c")) == setup.RecordUsageResponse(
        recorded=1, duplicates=1
    )
    first = await caller.usage(page_size=2)
    rest = await caller.usage(page_size=2, page_token=first.next_page_token)
    assert [record.usage_id for record in (*first.records, *rest.records)] == ["c", "b", "a"]
    assert rest.next_page_token == ""
    assert first.records[0] == usage("c")


@pytest.mark.parametrize(
    ("changes", "reason", "field"),
    [
        ({"quantity": "0"}, "DECIMAL_INVALID", "records[0].quantity"),
        ({"quantity": "1e3"}, "DECIMAL_INVALID", "records[0].quantity"),
        ({"used_at": Timestamp(seconds=-(10**12))}, "DATE_INVALID", "records[0].used_at"),
        ({"acct_no": 8}, "RECURRING_PLAN_NOT_FOUND", "records[0].plan_instance_no"),
        ({"plan_instance_no": 71}, "RECURRING_PLAN_NOT_FOUND", "records[0].plan_instance_no"),
    ],
)
async def test_usage_that_nobody_could_bill_is_refused(
    caller: Caller, changes: dict[str, object], reason: str, field: str
) -> None:
    await caller.set_plans(plan())
    assert (await refusal(caller.record_usage(usage("a", **changes))))[1:] == (reason, field)


async def test_rates_are_exact_and_in_a_currency(caller: Caller) -> None:
    await caller.set_rates(minutes="0.0125", gigabytes="0")
    request = setup.SetUsageRatesRequest(
        client_no=CLIENT,
        request_id=key(),
        rates=[setup.UsageRate(usage_type="minutes", currency_code="XTS", unit_price="1")],
    )
    assert (await refusal(caller.setup.SetUsageRates(request)))[1:] == (
        "CURRENCY_UNKNOWN", "rates[0].currency_code"
    )  # fmt: skip


async def test_pending_lines_are_added_once_for_their_id(caller: Caller) -> None:
    await caller.set_plans(plan())
    added = await caller.add_lines(line("a"), line("b"), line("a"))
    assert added == setup.AddPendingLinesResponse(added=2, duplicates=1)
    assert await refusal(caller.add_lines(line("c", plan_instance_no=71))) == (
        grpc.StatusCode.NOT_FOUND, "RECURRING_PLAN_NOT_FOUND", "lines[0].plan_instance_no"
    )  # fmt: skip


async def test_a_pending_line_in_another_currency_could_never_be_billed(caller: Caller) -> None:
    await caller.set_plans(plan())
    euros = line("a", amount=money_pb2.Money(currency_code="EUR", minor_units=100))
    assert await refusal(caller.add_lines(line("b"), euros)) == (
        grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", "lines[1].amount.currency_code"
    )  # fmt: skip


async def test_dunning_steps_are_replaced(caller: Caller) -> None:
    steps = [
        setup.DunningStep(step_no=1, days_past_due=3, action=setup.DUNNING_ACTION_NOTICE),
        setup.DunningStep(
            step_no=2, days_past_due=9, action=setup.DUNNING_ACTION_FIXED_CHARGE, fixed_charge=usd(500)
        ),
        setup.DunningStep(
            step_no=3, days_past_due=10, action=setup.DUNNING_ACTION_PERCENT_CHARGE, percent="1.333333333333"
        ),
    ]
    assert await caller.set_steps(*steps) == steps
    assert await caller.set_steps(*steps[:1]) == steps[:1]
    listed = await caller.setup.ListDunningSteps(setup.ListDunningStepsRequest(client_no=CLIENT))
    assert list(listed.steps) == steps[:1]
    assert (await refusal(caller.set_steps(steps[1])))[1] == "DUNNING_STEPS_INVALID"
    await caller.set_steps()
    listed = await caller.setup.ListDunningSteps(setup.ListDunningStepsRequest(client_no=CLIENT))
    assert list(listed.steps) == []


async def test_a_request_of_many_rows_is_one_audit_event(
    caller: Caller, batch_database: FreshDatabase
) -> None:
    await caller.set_plans(*[plan(plan_instance_no=number) for number in range(1, 501)])
    admin = await asyncpg.connect(batch_database.admin_url)
    try:
        payloads = await admin.fetch("SELECT payload FROM audit_outbox")
    finally:
        await admin.close()
    (event,) = [audit_event_pb2.AuditEvent.FromString(row["payload"]) for row in payloads]
    assert event.entity_changed == audit_event_pb2.EntityChanged(
        entity_type="recurring_plan", entity_id="1", action="set"
    )
    assert event.summary.startswith("500 recurring plans")
