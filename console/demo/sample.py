"""Invented customers of a telephone company, the same for the same number of accounts and month."""

import calendar
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum, auto
from typing import Final

from console.account_import.rows import PaymentKind, Subscriber, Timing
from service_kit.money import Money

CURRENCY: Final = "USD"

OUTAGE_DAY: Final = 15
"""The payment gateway fails on a day on which a third of the customers is billed."""
USAGE_FILE_DAYS: Final = (9, 22)
PRICE_CHANGE_DAY: Final = 10
CANCELLATION_DAY: Final = 20

FEWEST_CUSTOMERS: Final = 10
DEARER_CUSTOMER: Final = "sample-00005"
"""Billed in advance on the 15th: gets a new price, a router and a coupon before that."""
NEW_PRICE: Final = Money(5400, CURRENCY)
LEAVING_CUSTOMER: Final = "sample-00003"
"""Would be billed on the last day, but leaves before."""

REFUNDED_CUSTOMER: Final = "sample-00004"
"""Billed and collected on the 1st; gets some of it back."""
REFUND_DAY: Final = 5
REFUND: Final = Money(2000, CURRENCY)
DISPUTING_CUSTOMER: Final = "sample-00007"
"""Billed on the 1st, pays by check: all but what is disputed."""
DISPUTE_DAY: Final = 2
DISPUTED: Final = Money(1200, CURRENCY)
SETTLEMENT_DAY: Final = 25
OWING_CUSTOMER: Final = "sample-00006"
"""Owes something from before, and sends no check in the month."""
PAYING_CUSTOMER: Final = "sample-00001"
TRANSFER_DAY: Final = 3


class CheckHabit(Enum):
    """When customers who pay by check do so, counted from their invoice."""

    PROMPT = auto()
    LATE = auto()
    NEVER = auto()


@dataclass(frozen=True, slots=True)
class Plan:
    """A price and how it is billed."""

    name: str
    price: str
    timing: Timing
    tax_percent: str


PLANS: Final = (
    Plan("Basic", "9.90", Timing.IN_ADVANCE, "8.25"),
    Plan("Family", "34.50", Timing.IN_ARREARS, "8.25"),
    Plan("Plus", "19.90", Timing.IN_ADVANCE, "8.25"),
    Plan("Business", "79.00", Timing.IN_ARREARS, ""),
    Plan("Unlimited", "49.00", Timing.IN_ADVANCE, "8.25"),
)
ACTIVATION_CHARGE: Final = Money(2500, CURRENCY)
ANCHOR_DAYS: Final = (1, 15, 31)

_KINDS: Final = (
    PaymentKind.CARD,
    PaymentKind.CARD,
    PaymentKind.CARD,
    PaymentKind.ELECTRONIC_CHECK,
    PaymentKind.ELECTRONIC_CHECK,
    PaymentKind.EXTERNAL,
    PaymentKind.EXTERNAL,
)
# What the sandbox gateway makes of each: most are approved, so that those that are not stand out.
_TOKENS: Final = (
    *("tok_approve",) * 7,
    "tok_soft_decline",
    *("tok_approve",) * 5,
    "tok_pending",
    "tok_approve",
    "tok_hard_decline",
    *("tok_approve",) * 3,
    "tok_timeout",
)
_HABITS: Final = (CheckHabit.PROMPT, CheckHabit.PROMPT, CheckHabit.LATE, CheckHabit.NEVER)
_DELAYS: Final = {CheckHabit.PROMPT: range(2, 5), CheckHabit.LATE: range(9, 13)}

# fmt: off
_FIRST_NAMES: Final = (
    "Ada", "Alan", "Anita", "Barbara", "Claude", "Dorothy", "Edsger", "Frances", "Grace", "Hedy",
    "Ivan", "Jean", "Katherine", "Leslie", "Mary", "Niklaus", "Olga", "Peter", "Radia", "Sophie",
    "Tim", "Ursula", "Vint", "Wendy", "Yukihiro", "Zoe",
)
_LAST_NAMES: Final = (
    "Abbott", "Baker", "Castillo", "Dietrich", "Evans", "Fischer", "Garcia", "Hansen", "Ito",
    "Johnson", "Keller", "Lopez", "Moreau", "Novak", "Okafor", "Patel", "Quinn", "Rossi", "Silva",
    "Tanaka", "Ueda", "Vargas", "Weber", "Young", "Zimmermann",
)
# fmt: on


@dataclass(frozen=True, slots=True)
class Month:
    """The month that is lived through."""

    first: date

    @property
    def last(self) -> date:
        """Its last day."""
        return self.day(31)

    @property
    def days(self) -> list[date]:
        """All its days."""
        return [self.first + timedelta(days=offset) for offset in range(self.last.day)]

    def day(self, number: int) -> date:
        """A day of it; 31 is the last day of a short month, as with the anchors of billing periods."""
        return self.first.replace(day=min(number, calendar.monthrange(self.first.year, self.first.month)[1]))

    @property
    def previous(self) -> "Month":
        """The month before."""
        return Month((self.first - timedelta(days=1)).replace(day=1))

    def __str__(self) -> str:
        return f"{self.first:%B %Y}"


