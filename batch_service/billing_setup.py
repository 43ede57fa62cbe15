"""What operators set up for the billing processes: the domain's values, without database or contract."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import IntEnum

from batch_service.rules.invoicing import LineType
from batch_service.rules.plan_changes import PlanChangeKind
from service_kit.money import Money


class PaymentKind(IntEnum):
    """How an account pays; the numbers are those of the contract."""

    CARD = 1
    ELECTRONIC_CHECK = 2
    EXTERNAL = 3


@dataclass(frozen=True, slots=True)
class ClientProfile:
    """What is known of a client; `time_zone` is its IANA name."""

    client_no: int
    name: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class ScheduledChange:
    """A change of a plan instance that is to take effect on a date."""

    plan_instance_no: int
    kind: PlanChangeKind
    effective_date: date
    new_price: Money | None


@dataclass(frozen=True, slots=True)
class PaymentMethod:
    """How an account pays. `version` counts how often it was set; `declined_for_good` follows a hard
    decline.
    """

    acct_no: int
    kind: PaymentKind
    payment_token: str
    declined_for_good: bool = False
    version: int = 0

    @property
    def collectable(self) -> bool:
        """Whether the Billing Manager and dunning may charge it."""
        return self.kind is not PaymentKind.EXTERNAL and not self.declined_for_good


@dataclass(frozen=True, slots=True)
class UsageRate:
    """The price of a unit, in whole units of the currency."""

    usage_type: str
    currency: str
    unit_price: Decimal


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """Something that a plan instance used; `rated` once it is in a pending line."""

    usage_id: str
    acct_no: int
    plan_instance_no: int
    usage_type: str
    quantity: Decimal
    used_at: datetime
    rated: bool = False
    origin: str = ""


@dataclass(frozen=True, slots=True)
class NewPendingLine:
    """A line to be added to the next invoice of a plan instance; `line_id` is the caller's, or None for
    usage.
    """

    line_id: str | None
    acct_no: int
    plan_instance_no: int
    line_type: LineType
    description: str
    amount: Money
