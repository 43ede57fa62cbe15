"""Money: an exact number of minor units of an ISO 4217 currency, and what rounds or splits it.

The exponents (2 for USD, 0 for JPY, 3 for KWD) are the data of the `iso4217` package, which ships the table
of the standard's maintenance agency.
"""

import decimal
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from iso4217 import Currency

from service_kit.errors import DomainError, ErrorKind, SharedReason, invalid_field

# Codes without an exponent (XAU, XTS, XXX ...) are units of account, not money that anybody can be billed in.
CURRENCY_EXPONENTS: Final[dict[str, int]] = {
    currency.code: currency.exponent for currency in Currency if currency.exponent is not None
}

SMALLEST_MINOR_UNITS: Final = -(2**63)
LARGEST_MINOR_UNITS: Final = 2**63 - 1

# Wide enough that the product of any int64 and any rate of a contract is exact before it is rounded once.
_EXACT = decimal.Context(
    prec=200, rounding=ROUND_HALF_UP, traps=[decimal.InvalidOperation, decimal.DivisionByZero]
)


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount of money: `minor_units` (cents for USD) of `currency` (ISO 4217, upper case).

    Construction refuses, with a DomainError, a currency that is not one of ISO 4217 (CURRENCY_UNKNOWN) and an
    amount outside of 64 bits (AMOUNT_OUT_OF_RANGE). Arithmetic between two currencies is a fault of the
    program: ValueError.
    """

    minor_units: int
    currency: str

    def __post_init__(self) -> None:
        exponent_of(self.currency)
        if not SMALLEST_MINOR_UNITS <= self.minor_units <= LARGEST_MINOR_UNITS:
            raise DomainError(
                ErrorKind.INVALID_ARGUMENT,
                SharedReason.AMOUNT_OUT_OF_RANGE,
                f"{self.minor_units} {self.currency} minor units do not fit in 64 bits",
            )

    @classmethod
    def parse(cls, text: str, currency: str) -> "Money":
        """Read a decimal string ("12.50", "-3") of major units exactly: "12.505" USD is refused."""
        exponent = exponent_of(currency)
        minor_units = parse_decimal(text, "amount").scaleb(exponent, _EXACT)
        if minor_units != minor_units.to_integral_value():
            raise invalid_field("amount", f"{text} has more than the {exponent} decimals of {currency}")
        return cls(int(minor_units), currency)

    @property
    def exponent(self) -> int:
        """How many decimals the currency has."""
        return exponent_of(self.currency)

    def to_decimal(self) -> Decimal:
        """The amount in major units, exactly: Money(1250, "USD") is Decimal("12.50")."""
        return Decimal(self.minor_units).scaleb(-self.exponent, _EXACT)

    def __str__(self) -> str:
        """For people and logs: "1,234.50 USD"."""
        return f"{self.to_decimal():,.{self.exponent}f} {self.currency}"

    def __add__(self, other: "Money") -> "Money":
        self._require_same_currency(other)
        return Money(self.minor_units + other.minor_units, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._require_same_currency(other)
        return Money(self.minor_units - other.minor_units, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.minor_units, self.currency)

    def __lt__(self, other: "Money") -> bool:
        self._require_same_currency(other)
        return self.minor_units < other.minor_units

    def __le__(self, other: "Money") -> bool:
        self._require_same_currency(other)
        return self.minor_units <= other.minor_units

    def multiply_rate(self, rate: Decimal) -> "Money":
        """This amount times an exact rate (a percentage as 0.0825, a quantity), rounded once, half up.

        Half up (away from zero) is the commercial rule that invoices and most tax offices use, and what a
        customer gets who checks the sum by hand; half even is for statistics, where a bias over many sums
        matters.
        """
        exact = _EXACT.multiply(Decimal(self.minor_units), rate)
        return Money(int(exact.to_integral_value(rounding=ROUND_HALF_UP, context=_EXACT)), self.currency)

    def allocate(self, weights: Sequence[int]) -> list["Money"]:
        """Split this amount in proportion to `weights` (>= 0, not all zero) into parts that add up to it.

        Largest remainder method (Hamilton): each part gets its share rounded towards zero, and the units that
        are left go one each to the largest remainders, earlier parts first: none is off by a unit.
        """
        total = sum(weights)
        if total <= 0 or min(weights) < 0:
            raise ValueError(f"weights must be at least 0 and not all of them 0, not {list(weights)}")
        sign = -1 if self.minor_units < 0 else 1
        shares = [divmod(abs(self.minor_units) * weight, total) for weight in weights]
        parts = [quotient for quotient, _ in shares]
        left = abs(self.minor_units) - sum(parts)
        by_remainder = sorted(range(len(shares)), key=lambda index: -shares[index][1])
        for index in by_remainder[:left]:
            parts[index] += 1
        return [Money(sign * part, self.currency) for part in parts]

    def _require_same_currency(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise ValueError(f"{self} and {other} are of different currencies")


def exponent_of(currency: str) -> int:
    """How many decimals `currency` has; DomainError CURRENCY_UNKNOWN when it is not one of ISO 4217."""
    try:
        return CURRENCY_EXPONENTS[currency]
    except KeyError:
        raise invalid_field(
            "currency_code",
            f"{currency!r} is not a currency of ISO 4217: give its three letter code, e.g. USD",
            SharedReason.CURRENCY_UNKNOWN,
        ) from None


def parse_decimal(text: str, field: str) -> Decimal:
    """Read a plain decimal string ("0.0825", "-12") exactly; anything else is an invalid `field`.

    Exponents, infinities, underscores, blanks and other scripts' digits are refused, though Decimal would
    take them: contracts promise plain decimal strings.
    """
    digits = text.removeprefix("-").replace(".", "", 1)
    if (
        not (digits.isascii() and digits.isdigit())
        or text.endswith(".")
        or text.removeprefix("-").startswith(".")
    ):
        raise invalid_field(field, f"{text!r} is not a decimal number such as 12.50")
    if len(digits) > 60:
        raise invalid_field(
            field, f"a number of {len(digits)} digits is longer than the 60 that are read exactly"
        )
    return Decimal(text)
