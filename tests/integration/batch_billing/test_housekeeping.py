"""Pre-invoice housekeeping: changes take effect, and usage becomes pending lines, once."""

from datetime import UTC, datetime

import pytest

from service_kit.dates import instant_to_proto
from tallybook.batch.v1 import billing_setup_pb2 as setup
from tests.integration.batch_billing.caller import day, key, plan, usd
from tests.integration.batch_billing.night import Night

PRICE = setup.PLAN_CHANGE_KIND_PRICE
CANCEL = setup.PLAN_CHANGE_KIND_CANCEL
SUSPEND = setup.PLAN_CHANGE_KIND_SUSPEND
RESUME = setup.PLAN_CHANGE_KIND_RESUME


def change(kind: setup.PlanChangeKind.ValueType, on: str, minor_units: int | None = None) -> setup.PlanChange:
    price = usd(minor_units) if minor_units is not None else None
    return setup.PlanChange(plan_instance_no=70, kind=kind, effective_date=day(on), new_price=price)


def used(
    usage_id: str, quantity: str, usage_type: str = "minutes", at: datetime | None = None
) -> setup.UsageRecord:
    return setup.UsageRecord(
        usage_id=usage_id,
        acct_no=7,
        plan_instance_no=70,
        usage_type=usage_type,
        quantity=quantity,
        used_at=instant_to_proto(at or datetime(2026, 1, 15, tzinfo=UTC)),
    )


async def pending(night: Night) -> list[tuple[str, int]]:
    rows = await night.admin.fetch(
        "SELECT description, amount_minor FROM pending_line WHERE client_no = $1 ORDER BY line_no",
        night.client_no,
    )
    return [(row["description"], row["amount_minor"]) for row in rows]


async def test_nothing_to_do_is_no_record(night: Night) -> None:
    await night.caller.set_plans(plan())
    assert await night.run("housekeeping", "2026-01-01") == {}


async def test_changes_that_are_due_take_effect_in_order_and_later_ones_wait(night: Night) -> None:
    await night.caller.set_plans(plan())
    await night.caller.change(
        change(PRICE, "2026-01-10", 4000), change(PRICE, "2026-01-05", 3500), change(CANCEL, "2026-01-20")
    )
    outcomes = await night.run("housekeeping", "2026-01-15")
    assert {record: outcome.ok for record, outcome in outcomes.items()} == {"plan_instance:70": True}
    (stored,) = await night.caller.plans()
    assert (stored.price, stored.status) == (usd(4000), setup.RECURRING_PLAN_STATUS_ACTIVE)
    await night.run("housekeeping", "2026-01-20")
    (stored,) = await night.caller.plans()
    assert stored.status == setup.RECURRING_PLAN_STATUS_CANCELLED


async def test_a_plan_is_suspended_and_resumed_on_its_dates(night: Night) -> None:
    await night.caller.set_plans(plan())
    await night.caller.change(change(SUSPEND, "2026-01-10"), change(RESUME, "2026-01-20"))
    await night.run("housekeeping", "2026-01-12")
    assert (await night.caller.plans())[0].status == setup.RECURRING_PLAN_STATUS_SUSPENDED
    await night.run("housekeeping", "2026-01-20")
    assert (await night.caller.plans())[0].status == setup.RECURRING_PLAN_STATUS_ACTIVE


async def test_usage_is_rated_by_type_and_marked(night: Night) -> None:
    await night.caller.set_plans(plan())
    await night.caller.set_rates(minutes="0.0125", gigabytes="2.5")
    await night.caller.record_usage(used("a", "100"), used("b", "0.4"), used("c", "2", "gigabytes"))
    assert await night.reasons("housekeeping", "2026-01-31") == [""]
    assert await pending(night) == [
        ("gigabytes: 2 at 2.5 USD", 500),
        ("minutes: 100.4 at 0.0125 USD", 126),
    ]
    assert all(record.rated for record in (await night.caller.usage()).records)
    assert await night.run("housekeeping", "2026-01-31") == {}


async def test_usage_without_a_rate_fails_its_record_and_stays_unrated_until_there_is_one(
    night: Night,
) -> None:
    await night.caller.set_plans(plan(), plan(plan_instance_no=71))
    await night.caller.set_rates(minutes="0.01")
    other = used("other", "100")
    other.plan_instance_no = 71
    await night.caller.record_usage(used("a", "100"), used("b", "1", "gigabytes"), other)
    outcomes = await night.run("housekeeping", "2026-01-31")
    assert outcomes["plan_instance:70"].reason == "RATE_MISSING"
    assert "gigabytes" in outcomes["plan_instance:70"].message
    assert outcomes["plan_instance:71"].ok
    assert await pending(night) == [("minutes: 100 at 0.01 USD", 100)]
    await night.caller.set_rates(gigabytes="1")
    assert await night.reasons("housekeeping", "2026-01-31") == [""]
    assert len(await pending(night)) == 3


async def test_a_failing_rate_does_not_keep_a_change_from_taking_effect(night: Night) -> None:
    await night.caller.set_plans(plan())
    await night.caller.change(change(PRICE, "2026-01-10", 4000))
    await night.caller.record_usage(used("a", "100"))
    assert await night.reasons("housekeeping", "2026-01-31") == ["RATE_MISSING"]
    assert (await night.caller.plans())[0].price == usd(4000)


@pytest.mark.parametrize(
    ("zone", "at", "counted"),
    [
        ("America/New_York", datetime(2026, 3, 9, 3, 59, 59, tzinfo=UTC), True),
        ("America/New_York", datetime(2026, 3, 9, 4, 0, tzinfo=UTC), False),
        ("America/New_York", datetime(2026, 11, 2, 4, 59, 59, tzinfo=UTC), True),
        ("America/New_York", datetime(2026, 11, 2, 5, 0, tzinfo=UTC), False),
        ("UTC", datetime(2026, 3, 8, 23, 59, 59, tzinfo=UTC), True),
        ("UTC", datetime(2026, 3, 9, tzinfo=UTC), False),
    ],
)
async def test_a_day_of_usage_ends_where_the_client_lives(
    night: Night, zone: str, at: datetime, *, counted: bool
) -> None:
    await night.caller.setup.SetClientProfile(
        setup.SetClientProfileRequest(client_no=night.client_no, request_id=key(), time_zone=zone)
    )
    await night.caller.set_plans(plan())
    await night.caller.set_rates(minutes="1")
    await night.caller.record_usage(used("a", "1", at=at))
    business_date = "2026-03-08" if at.month == 3 else "2026-11-01"
    assert bool(await night.run("housekeeping", business_date)) is counted
