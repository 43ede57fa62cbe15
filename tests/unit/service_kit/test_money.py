"""Money is exact, and says so when it can't be."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_kit.errors import DomainError
from service_kit.money import CURRENCY_EXPONENTS, LARGEST_MINOR_UNITS, Money, parse_decimal

currencies = st.sampled_from(sorted(CURRENCY_EXPONENTS))
amounts = st.integers(-(10**15), 10**15)


@pytest.mark.parametrize(
    ("text", "currency", "minor_units"),
    [
        ("12.50", "USD", 1250),
        ("12.5", "USD", 1250),
        ("12", "USD", 1200),
        ("-0.01", "USD", -1),
        ("1250", "JPY", 1250),
        ("1.234", "KWD", 1234),
        ("1.2345", "CLF", 12345),
        ("12.500", "USD", 1250),
    ],
)
def test_a_decimal_string_is_read_by_the_currency_s_exponent(
    text: str, currency: str, minor_units: int
) -> None:
    assert Money.parse(text, currency) == Money(minor_units, currency)


@pytest.mark.parametrize("text", ["12.505", "0.001"])
def test_decimals_that_the_currency_does_not_have_are_refused_not_rounded(text: str) -> None:
    with pytest.raises(DomainError, match="more than the 2 decimals of USD"):
        Money.parse(text, "USD")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        ".",
        "1.",
        ".5",
        "1e3",
        "NaN",
        "Infinity",
        "1_000",
        " 1",
        "1 ",
        "+1",
        "1.2.3",
        "--1",
        "\u0661",
        "1" * 61,
    ],
)
def test_what_is_no_plain_decimal_number_is_refused(text: str) -> None:
    with pytest.raises(DomainError) as refused:
        parse_decimal(text, "rate")
    assert refused.value.field_violations[0].field == "rate"


@pytest.mark.parametrize("currency", ["usd", "US", "XAU", "XXX", "ZZZ", "", "DEM"])
def test_a_currency_that_iso_4217_does_not_have_is_refused(currency: str) -> None:
    with pytest.raises(DomainError) as refused:
        Money(1, currency)
    assert refused.value.reason == "CURRENCY_UNKNOWN"


@pytest.mark.parametrize("minor_units", [LARGEST_MINOR_UNITS + 1, -LARGEST_MINOR_UNITS - 2])
def test_what_does_not_fit_in_64_bits_is_refused(minor_units: int) -> None:
    with pytest.raises(DomainError) as refused:
        Money(minor_units, "USD")
    assert refused.value.reason == "AMOUNT_OUT_OF_RANGE"


def test_a_sum_that_leaves_64_bits_is_refused() -> None:
    with pytest.raises(DomainError):
        Money(LARGEST_MINOR_UNITS, "USD") + Money(1, "USD")


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Money(123450, "USD"), "1,234.50 USD"),
        (Money(-5, "USD"), "-0.05 USD"),
        (Money(1234567, "JPY"), "1,234,567 JPY"),
        (Money(1, "KWD"), "0.001 KWD"),
    ],
)
def test_people_read_it_with_its_decimals_and_currency(money: Money, text: str) -> None:
    assert str(money) == text


@given(amounts, currencies)
def test_what_is_written_is_read_again(minor_units: int, currency: str) -> None:
    money = Money(minor_units, currency)
    assert Money.parse(str(money.to_decimal()), currency) == money


def test_two_currencies_do_not_add_up_or_compare() -> None:
    with pytest.raises(ValueError, match="different currencies"):
        Money(1, "USD") + Money(1, "EUR")
    with pytest.raises(ValueError, match="different currencies"):
        assert Money(1, "USD") < Money(1, "EUR")
    assert Money(1, "USD") != Money(1, "EUR")


@pytest.mark.parametrize(
    ("minor_units", "rate", "expected"),
    [
        (100, "0.125", 13),  # 12.5: half goes up
        (300, "0.125", 38),  # 37.5: up, where half even would go up too
        (100, "0.145", 15),  # 14.5: up, where half even would go down
        (-100, "0.125", -13),  # away from zero, so that a credit mirrors its charge
        (1999, "0.0825", 165),  # 164.9175
        (1, "0.4999999999999999999999999999", 0),
        (10**18, "1.000000000000000001", 10**18 + 1),
    ],
)
def test_a_rate_is_applied_exactly_and_rounded_once_half_up(
    minor_units: int, rate: str, expected: int
) -> None:
    assert Money(minor_units, "USD").multiply_rate(Decimal(rate)) == Money(expected, "USD")


def test_a_product_beyond_64_bits_is_refused() -> None:
    with pytest.raises(DomainError):
        Money(LARGEST_MINOR_UNITS, "USD").multiply_rate(Decimal(2))


@pytest.mark.parametrize(
    ("minor_units", "weights", "parts"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (-100, [1, 1, 1], [-34, -33, -33]),
        (100, [1, 2], [33, 67]),
        (5, [3, 7], [2, 3]),  # 1.5 and 3.5: the same remainder, so the earlier part gets the unit
        (0, [1, 1], [0, 0]),
        (7, [0, 1], [0, 7]),
        (3000, [17, 14], [1645, 1355]),  # 17 of 31 days
    ],
)
def test_parts_are_in_proportion_and_add_up(minor_units: int, weights: list[int], parts: list[int]) -> None:
    assert [part.minor_units for part in Money(minor_units, "USD").allocate(weights)] == parts


@given(amounts, st.lists(st.integers(0, 10**6), min_size=1, max_size=50).filter(any))
def test_parts_always_add_up_and_none_is_off_by_a_unit(minor_units: int, weights: list[int]) -> None:
    parts = [part.minor_units for part in Money(minor_units, "USD").allocate(weights)]
    assert sum(parts) == minor_units
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part * sum(weights) - minor_units * weight) < sum(weights)


@pytest.mark.parametrize("weights", [[], [0, 0], [1, -1]])
def test_weights_that_no_amount_can_be_split_by_are_a_fault_of_the_program(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="weights"):
        Money(100, "USD").allocate(weights)
