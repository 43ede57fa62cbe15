"""Parts of a price: exact fractions, rounded once, half up, to the minor unit of the currency."""

from fractions import Fraction

from service_kit.money import Money


def round_half_up(amount: Fraction) -> int:
    """The nearest whole number; a half goes away from zero."""
    doubled = abs(amount) * 2 + 1
    rounded = doubled.numerator // (doubled.denominator * 2)
    return -rounded if amount < 0 else rounded


def prorate(price: Money, fraction: Fraction) -> Money:
    """`fraction` of `price`, rounded half up."""
    return Money(round_half_up(price.minor_units * fraction), price.currency)


def percent_of(amount: Money, percent: Fraction) -> Money:
    """`percent` per cent of `amount`, rounded half up."""
    return prorate(amount, percent / 100)
