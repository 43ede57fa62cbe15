"""The messages of billing_setup.proto as the domain's values, checked field by field, and back."""

from collections.abc import Callable, Hashable, Sequence
from datetime import date
from fractions import Fraction
from typing import Final, TypeVar
from zoneinfo import available_timezones

from google.type.date_pb2 import Date

from batch_service.billing_setup import (
    ClientProfile,
    NewPendingLine,
    PaymentKind,
    PaymentMethod,
    ScheduledChange,
    UsageRate,
    UsageRecord,
)
from batch_service.rules.billing_periods import EARLIEST_DAY, LATEST_DAY, BillingCycle, BillingTiming
from batch_service.rules.dunning import DunningAction, DunningPosition, DunningStep, fault_of
from batch_service.rules.invoicing import LineType
from batch_service.rules.plan_changes import PlanChangeKind, PlanStatus
from batch_service.rules.plan_setup import RecurringPlan
from batch_service.rules.quantities import parse_percent, parse_quantity, parse_unit_price, written
from batch_service.servicers.texts import storable
from batch_service.store_plans import StoredPlan
from service_kit.dates import date_from_proto, date_to_proto, instant_from_proto, instant_to_proto
from service_kit.errors import DomainError, SharedReason, invalid_field
from service_kit.money import Money, exponent_of
from tallybook.batch.v1 import billing_setup_pb2
from tallybook.type.v1 import money_pb2

Item = TypeVar("Item")

# The database of the machine may change under us; which names there are is read once.
_TIME_ZONES: Final = available_timezones()


def profile_from_proto(request: billing_setup_pb2.SetClientProfileRequest) -> ClientProfile:
    """DomainError TIME_ZONE_UNKNOWN when the zone is not one of the IANA database."""
    if request.time_zone not in _TIME_ZONES:
        raise invalid_field(
            "time_zone",
            f"{request.time_zone!r} is not a zone of the IANA database: give one such as Europe/Berlin",
            "TIME_ZONE_UNKNOWN",
        )
    return ClientProfile(request.client_no, storable(request.name, "name"), request.time_zone)


def profile_to_proto(profile: ClientProfile) -> billing_setup_pb2.ClientProfile:
    """A client's profile."""
    return billing_setup_pb2.ClientProfile(
        client_no=profile.client_no, name=profile.name, time_zone=profile.time_zone
    )


def plans_from_proto(request: billing_setup_pb2.SetRecurringPlansRequest) -> list[RecurringPlan]:
    """The plans of a request; a plan instance that is there twice is refused."""
    plans = [_plan(plan, f"recurring_plans[{place}]") for place, plan in enumerate(request.recurring_plans)]
    _require_distinct(plans, lambda plan: plan.plan_instance_no, "recurring_plans", "plan_instance_no")
    return plans


def plan_to_proto(stored: StoredPlan) -> billing_setup_pb2.RecurringPlan:
    """A plan with the date of its next invoice, which is absent when there is none."""
    plan = stored.plan
    message = billing_setup_pb2.RecurringPlan(
        acct_no=plan.acct_no,
        plan_instance_no=plan.plan_instance_no,
        description=plan.description,
        price=money_to_proto(plan.price),
        timing=billing_setup_pb2.BillingTiming.ValueType(plan.timing),
        period_months=plan.cycle.period_months,
        anchor_day=plan.cycle.anchor_day,
        start_date=date_to_proto(plan.cycle.start_date),
        tax_percent=written(plan.tax_percent) if plan.tax_percent is not None else "",
        status=billing_setup_pb2.RecurringPlanStatus.ValueType(plan.status),
    )
    if plan.activation_charge.minor_units:
        message.activation_charge.CopyFrom(money_to_proto(plan.activation_charge))
    if stored.dates.next_bill_date is not None:
        message.next_bill_date.CopyFrom(date_to_proto(stored.dates.next_bill_date))
    return message


def changes_from_proto(
    request: billing_setup_pb2.SchedulePlanChangesRequest,
) -> list[ScheduledChange]:
    """The changes of a request."""
    return [_change(change, f"changes[{place}]") for place, change in enumerate(request.changes)]


