"""From the rows of a CSV file to subscribers, or to what is wrong with them."""

from datetime import date
from pathlib import Path

import pytest

from console.account_import.columns import Field, read_mapping
from console.account_import.rows import (
    PaymentKind,
    RowError,
    Subscriber,
    Timing,
    read_subscriber,
    read_subscribers,
)
from console.errors import BadDataError
from service_kit.money import Money

TODAY = date(2026, 3, 17)
LEAST = {Field.EXTERNAL_ID: "7590-VHVEG", Field.PRICE: "29.85", Field.CURRENCY: "USD"}


def test_the_least_that_a_row_needs_makes_a_subscriber_who_pays_by_check() -> None:
    subscriber = read_subscriber(2, LEAST, TODAY)

    assert isinstance(subscriber, Subscriber)
    assert subscriber.name == "7590-VHVEG"
    assert subscriber.price == Money(2985, "USD")
    assert subscriber.payment_kind is PaymentKind.EXTERNAL
    assert (subscriber.start_date, subscriber.anchor_day) == (TODAY, 17)
    assert (subscriber.timing, subscriber.period_months) == (Timing.IN_ADVANCE, 1)
    assert (subscriber.opening_balance, subscriber.activation_charge) == (None, None)


def test_every_field_of_a_row_is_read() -> None:
    subscriber = read_subscriber(
        2,
        {
            **LEAST,
            Field.NAME: "Ada",
            Field.PAYMENT_KIND: "card",
            Field.PAYMENT_TOKEN: "tok_1",
            Field.PLAN_NAME: "Plus",
            Field.START_DATE: "2026-01-31",
            Field.ANCHOR_DAY: "31",
            Field.TIMING: "in_arrears",
            Field.PERIOD_MONTHS: "3",
            Field.PAYMENT_TERM_DAYS: "14",
            Field.OPENING_BALANCE: "-5.00",
            Field.OPENING_DATE: "2026-01-01",
            Field.TAX_PERCENT: "8.25",
            Field.ACTIVATION_CHARGE: "25",
        },
        TODAY,
    )

    assert subscriber == Subscriber(
        line_no=2,
        external_id="7590-VHVEG",
        name="Ada",
        plan_name="Plus",
        price=Money(2985, "USD"),
        timing=Timing.IN_ARREARS,
        period_months=3,
        anchor_day=31,
        start_date=date(2026, 1, 31),
        payment_term_days=14,
        payment_kind=PaymentKind.CARD,
        payment_token="tok_1",
        opening_balance=Money(-500, "USD"),
        opening_date=date(2026, 1, 1),
        tax_percent="8.25",
        activation_charge=Money(2500, "USD"),
    )


@pytest.mark.parametrize(
    ("field", "text", "says"),
    [
        (Field.PRICE, "", "price: is missing"),
        (Field.EXTERNAL_ID, "", "external_id: is missing"),
        (Field.PRICE, "29.855", "price: 29.855 has more than the 2 decimals of USD"),
        (Field.PRICE, "free", "price: 'free' is not a decimal number such as 12.50"),
        (Field.CURRENCY, "DOLLAR", "'DOLLAR' is not a currency of ISO 4217"),
        (Field.START_DATE, "01/03/2026", "start_date: '01/03/2026' is not a day such as 2026-03-31"),
        (Field.PAYMENT_KIND, "Visa", "payment_kind: 'Visa' is not one of card, electronic_check, external"),
        (Field.PAYMENT_KIND, "card", "payment_token: card needs the gateway's token for it"),
        (Field.TIMING, "later", "timing: 'later' is not one of in_advance, in_arrears"),
        (Field.ANCHOR_DAY, "-1", "anchor_day: '-1' is not a day of the month"),
        (Field.TAX_PERCENT, "8,25", "tax_percent: '8,25' is not a decimal number"),
    ],
)
def test_a_row_that_can_not_be_used_says_which_field_and_why(field: Field, text: str, says: str) -> None:
    texts = {name: value for name, value in {**LEAST, field: text}.items() if value}

    error = read_subscriber(13, texts, TODAY)

    assert isinstance(error, RowError)
    assert error.line_no == 13
    assert says in error.reason


def test_a_bad_row_does_not_stop_the_others_and_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    file = tmp_path / "subscribers.csv"
    file.write_text('id,charge,name\n1,9.90,"two\nlines"\n2,,b\n3,5,c\n1,5,again\n', encoding="utf-8-sig")
    mapping = read_mapping(["external_id=id", "price=charge", "name=name"], ["currency=USD"], [])

    rows = list(read_subscribers(file, mapping, TODAY))

    assert [type(row) for row in rows] == [Subscriber, RowError, Subscriber, RowError]
    assert [row.line_no for row in rows] == [3, 4, 5, 6]
    assert isinstance(rows[3], RowError)
    assert rows[3].reason == "external_id: 1 stands on line 3 too"


def test_an_empty_file_is_refused_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "subscribers.csv"
    file.write_text("")
    with pytest.raises(BadDataError, match="is empty: its first line has to name the columns"):
        list(read_subscribers(file, read_mapping([], [], []), TODAY))


def test_a_file_that_is_no_text_is_refused_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "subscribers.csv"
    file.write_bytes(b"id,charge\n1,\xff\xfe\n")
    mapping = read_mapping(["external_id=id", "price=charge"], ["currency=USD"], [])

    with pytest.raises(BadDataError, match="can't be read as CSV in UTF-8"):
        list(read_subscribers(file, mapping, TODAY))
