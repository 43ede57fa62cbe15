"""Rating: exact quantities times exact prices, rounded once."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_service.rules.quantities import parse_percent, parse_quantity, parse_unit_price, written
from batch_service.rules.rating import AmountTooLarge, MissingRates, RatedUsage, UsageGroup, rate
from service_kit.errors import DomainError
from service_kit.money import Money


@pytest.mark.parametrize(
    ("quantity", "unit_price", "currency", "minor_units"),
    [
        ("100", "0.0125", "USD", 125),
        ("1", "0.005", "USD", 1),
        ("1", "0.00499", "USD", 0),
        ("3", "0.5", "JPY", 2),
        ("1.5", "0.001", "KWD", 2),
        ("0.000000000001", "1000000000", "USD", 0),
        ("1000000000000000", "0.01", "USD", 1000000000000000),
    ],
)
def test_usage_is_rounded_half_up_to_the_unit_of_its_currency(
    quantity: str, unit_price: str, currency: str, minor_units: int
) -> None:
    outcome = rate([UsageGroup("minutes", Decimal(quantity))], {"minutes": Decimal(unit_price)}, currency)
    assert isinstance(outcome, tuple)
    assert [line.amount for line in outcome] == [Money(minor_units, currency)]


def test_each_type_has_its_line_which_says_what_it_was_made_of() -> None:
    groups = [UsageGroup("minutes", Decimal("12.50")), UsageGroup("gigabytes", Decimal(2))]
    prices = {"minutes": Decimal("0.10"), "gigabytes": Decimal(3), "unused": Decimal(1)}
    assert rate(groups, prices, "USD") == (
        RatedUsage("gigabytes", "gigabytes: 2 at 3 USD", Money(600, "USD")),
        RatedUsage("minutes", "minutes: 12.5 at 0.1 USD", Money(125, "USD")),
    )


def test_nothing_is_rated_when_a_rate_is_missing() -> None:
    groups = [UsageGroup("minutes", Decimal(1)), UsageGroup("gigabytes", Decimal(2))]
    assert rate(groups, {"minutes": Decimal(1)}, "USD") == MissingRates("USD", ("gigabytes",))


def test_an_amount_that_does_not_fit_is_refused() -> None:
    groups = [UsageGroup("minutes", Decimal(10) ** 15)]
    assert rate(groups, {"minutes": Decimal(10) ** 9}, "USD") == AmountTooLarge("minutes")


@given(st.decimals(0, 10**9, places=6, allow_nan=False), st.decimals(0, 1000, places=6, allow_nan=False))
def test_a_rated_amount_is_never_more_than_half_a_unit_off(quantity: Decimal, unit_price: Decimal) -> None:
    outcome = rate([UsageGroup("minutes", quantity)], {"minutes": unit_price}, "USD")
    assert isinstance(outcome, tuple)
    assert abs(outcome[0].amount.to_decimal() - quantity * unit_price) <= Decimal("0.005")


@pytest.mark.parametrize("text", ["0", "0.000", "-1", "1e3", "", " 1", "NaN", "1" * 61, "1000000000000001"])
def test_a_quantity_is_a_plain_decimal_number_above_zero(text: str) -> None:
    with pytest.raises(DomainError) as refused:
        parse_quantity(text, "quantity")
    assert refused.value.reason == "DECIMAL_INVALID"


def test_a_price_of_a_unit_may_be_zero_and_has_twelve_decimals_at_most() -> None:
    assert parse_unit_price("0", "unit_price") == 0
    assert parse_unit_price("0.000000000001", "unit_price") == Decimal("0.000000000001")
    with pytest.raises(DomainError, match="more than 12 decimals"):
        parse_unit_price("0.0000000000001", "unit_price")


def test_a_percentage_has_bounds() -> None:
    assert parse_percent("8.25", "tax_percent") == Decimal("8.25")
    for text in ("-0.1", "1000.1"):
        with pytest.raises(DomainError):
            parse_percent(text, "tax_percent")


@pytest.mark.parametrize(
    ("number", "text"), [("1.500", "1.5"), ("100", "100"), ("0.00", "0"), ("1E+3", "1000")]
)
def test_numbers_are_written_plainly(number: str, text: str) -> None:
    assert written(Decimal(number)) == text
