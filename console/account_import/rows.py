"""From a row of a CSV file to a subscriber, or to the reason why it can't be one."""

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

from console.account_import.columns import ColumnMapping, Field
from console.errors import BadDataError
from service_kit.errors import DomainError
from service_kit.money import Money, parse_decimal

Value = TypeVar("Value")
Default = TypeVar("Default")


class PaymentKind(StrEnum):
    """How a subscriber pays."""

    CARD = "card"
    ELECTRONIC_CHECK = "electronic_check"
    EXTERNAL = "external"


class Timing(StrEnum):
    """When a period is billed."""

    IN_ADVANCE = "in_advance"
    IN_ARREARS = "in_arrears"


@dataclass(frozen=True, slots=True)
class Subscriber:
    """An account to be opened, with its plan and how it pays."""

    line_no: int
    external_id: str
    name: str
    plan_name: str
    price: Money
    timing: Timing
    period_months: int
    anchor_day: int
    start_date: date
    payment_term_days: int
    payment_kind: PaymentKind
    payment_token: str
    opening_balance: Money | None
    opening_date: date | None
    tax_percent: str
    activation_charge: Money | None


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row is not, or not wholly, imported."""

    line_no: int
    external_id: str
    reason: str


class _FieldError(Exception):
    """What is wrong with one field of a row."""


def read_subscribers(file: Path, mapping: ColumnMapping, today: date) -> Iterator[Subscriber | RowError]:
    """Every row of the file as a subscriber or an error; BadDataError when the file as a whole can't be
    read.
    """
    first_lines: dict[str, int] = {}
    for line_no, texts in _rows(file, mapping):
        outcome = read_subscriber(line_no, texts, today)
        if isinstance(outcome, Subscriber):
            first_line = first_lines.setdefault(outcome.external_id, line_no)
            if first_line != line_no:
                outcome = RowError(
                    line_no,
                    outcome.external_id,
                    f"external_id: {outcome.external_id} stands on line {first_line} too",
                )
        yield outcome


def _rows(file: Path, mapping: ColumnMapping) -> Iterator[tuple[int, Mapping[Field, str]]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            if not reader.fieldnames:
                raise BadDataError(f"{file} is empty: its first line has to name the columns")
            fitted = mapping.fitted_to(reader.fieldnames)
            for row in reader:
                yield reader.line_num, fitted.texts(row)
    except (csv.Error, UnicodeDecodeError) as error:
        raise BadDataError(f"{file} can't be read as CSV in UTF-8: {error}") from None


def read_subscriber(line_no: int, texts: Mapping[Field, str], today: date) -> Subscriber | RowError:
    """One row. `today` is the first day of service where none is given."""
    try:
        return _subscriber(line_no, texts, today)
    except _FieldError as fault:
        return RowError(line_no, texts.get(Field.EXTERNAL_ID, ""), str(fault))


def _subscriber(line_no: int, texts: Mapping[Field, str], today: date) -> Subscriber:
    external_id = _required(texts, Field.EXTERNAL_ID, str)
    currency = _required(texts, Field.CURRENCY, str)
    amount = _money_in(currency)
    start_date = _optional(texts, Field.START_DATE, date.fromisoformat, today)
    kind = _optional(texts, Field.PAYMENT_KIND, PaymentKind, PaymentKind.EXTERNAL)
    token = texts.get(Field.PAYMENT_TOKEN, "")
    if kind is not PaymentKind.EXTERNAL and not token:
        raise _FieldError(f"payment_token: {kind} needs the gateway's token for it")
    return Subscriber(
        line_no=line_no,
        external_id=external_id,
        name=texts.get(Field.NAME, external_id),
        plan_name=texts.get(Field.PLAN_NAME, "Recurring plan"),
        price=_required(texts, Field.PRICE, amount),
        timing=_optional(texts, Field.TIMING, Timing, Timing.IN_ADVANCE),
        period_months=_optional(texts, Field.PERIOD_MONTHS, _whole, 1),
        # Without an anchor of its own the period starts with the service, so that the first one is whole.
        anchor_day=_optional(texts, Field.ANCHOR_DAY, _whole, start_date.day),
        start_date=start_date,
        payment_term_days=_optional(texts, Field.PAYMENT_TERM_DAYS, _whole, 0),
        payment_kind=kind,
        payment_token=token,
        opening_balance=_optional(texts, Field.OPENING_BALANCE, amount, None),
        opening_date=_optional(texts, Field.OPENING_DATE, date.fromisoformat, None),
        tax_percent=_optional(texts, Field.TAX_PERCENT, _decimal_text, ""),
        activation_charge=_optional(texts, Field.ACTIVATION_CHARGE, amount, None),
    )


_WHAT_WOULD_BE_RIGHT: Final[Mapping[Field, str]] = {
    Field.START_DATE: "a day such as 2026-03-31",
    Field.OPENING_DATE: "a day such as 2026-03-31",
    Field.PAYMENT_KIND: f"one of {', '.join(PaymentKind)} (use --value payment_kind:FROM=TO)",
    Field.TIMING: f"one of {', '.join(Timing)}",
    Field.ANCHOR_DAY: "a day of the month, 1 to 31",
    Field.PERIOD_MONTHS: "a number of months",
    Field.PAYMENT_TERM_DAYS: "a number of days",
}


def _required(texts: Mapping[Field, str], name: Field, read: Callable[[str], Value]) -> Value:
    if name not in texts:
        raise _FieldError(f"{name}: is missing")
    return _read(texts, name, read)


def _optional(
    texts: Mapping[Field, str], name: Field, read: Callable[[str], Value], default: Default
) -> Value | Default:
    return _read(texts, name, read) if name in texts else default


def _read(texts: Mapping[Field, str], name: Field, read: Callable[[str], Value]) -> Value:
    try:
        return read(texts[name])
    except DomainError as refused:
        reason = refused.message.partition(": ")[2] or refused.message
        raise _FieldError(f"{name}: {reason}") from None
    except ValueError:
        raise _FieldError(f"{name}: {texts[name]!r} is not {_WHAT_WOULD_BE_RIGHT[name]}") from None


def _money_in(currency: str) -> Callable[[str], Money]:
    return lambda text: Money.parse(text, currency)


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(text)
    return int(text)


def _decimal_text(text: str) -> str:
    parse_decimal(text, "tax_percent")
    return text
