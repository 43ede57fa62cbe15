"""Which column holds which field: the options of `tallybook accounts import`."""

import pytest

from console.account_import.columns import Field, read_mapping
from console.errors import BadDataError

ENOUGH = ["external_id=id", "price=charge"]


def test_values_of_the_file_may_contain_blanks_brackets_and_equals_signs() -> None:
    mapping = read_mapping(
        [*ENOUGH, "payment_kind=How"],
        ["currency=USD"],
        ["payment_kind:Bank (automatic)=electronic_check", "payment_kind:a=b=card"],
    )

    texts = mapping.texts({"id": "7", "charge": " 9.90 ", "How": "Bank (automatic)"})
    assert texts == {
        Field.EXTERNAL_ID: "7",
        Field.PRICE: "9.90",
        Field.CURRENCY: "USD",
        Field.PAYMENT_KIND: "electronic_check",
    }
    assert mapping.texts({"How": "a=b"})[Field.PAYMENT_KIND] == "card"


def test_a_value_without_a_meaning_of_its_own_is_taken_as_it_is() -> None:
    mapping = read_mapping([*ENOUGH, "payment_kind=How"], ["currency=USD"], ["payment_kind:Visa=card"])
    assert mapping.texts({"How": "external"})[Field.PAYMENT_KIND] == "external"


@pytest.mark.parametrize(
    ("columns", "constants", "values", "says"),
    [
        (["price"], [], [], "'price' is not of the form FIELD=HEADER"),
        (["colour=Colour"], [], [], "'colour' is no field. Give one of external_id, name"),
        (ENOUGH, ["price=1"], [], "price: given as a column and as a constant"),
        (
            ENOUGH,
            ["currency=USD"],
            ["payment_kind=card"],
            "'payment_kind=card' is not of the form FIELD:FROM=TO",
        ),
        (ENOUGH, ["currency="], [], "'currency=' is not of the form FIELD=VALUE"),
    ],
)
def test_options_that_make_no_sense_are_refused_with_what_would_be_right(
    columns: list[str], constants: list[str], values: list[str], says: str
) -> None:
    with pytest.raises(BadDataError) as refused:
        read_mapping(columns, constants, values)
    assert says in refused.value.message


def test_a_column_that_the_file_lacks_is_named_with_those_it_has() -> None:
    mapping = read_mapping(ENOUGH, ["currency=USD"], [])
    with pytest.raises(BadDataError, match=r"has no column charge\. It has: id, name"):
        mapping.fitted_to(["id", "name"])


@pytest.mark.parametrize(
    ("columns", "constants", "says"),
    [
        (
            ["external_id=id"],
            [],
            "nothing says where price is: give --column price=HEADER or --set price=VALUE",
        ),
        (
            ["price=p"],
            ["currency=USD"],
            "nothing says where external_id is: give --column external_id=HEADER",
        ),
    ],
)
def test_what_every_row_needs_has_to_come_from_somewhere(
    columns: list[str], constants: list[str], says: str
) -> None:
    with pytest.raises(BadDataError) as refused:
        read_mapping(columns, constants, []).fitted_to(["id", "p"])
    assert refused.value.message == says


def test_a_column_that_is_called_like_a_field_holds_it_if_nothing_else_is_said() -> None:
    mapping = read_mapping(["name=Customer"], ["currency=EUR"], [])
    fitted = mapping.fitted_to(["external_id", "price", "currency", "name", "Customer", "colour"])
    row = {
        "external_id": "7",
        "price": "5",
        "currency": "USD",
        "name": "no",
        "Customer": "Ada",
        "colour": "red",
    }
    assert fitted.texts(row) == {
        Field.EXTERNAL_ID: "7",
        Field.PRICE: "5",
        Field.CURRENCY: "EUR",
        Field.NAME: "Ada",
    }
