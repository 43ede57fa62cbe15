"""Decimal numbers of the contract that are no money: quantities, prices of a unit, percentages."""

from decimal import Decimal
from typing import Final

from service_kit.errors import DomainError, invalid_field
from service_kit.money import parse_decimal

DECIMAL_INVALID: Final = "DECIMAL_INVALID"

_LARGEST_QUANTITY: Final = Decimal(10) ** 15
_LARGEST_UNIT_PRICE: Final = Decimal(10) ** 9
_LARGEST_PERCENT: Final = Decimal(1000)
_MOST_DECIMALS: Final = 12


def parse_quantity(text: str, field: str) -> Decimal:
    """A quantity above zero; DomainError DECIMAL_INVALID about `field`."""
    quantity = _parse(text, field, _LARGEST_QUANTITY)
    if quantity == 0:
        raise invalid_field(field, "has to be above zero", DECIMAL_INVALID)
    return quantity


def parse_unit_price(text: str, field: str) -> Decimal:
    """A price of a unit, zero or above; DomainError DECIMAL_INVALID about `field`."""
    return _parse(text, field, _LARGEST_UNIT_PRICE)


def parse_percent(text: str, field: str) -> Decimal:
    """A percentage from 0 to 1,000; DomainError DECIMAL_INVALID about `field`."""
    return _parse(text, field, _LARGEST_PERCENT)


def written(number: Decimal) -> str:
    """The number as the contract writes it: plain, without zeros at the end that say nothing."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _parse(text: str, field: str, largest: Decimal) -> Decimal:
    try:
        number = parse_decimal(text, field)
    except DomainError as refusal:
        description = refusal.message.removeprefix(f"{field}: ")
        raise invalid_field(field, description, DECIMAL_INVALID) from None
    if not 0 <= number <= largest:
        raise invalid_field(field, f"{text} is not between 0 and {largest:,f}", DECIMAL_INVALID)
    exponent = number.normalize().as_tuple().exponent
    assert isinstance(exponent, int), "parse_decimal lets only finite numbers through"
    if -exponent > _MOST_DECIMALS:
        raise invalid_field(field, f"{text} has more than {_MOST_DECIMALS} decimals", DECIMAL_INVALID)
    return number
