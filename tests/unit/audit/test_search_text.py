"""Names are compared whatever their case, and nothing in them is a wildcard."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_service.rules.search_text import folded, storable


@pytest.mark.parametrize(
    ("one", "other"),
    [("Invoicer", "INVOICER"), ("Straße", "STRASSE"), ("Café", "cafe\u0301"), ("İ", "i\u0307")],
)
def test_texts_that_differ_in_case_or_encoding_fold_to_the_same(one: str, other: str) -> None:
    assert folded(one) == folded(other)


@pytest.mark.parametrize("sign", ["%", "_", "\\", "*"])
def test_signs_stay_what_they_are(sign: str) -> None:
    assert folded(sign) == sign


@given(st.text())
def test_folding_twice_changes_nothing_more(text: str) -> None:
    assert folded(folded(text)) == folded(text)
    assert "\0" not in storable(text)
