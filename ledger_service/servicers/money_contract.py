"""Sums of money in the form of the contract."""

from ledger_service.rules import refusals
from service_kit.money import LARGEST_MINOR_UNITS, SMALLEST_MINOR_UNITS
from tallybook.type.v1.money_pb2 import Money


def sum_to_proto(currency_code: str, minor_units: int) -> Money:
    """A sum; AMOUNT_OUT_OF_RANGE when 64 bits can't hold it.

    A balance that is stored always fits. That of a day, which leaves out what takes effect later, or the
    total of one side need not.
    """
    if not SMALLEST_MINOR_UNITS <= minor_units <= LARGEST_MINOR_UNITS:
        raise refusals.sum_out_of_range(currency_code)
    return Money(currency_code=currency_code, minor_units=minor_units)
