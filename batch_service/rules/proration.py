"""Parts of a price: exact fractions, rounded once, half up, to the minor unit of the currency."""

from fractions import Fraction

from service_kit.money import Money


def round_half_up(amount: Fraction) -> int:
    """The nearest whole number; a half goes away from zero."""
    return _rounded_ratio(amount.numerator, amount.denominator)


def prorate(price: Money, fraction: Fraction) -> Money:
    """`fraction` of `price`, rounded half up."""
    return Money(_rounded_ratio(price.minor_units * fraction.numerator, fraction.denominator), price.currency)


def percent_of(amount: Money, percent: Fraction) -> Money:
    """`percent` per cent of `amount`, rounded half up."""
    return Money(
        _rounded_ratio(amount.minor_units * percent.numerator, percent.denominator * 100), amount.currency
    )


def _rounded_ratio(numerator: int, denominator: int) -> int:
    """In whole numbers: a night rounds hundreds of thousands of amounts. `denominator` is above zero."""
    rounded = (2 * abs(numerator) + denominator) // (2 * denominator)
    return -rounded if numerator < 0 else rounded