def last_complete_month(today: date) -> Month:
    """The month that has just ended."""
    return Month(today.replace(day=1)).previous


@dataclass(frozen=True, slots=True)
class Customer:
    """A subscriber, and for one who pays by check: on which day the check comes."""

    subscriber: Subscriber
    check_day: date | None


def invent_customers(number: int, month: Month) -> list[Customer]:
    """So many customers: the same ones for the same number and month."""
    chance = random.Random(f"tallybook {number} {month}")  # noqa: S311  # a sample, not a secret
    tokens = iter(_endless(_TOKENS))
    return [_invent(position, month, tokens, chance) for position in range(number)]


def _invent(position: int, month: Month, tokens: Iterator[str], chance: random.Random) -> Customer:
    plan = PLANS[position % len(PLANS)]
    anchor_day = ANCHOR_DAYS[position % len(ANCHOR_DAYS)]
    kind = _KINDS[position % len(_KINDS)]
    is_new = position % 10 == 9
    opening_balance = _opening_balance(position, chance)
    subscriber = Subscriber(
        line_no=position + 1,
        external_id=f"sample-{position + 1:05d}",
        name=f"{chance.choice(_FIRST_NAMES)} {chance.choice(_LAST_NAMES)}",
        plan_name=plan.name,
        price=Money.parse(plan.price, CURRENCY),
        timing=plan.timing,
        period_months=1,
        anchor_day=anchor_day,
        start_date=_start_date(plan, anchor_day, month, chance, is_new=is_new),
        payment_term_days=10 if kind is PaymentKind.EXTERNAL else 0,
        payment_kind=kind,
        payment_token="" if kind is PaymentKind.EXTERNAL else next(tokens),
        opening_balance=opening_balance,
        opening_date=month.previous.day(20) if opening_balance else None,
        tax_percent=plan.tax_percent,
        activation_charge=ACTIVATION_CHARGE if is_new else None,
    )
    return Customer(subscriber, _check_day(position, subscriber, month, chance))


def _start_date(plan: Plan, anchor_day: int, month: Month, chance: random.Random, *, is_new: bool) -> date:
    if is_new:
        # Not on an anchor day: the first period is shorter, and so is its charge.
        return month.day(chance.randint(2, 13))
    return (month.previous if plan.timing is Timing.IN_ARREARS else month).day(anchor_day)


def _opening_balance(position: int, chance: random.Random) -> Money | None:
    if position % 8 == 5:
        return Money(chance.randint(1200, 8000), CURRENCY)
    if position % 12 == 7:
        return Money(-chance.randint(500, 2000), CURRENCY)
    return None


def _check_day(position: int, subscriber: Subscriber, month: Month, chance: random.Random) -> date | None:
    if subscriber.payment_kind is not PaymentKind.EXTERNAL:
        return None
    habit = _HABITS[position // len(_KINDS) % len(_HABITS)]
    if habit is CheckHabit.NEVER:
        return None
    comes = month.day(subscriber.anchor_day) + timedelta(days=chance.choice(_DELAYS[habit]))
    return comes if comes <= month.last else None


def _endless(items: Sequence[str]) -> Iterator[str]:
    while True:
        yield from items


@dataclass(frozen=True, slots=True)
class PlanInstance:
    """Who can use something: numbers of the ledger."""

    acct_no: int
    plan_instance_no: int


USAGE_RATES: Final = {"minutes": "0.035", "megabytes": "0.0018", "messages": "0.0125"}
ACTIVITY_COLUMNS: Final = "usage_id,acct_no,plan_instance_no,usage_type,quantity,used_at"


def invent_usage_file(name: str, day: date, users: Sequence[PlanInstance]) -> list[str]:
    """The lines of a usage file: two records a user, and five lines that can't be used."""
    chance = random.Random(f"usage {name}")  # noqa: S311  # a sample, not a secret
    lines = [ACTIVITY_COLUMNS]
    for number, user in enumerate(user for user in users for _ in range(2)):
        used_on = day - timedelta(days=chance.randint(1, 5))
        kind = chance.choice(sorted(USAGE_RATES))
        lines.append(
            f"{name}-{number},{user.acct_no},{user.plan_instance_no},{kind},{chance.randint(1, 400)},"
            f"{used_on}T{chance.randint(0, 23):02d}:{chance.randint(0, 59):02d}:00Z"
        )
    for position, bad in enumerate(_bad_lines(name, day, users[0])):
        lines.insert(3 + position * max(1, len(lines) // 6), bad)
    return lines


def _bad_lines(name: str, day: date, user: PlanInstance) -> list[str]:
    account = f"{user.acct_no},{user.plan_instance_no}"
    return [
        f"{name}-bad-1,999999999,1,minutes,10,{day}T08:00:00Z",
        f"{name}-bad-2,{account},minutes,-4,{day}T08:00:00Z",
        f"{name}-bad-3,{account},minutes,many,{day}T08:00:00Z",
        f"{name}-bad-4,{account},minutes,10,yesterday",
        f"{name}-bad-5,{account},minutes",
    ]