def methods_from_proto(request: billing_setup_pb2.SetPaymentMethodsRequest) -> list[PaymentMethod]:
    """The methods of a request; an account that is there twice is refused."""
    methods = [
        _method(method, f"payment_methods[{place}]") for place, method in enumerate(request.payment_methods)
    ]
    _require_distinct(methods, lambda method: method.acct_no, "payment_methods", "acct_no")
    return methods


def method_to_proto(method: PaymentMethod) -> billing_setup_pb2.PaymentMethod:
    """How an account pays."""
    return billing_setup_pb2.PaymentMethod(
        acct_no=method.acct_no,
        kind=billing_setup_pb2.AccountPaymentKind.ValueType(method.kind),
        payment_token=method.payment_token,
        declined_for_good=method.declined_for_good,
    )


def rates_from_proto(request: billing_setup_pb2.SetUsageRatesRequest) -> list[UsageRate]:
    """The rates of a request; a usage type and currency that is there twice is refused."""
    rates = []
    for place, rate in enumerate(request.rates):
        _require_currency(rate.currency_code, f"rates[{place}].currency_code")
        unit_price = parse_unit_price(rate.unit_price, f"rates[{place}].unit_price")
        rates.append(UsageRate(rate.usage_type, rate.currency_code, unit_price))
    _require_distinct(rates, lambda rate: (rate.usage_type, rate.currency), "rates", "usage_type")
    return rates


def usage_from_proto(request: billing_setup_pb2.RecordUsageRequest) -> list[UsageRecord]:
    """The usage of a request."""
    return [
        UsageRecord(
            usage_id=storable(record.usage_id, f"records[{place}].usage_id"),
            acct_no=record.acct_no,
            plan_instance_no=record.plan_instance_no,
            usage_type=record.usage_type,
            quantity=parse_quantity(record.quantity, f"records[{place}].quantity"),
            used_at=instant_from_proto(record.used_at, f"records[{place}].used_at"),
        )
        for place, record in enumerate(request.records)
    ]


def usage_to_proto(record: UsageRecord) -> billing_setup_pb2.UsageRecord:
    """A usage record."""
    return billing_setup_pb2.UsageRecord(
        usage_id=record.usage_id,
        acct_no=record.acct_no,
        plan_instance_no=record.plan_instance_no,
        usage_type=record.usage_type,
        quantity=written(record.quantity),
        used_at=instant_to_proto(record.used_at),
        rated=record.rated,
    )


def lines_from_proto(request: billing_setup_pb2.AddPendingLinesRequest) -> list[NewPendingLine]:
    """The lines of a request."""
    return [
        NewPendingLine(
            line_id=storable(line.line_id, f"lines[{place}].line_id"),
            acct_no=line.acct_no,
            plan_instance_no=line.plan_instance_no,
            # The numbers of the kinds are the codes of the line types.
            line_type=LineType(line.kind),
            description=storable(line.description, f"lines[{place}].description"),
            amount=_money(line.amount, f"lines[{place}].amount"),
        )
        for place, line in enumerate(request.lines)
    ]


def steps_from_proto(request: billing_setup_pb2.SetDunningStepsRequest) -> list[DunningStep]:
    """The steps of a request. DomainError DUNNING_STEPS_INVALID when they do not follow each other."""
    steps = [_step(step, f"steps[{place}]") for place, step in enumerate(request.steps)]
    fault = fault_of(steps)
    if fault is not None:
        raise invalid_field("steps", fault, "DUNNING_STEPS_INVALID")
    return steps


def step_to_proto(step: DunningStep) -> billing_setup_pb2.DunningStep:
    """A dunning step."""
    message = billing_setup_pb2.DunningStep(
        step_no=step.step_no,
        days_past_due=step.days_past_due,
        action=billing_setup_pb2.DunningAction.ValueType(step.action),
    )
    if step.fixed_charge is not None:
        message.fixed_charge.CopyFrom(money_to_proto(step.fixed_charge))
    if step.percent is not None:
        message.percent = written(step.percent_as_decimal())
    return message


def position_to_proto(acct_no: int, position: DunningPosition) -> billing_setup_pb2.DunningPosition:
    """Where an account stands in dunning."""
    message = billing_setup_pb2.DunningPosition(
        acct_no=acct_no, entered_on=date_to_proto(position.entered_on), last_step_no=position.last_step_no
    )
    if position.last_step_on is not None:
        message.last_step_on.CopyFrom(date_to_proto(position.last_step_on))
    return message


