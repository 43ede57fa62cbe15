"""Invoices that are accepted at once come to the same as one invoice after another."""

import asyncio
from collections.abc import Sequence
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger_service.group_decisions import Decided, GroupDecisions, named_refusal
from ledger_service.requests import PostingRequest
from ledger_service.rules.books import Period
from ledger_service.rules.commit_groups import lay_out, numbers_needed
from ledger_service.rules.needs import Needs
from ledger_service.rules.postings import UnnumberedInvoiceExistsError
from ledger_service.servicers.invoice_batch import InvoiceBatch, invoices_answer, read_invoices
from service_kit.dates import date_to_proto
from service_kit.errors import DomainError
from service_kit.money import LARGEST_MINOR_UNITS
from tallybook.ledger.v1 import invoice_pb2, transaction_pb2
from tallybook.type.v1.money_pb2 import Money
from tests.unit.ledger.test_plain_drafts import CLIENT, NOW, ROLES, TODAY, posted, some_books

pytestmark = pytest.mark.usefixtures("joined_or_listed")

MONTHS = [(date(2026, month, 1), date(2026, month, 28)) for month in (1, 2, 3, 4, 5)]
CHARGE, COUPON = 1, 4
WRONG = invoice_pb2.InvoiceDraft(acct_no=1)
"""Of no day, and without lines: a call that has it is read invoice by invoice."""


@st.composite
def lines(draw: st.DrawFn) -> invoice_pb2.InvoiceDraftLine:
    """Mostly right, and now and then wrong in one of many ways."""
    odd = draw(st.integers(0, 29)) == 0
    return invoice_pb2.InvoiceDraftLine(
        line_type=transaction_pb2.InvoiceLineType.ValueType(draw(st.sampled_from([1, 2, COUPON, 9]))),
        description=draw(st.sampled_from(["Plan", "nul\0"] if odd else ["Plan", ""])),
        amount=Money(
            currency_code=draw(st.sampled_from(["USD", "EUR", "XXY"] if odd else ["USD"])),
            minor_units=draw(st.sampled_from([0, LARGEST_MINOR_UNITS] if odd else [1, 5, 700])),
        ),
    )


@st.composite
def invoices(draw: st.DrawFn) -> invoice_pb2.InvoiceDraft:
    """Mostly right, and now and then wrong in one of many ways."""
    odd = draw(st.integers(0, 9)) == 0
    acct_no = draw(st.sampled_from([1, 2, 3, 9] if odd else [1, 2, 3]))
    start, end = draw(st.sampled_from(MONTHS))
    odd_days = [date(1899, 12, 31), date(2037, 1, 1), TODAY]
    return invoice_pb2.InvoiceDraft(
        acct_no=acct_no,
        plan_instance_no=draw(st.sampled_from([0, 0, 10 * acct_no, 11] if odd else [0, 10 * acct_no])),
        billing_period_start=date_to_proto(start),
        billing_period_end=date_to_proto(draw(st.sampled_from([start - timedelta(1), end])) if odd else end),
        invoice_date=date_to_proto(
            draw(st.sampled_from(odd_days)) if odd else TODAY - timedelta(days=draw(st.integers(0, 2)))
        ),
        lines=draw(st.lists(lines(), min_size=1, max_size=3)),
    )


def read(drafts: Sequence[invoice_pb2.InvoiceDraft]) -> InvoiceBatch:
    request = invoice_pb2.CreateInvoicesRequest(client_no=CLIENT, invoices=drafts)
    return asyncio.run(read_invoices(request, ROLES, TODAY))


def read_one_by_one(drafts: Sequence[invoice_pb2.InvoiceDraft]) -> InvoiceBatch:
    batch = read([*drafts, WRONG])
    assert batch.plain is None
    del batch.refused[len(drafts)]
    batch.size -= 1
    return batch


def call(batch: InvoiceBatch, key: str = "key") -> PostingRequest:
    return PostingRequest(
        CLIENT,
        key,
        b"",
        "test",
        batch.documents,
        False,
        batch.answer,
        plain=batch.plain,
        drafts_answer=invoices_answer,
    )


@settings(deadline=None)
@given(st.lists(invoices(), min_size=1, max_size=6))
def test_invoices_that_are_accepted_at_once_come_to_the_same_as_one_by_one(
    drafts: list[invoice_pb2.InvoiceDraft],
) -> None:
    batch, other_batch = read(drafts), read_one_by_one(drafts)
    if batch.plain is None:
        assert (batch.documents, batch.places) == (other_batch.documents, other_batch.places)
        assert {place: str(each) for place, each in batch.refused.items()} == {
            place: str(each) for place, each in other_batch.refused.items()
        }
        return
    assert not other_batch.refused, "an invoice is refused that was found to be right"
    assert batch.plain.documents() == other_batch.documents

    decided, books, group, items = posted(call(batch))
    one_by_one, other_books, other_group, other_items = posted(call(other_batch))

    assert decided.posts() == one_by_one.posts()
    assert decided.answer() == one_by_one.answer()
    assert group == other_group
    assert items == other_items
    assert books == other_books


