"""Results that are written as a repeated pattern are those that protobuf itself would write."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_service.servicers.draft_batch import drafts_answer
from ledger_service.servicers.invoice_batch import invoices_answer
from ledger_service.servicers.repeated_results import NotUniformError, message_field, number_field
from service_kit.records import written
from tallybook.ledger.v1 import invoice_pb2, ledger_pb2

# Those at which a number becomes a byte longer are as likely as all others.
NUMBERS = st.one_of(
    st.integers(1, 2**62),
    st.builds(lambda exponent, by: 2**exponent + by, st.integers(3, 61), st.integers(-5, 5)),
)


def accepted(event_no: int, source_no: int, count: int, **others: Any) -> Any:
    """What is asked of accepted drafts for their answer."""
    source_nos = list(range(source_no, source_no + count))
    return SimpleNamespace(event_nos=range(event_no, event_no + count), source_nos=source_nos, **others)


@given(NUMBERS, NUMBERS, st.integers(1, 300))
def test_the_answer_to_drafts(event_no: int, source_no: int, drafts: int) -> None:
    response = ledger_pb2.PostTransactionsResponse(
        results=[
            ledger_pb2.DraftResult(
                transactions=[
                    ledger_pb2.PostedTransaction(event_no=event_no + place, source_no=source_no + place)
                ]
            )
            for place in range(drafts)
        ]
    )
    answer = drafts_answer(accepted(event_no, source_no, drafts))
    assert answer == response.SerializeToString(deterministic=True)


# Of a result with 20 lines, the length takes two bytes.
LINES = st.one_of(
    st.lists(st.integers(1, 4), min_size=1, max_size=20),
    st.builds(lambda lines, invoices: [lines] * invoices, st.integers(1, 20), st.integers(1, 150)),
)


@given(NUMBERS, NUMBERS, NUMBERS, LINES)
def test_the_answer_to_invoices(
    invoice_no: int, event_no: int, invoice_detail_no: int, lines: list[int]
) -> None:
    response = invoice_pb2.CreateInvoicesResponse()
    before = 0
    for place, count in enumerate(lines):
        result = response.results.add(invoice_no=invoice_no + place)
        for line in range(before, before + count):
            result.lines.add(event_no=event_no + line, invoice_detail_no=invoice_detail_no + line)
        before += count
    posted = accepted(
        event_no,
        invoice_detail_no,
        before,
        invoices=[SimpleNamespace(invoice_no=invoice_no + place) for place in range(len(lines))],
        drafts=SimpleNamespace(invoices=SimpleNamespace(line_counts=lines)),
    )
    assert invoices_answer(posted) == response.SerializeToString(deterministic=True)


def test_numbers_of_different_lengths_are_no_pattern() -> None:
    number_field(1, [1, 127])
    with pytest.raises(NotUniformError):
        number_field(1, [127, 128])


def test_a_pattern_has_as_many_fields_as_are_given() -> None:
    parts = message_field(5, [*number_field(1, [2026] * 2), *number_field(3, [1, 2])])
    once = b"\x2a\x05\x08\xea\x0f\x18"
    assert written(parts, 2) == once + b"\x01" + once + b"\x02"
