"""Which column of a CSV file holds which field of an account, and what its values mean."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from console.errors import BadDataError


class Field(StrEnum):
    """The fields of a subscriber that a file or a constant can give."""

    EXTERNAL_ID = "external_id"
    NAME = "name"
    PRICE = "price"
    PAYMENT_KIND = "payment_kind"
    PAYMENT_TOKEN = "payment_token"  # noqa: S105  # the name of a field
    CURRENCY = "currency"
    PLAN_NAME = "plan_name"
    START_DATE = "start_date"
    ANCHOR_DAY = "anchor_day"
    TIMING = "timing"
    PERIOD_MONTHS = "period_months"
    PAYMENT_TERM_DAYS = "payment_term_days"
    OPENING_BALANCE = "opening_balance"
    OPENING_DATE = "opening_date"
    TAX_PERCENT = "tax_percent"
    ACTIVATION_CHARGE = "activation_charge"


REQUIRED = (Field.EXTERNAL_ID, Field.PRICE, Field.CURRENCY)
"""Without these no row can become a subscriber."""


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """What the options of the command say about the file."""

    columns: Mapping[Field, str] = field(default_factory=dict)
    """Field -> the header of its column."""
    constants: Mapping[Field, str] = field(default_factory=dict)
    """Field -> the value that all rows have."""
    values: Mapping[Field, Mapping[str, str]] = field(default_factory=dict)
    """Field -> what a value of the file means."""

    def texts(self, row: Mapping[str, str]) -> dict[Field, str]:
        """The text of each field in a row; fields that are empty there are left out."""
        texts = dict(self.constants)
        for name, header in self.columns.items():
            text = (row.get(header) or "").strip()
            texts[name] = self.values.get(name, {}).get(text, text)
        return {name: text for name, text in texts.items() if text}

    def fitted_to(self, headers: Iterable[str]) -> "ColumnMapping":
        """The mapping of a file with these columns: one that is called like a field holds it, if nothing else
        was said. BadDataError when a column that was named is not there, or a field that every row needs.
        """
        present = list(headers)
        missing = [header for header in self.columns.values() if header not in present]
        if missing:
            raise BadDataError(f"the file has no column {', '.join(missing)}. It has: {', '.join(present)}")
        by_name = {name: name.value for name in Field if name in present and name not in self.constants}
        fitted = replace(self, columns={**by_name, **self.columns})
        for name in REQUIRED:
            if name not in fitted.columns and name not in fitted.constants:
                constant = "" if name is Field.EXTERNAL_ID else f" or --set {name}=VALUE"
                raise BadDataError(f"nothing says where {name} is: give --column {name}=HEADER{constant}")
        return fitted


def read_mapping(columns: Iterable[str], constants: Iterable[str], values: Iterable[str]) -> ColumnMapping:
    """Read FIELD=HEADER, FIELD=VALUE and FIELD:FROM=TO; BadDataError says which text can't be read and what
    would be right.
    """
    mapping = ColumnMapping(
        columns=dict(_pair(text, "FIELD=HEADER") for text in columns),
        constants=dict(_pair(text, "FIELD=VALUE") for text in constants),
        values=_values(values),
    )
    both = set(mapping.columns) & set(mapping.constants)
    if both:
        names = ", ".join(sorted(both))
        raise BadDataError(f"{names}: given as a column and as a constant; give one of them")
    return mapping


def _pair(text: str, form: str) -> tuple[Field, str]:
    name, equals, value = text.partition("=")
    if not equals or not value:
        raise BadDataError(f"{text!r} is not of the form {form}")
    return _field(name), value


def _values(texts: Iterable[str]) -> dict[Field, dict[str, str]]:
    meanings: dict[Field, dict[str, str]] = {}
    for text in texts:
        name, colon, rest = text.partition(":")
        # The value of the file may contain "=", what it means never does.
        found, equals, meaning = rest.rpartition("=")
        if not (colon and equals and meaning):
            raise BadDataError(f"{text!r} is not of the form FIELD:FROM=TO")
        meanings.setdefault(_field(name), {})[found] = meaning
    return meanings


def _field(name: str) -> Field:
    try:
        return Field(name.strip())
    except ValueError:
        raise BadDataError(f"{name!r} is no field. Give one of {', '.join(Field)}") from None