def money_to_proto(value: Money) -> money_pb2.Money:
    """The contract's form of an amount."""
    return money_pb2.Money(currency_code=value.currency, minor_units=value.minor_units)


def _plan(message: billing_setup_pb2.RecurringPlan, field: str) -> RecurringPlan:
    price = _money(message.price, f"{field}.price")
    return RecurringPlan(
        acct_no=message.acct_no,
        plan_instance_no=message.plan_instance_no,
        description=storable(message.description, f"{field}.description"),
        price=price,
        timing=BillingTiming(message.timing),
        cycle=BillingCycle(
            _day(message.start_date, f"{field}.start_date"), message.anchor_day, message.period_months
        ),
        activation_charge=_activation_charge(message, price, f"{field}.activation_charge"),
        tax_percent=parse_percent(message.tax_percent, f"{field}.tax_percent")
        if message.tax_percent
        else None,
        status=PlanStatus(message.status or PlanStatus.ACTIVE),
    )


def _activation_charge(message: billing_setup_pb2.RecurringPlan, price: Money, field: str) -> Money:
    if not message.HasField("activation_charge"):
        return Money(0, price.currency)
    charge = _money(message.activation_charge, field)
    if charge.minor_units < 0:
        raise invalid_field(f"{field}.minor_units", "must not be negative")
    if charge.currency != price.currency:
        raise invalid_field(
            f"{field}.currency_code", f"{charge.currency} is not the currency of the price, {price.currency}"
        )
    return charge


def _change(message: billing_setup_pb2.PlanChange, field: str) -> ScheduledChange:
    kind = PlanChangeKind(message.kind)
    given = message.HasField("new_price")
    if given != (kind is PlanChangeKind.PRICE):
        raise invalid_field(
            f"{field}.new_price",
            "only a change of the price has one" if given else "required for a new price",
        )
    price = _money(message.new_price, f"{field}.new_price") if given else None
    if price is not None and price.minor_units < 0:
        raise invalid_field(f"{field}.new_price.minor_units", "must not be negative")
    return ScheduledChange(
        message.plan_instance_no, kind, _day(message.effective_date, f"{field}.effective_date"), price
    )


def _method(message: billing_setup_pb2.PaymentMethod, field: str) -> PaymentMethod:
    kind = PaymentKind(message.kind)
    if kind is not PaymentKind.EXTERNAL and not message.payment_token:
        raise invalid_field(f"{field}.payment_token", "required for a card and for an electronic check")
    return PaymentMethod(message.acct_no, kind, storable(message.payment_token, f"{field}.payment_token"))


def _step(message: billing_setup_pb2.DunningStep, field: str) -> DunningStep:
    charge = (
        _money(message.fixed_charge, f"{field}.fixed_charge") if message.HasField("fixed_charge") else None
    )
    percent = Fraction(parse_percent(message.percent, f"{field}.percent")) if message.percent else None
    return DunningStep(message.step_no, message.days_past_due, DunningAction(message.action), charge, percent)


def _money(value: money_pb2.Money, field: str) -> Money:
    _require_currency(value.currency_code, f"{field}.currency_code")
    return Money(value.minor_units, value.currency_code)


def _require_currency(code: str, field: str) -> None:
    try:
        exponent_of(code)
    except DomainError as refusal:
        description = refusal.field_violations[0].description
        raise invalid_field(field, description, SharedReason.CURRENCY_UNKNOWN) from None


def _day(value: Date, field: str) -> date:
    day = date_from_proto(value, field)
    if not EARLIEST_DAY <= day <= LATEST_DAY:
        raise invalid_field(
            field, f"{day} is not between {EARLIEST_DAY} and {LATEST_DAY}", SharedReason.DATE_INVALID
        )
    return day


def _require_distinct(
    items: Sequence[Item], key: Callable[[Item], Hashable], field: str, key_field: str
) -> None:
    seen: dict[Hashable, int] = {}
    for place, item in enumerate(items):
        first = seen.setdefault(key(item), place)
        if first != place:
            raise invalid_field(f"{field}[{place}].{key_field}", f"the same as that of {field}[{first}]")
