"""What usage costs: the quantities of a plan instance and usage type, times the price of a unit (rule 29)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from batch_service.rules.proration import round_half_up
from batch_service.rules.quantities import written
from service_kit.errors import DomainError
from service_kit.money import Money, exponent_of


@dataclass(frozen=True, slots=True)
class UsageGroup:
    """All unrated usage of one type of a plan instance; `quantity` is the exact sum."""

    usage_type: str
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class RatedUsage:
    """A pending line that usage was rated into."""

    usage_type: str
    description: str
    amount: Money


@dataclass(frozen=True, slots=True)
class MissingRates:
    """No rate in `currency` for these usage types: nothing of the plan instance was rated."""

    currency: str
    usage_types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AmountTooLarge:
    """The usage of this type costs more than an invoice line can hold."""

    usage_type: str


RatingOutcome = tuple[RatedUsage, ...] | MissingRates | AmountTooLarge


def rate(groups: Sequence[UsageGroup], unit_prices: Mapping[str, Decimal], currency: str) -> RatingOutcome:
    """One line for each usage type, by name; all of them or none.

    unit_prices: the price of a unit by usage type, in whole units of `currency`.
    """
    missing = tuple(sorted(group.usage_type for group in groups if group.usage_type not in unit_prices))
    if missing:
        return MissingRates(currency, missing)
    lines = []
    for group in sorted(groups, key=lambda group: group.usage_type):
        unit_price = unit_prices[group.usage_type]
        try:
            amount = _price(group.quantity, unit_price, currency)
        except DomainError:
            return AmountTooLarge(group.usage_type)
        description = f"{group.usage_type}: {written(group.quantity)} at {written(unit_price)} {currency}"
        lines.append(RatedUsage(group.usage_type, description, amount))
    return tuple(lines)


def _price(quantity: Decimal, unit_price: Decimal, currency: str) -> Money:
    in_minor_units = Fraction(quantity) * Fraction(unit_price) * 10 ** exponent_of(currency)
    return Money(round_half_up(in_minor_units), currency)