@settings(deadline=None)
@given(st.lists(invoices(), min_size=1, max_size=6))
def test_plain_invoices_need_what_their_documents_need(drafts: list[invoice_pb2.InvoiceDraft]) -> None:
    batch = read(drafts)
    if batch.plain is None:
        return
    at_once, one_by_one = Needs(), Needs()
    call(batch).add_needs(at_once)
    call(read_one_by_one(drafts)).add_needs(one_by_one)
    assert at_once == one_by_one


def invoice(acct_no: int, month: tuple[date, date], *line_types: int) -> invoice_pb2.InvoiceDraft:
    return invoice_pb2.InvoiceDraft(
        acct_no=acct_no,
        billing_period_start=date_to_proto(month[0]),
        billing_period_end=date_to_proto(month[1]),
        invoice_date=date_to_proto(TODAY),
        lines=[
            invoice_pb2.InvoiceDraftLine(
                line_type=transaction_pb2.InvoiceLineType.ValueType(line_type),
                description="Plan",
                amount=Money(currency_code="USD", minor_units=700),
            )
            for line_type in line_types
        ],
    )


def test_of_a_large_call_each_invoice_keeps_its_place() -> None:
    """Of more than are read in one go, with one that is refused, so that they are read one by one."""
    months = [(date(year, 1, 1), date(year, 1, 28)) for year in range(1000, 2000)]
    drafts = [invoice(1 + number % 3, month, CHARGE) for number, month in enumerate(months)]
    drafts[700].lines[0].description = "nul\0"

    batch = read(drafts)

    assert list(batch.refused) == [700]
    assert batch.places == [*range(700), *range(701, 1000)]
    response = invoice_pb2.CreateInvoicesResponse.FromString(posted(call(batch))[0].answer())
    assert [place for place, result in enumerate(response.results) if result.HasField("error")] == [700]
    assert all(result.invoice_no for place, result in enumerate(response.results) if place != 700)


def test_a_large_call_of_plain_invoices_is_read_in_order() -> None:
    months = [(date(year, 1, 1), date(year, 1, 28)) for year in range(1000, 2000)]
    drafts = [invoice(1 + number % 3, month, CHARGE) for number, month in enumerate(months)]

    batch = read(drafts)

    assert batch.plain is not None
    assert batch.plain.documents() == read_one_by_one(drafts).documents


def test_many_right_invoices_are_accepted_at_once() -> None:
    start = date(2020, 1, 1)
    periods = [(start + timedelta(days), start + timedelta(days + 29)) for days in range(1_200)]
    drafts = [
        invoice(1 + place % 3, period, *[CHARGE, CHARGE, COUPON][: 1 + place % 2])
        for place, period in enumerate(periods)
    ]
    decided, _, group, _ = posted(call(read(drafts)))
    assert decided.drafts is not None
    assert group is not None
    assert (len(group.invoices), len(group.transactions)) == (1_200, 1_800)


def test_periods_that_were_ever_billed_are_decided_one_by_one() -> None:
    drafts = [invoice(1, month, CHARGE) for month in MONTHS]
    books = some_books()
    books.periods[CLIENT, 1, 0, *MONTHS[1]] = Period(1, 55)
    books.periods[CLIENT, 1, 0, *MONTHS[2]] = Period(1, 56)
    books.voided_invoices[CLIENT, 56] = True
    decided = GroupDecisions(books, {}).decide(call(read(drafts)))
    assert isinstance(decided, Decided)
    assert decided.drafts is None
    refused = [outcome for outcome in decided.outcomes if isinstance(outcome, DomainError)]
    assert [each.metadata["invoice_no"] for each in refused] == ["55"]
    assert books.periods[CLIENT, 1, 0, *MONTHS[2]].issues == 2


def test_a_second_call_of_the_group_is_told_the_number_of_an_invoice_that_was_accepted_at_once() -> None:
    decisions = GroupDecisions(some_books(), {})
    first = decisions.decide(call(read([invoice(1, MONTHS[0], CHARGE), invoice(1, MONTHS[1], CHARGE)])))
    second = decisions.decide(call(read([invoice(1, MONTHS[1], CHARGE)]), "another key"))
    assert isinstance(first, Decided)
    assert first.drafts is not None
    assert isinstance(second, Decided)
    lay_out(decisions.accepted, dict.fromkeys(numbers_needed(decisions.accepted), 1_000), NOW)
    (refusal,) = second.outcomes
    assert isinstance(refusal, UnnumberedInvoiceExistsError)
    assert named_refusal(refusal).metadata["invoice_no"] == "1001"
