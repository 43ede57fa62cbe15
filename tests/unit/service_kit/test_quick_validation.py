"""The quick look at a request never lets through what protovalidate would refuse."""

from typing import Any

import protovalidate
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message
from google.type.date_pb2 import Date
from hypothesis import given
from hypothesis import strategies as st

from service_kit.quick_validation import is_surely_valid
from tallybook.batch.v1 import batch_pb2, billing_setup_pb2
from tallybook.ledger.v1 import account_pb2, invoice_pb2, ledger_pb2, transaction_pb2, transaction_type_pb2
from tallybook.payments.v1 import payment_gateway_pb2

pytestmark = pytest.mark.usefixtures("joined_or_listed")

NUMBERS = st.sampled_from([0, 1, -1, 2, 3, 24, -24, 7, 1_000, 10**15, 10**15 + 1, -(2**31), 2**31 - 1])
TEXTS = st.sampled_from(
    ["", "a", "USD", "usd", "USDX", "USD\n", "12", "12\n", "x y", "é", "a" * 33, "a" * 600]
)

REQUESTS: list[type[Message]] = [
    ledger_pb2.PostTransactionsRequest,
    ledger_pb2.RecordElectronicPaymentRequest,
    ledger_pb2.VoidTransactionRequest,
    ledger_pb2.ListTransactionsRequest,
    account_pb2.CreateAccountRequest,
    account_pb2.GetAccountRequest,
    account_pb2.BatchGetBalancesRequest,
    invoice_pb2.CreateInvoicesRequest,
    batch_pb2.RunBatchProcessRequest,
    billing_setup_pb2.SetRecurringPlansRequest,
    payment_gateway_pb2.ChargeRequest,
]


def filled(data: st.DataObject, message: Any, depth: int = 0) -> None:
    """Set some of the fields to values at and beyond the borders of what is allowed."""
    for field in message.DESCRIPTOR.fields:
        if not data.draw(st.booleans()):
            continue
        count = data.draw(st.integers(0, 3)) if field.is_repeated else 1
        if field.message_type is not None:
            for _ in range(count if depth < 3 else 0):
                child = getattr(message, field.name)
                child = child.add() if field.is_repeated else child
                if not field.is_repeated:
                    child.SetInParent()
                filled(data, child, depth + 1)
            continue
        for _ in range(count):
            value = data.draw(value_of(field))
            if field.is_repeated:
                getattr(message, field.name).append(value)
            else:
                setattr(message, field.name, value)


def value_of(field: Any) -> st.SearchStrategy[Any]:
    """Values that a field of this type can hold."""
    by_type = {
        field.TYPE_STRING: TEXTS,
        field.TYPE_BYTES: st.binary(max_size=4),
        field.TYPE_BOOL: st.booleans(),
        field.TYPE_INT64: NUMBERS,
        field.TYPE_DOUBLE: st.floats(allow_nan=False),
    }
    return by_type.get(field.type, NUMBERS.filter(lambda number: -(2**31) <= number < 2**31))


@pytest.mark.parametrize("request_type", REQUESTS, ids=lambda each: each.DESCRIPTOR.name)
@given(data=st.data())
def test_what_is_surely_valid_is_valid(request_type: type[Message], data: st.DataObject) -> None:
    request = request_type()
    filled(data, request)
    if is_surely_valid(request):
        assert protovalidate.collect_violations(request) == []


def draft(**fields: Any) -> ledger_pb2.TransactionDraft:
    """A check of 5 dollars, and what else is given."""
    return ledger_pb2.TransactionDraft(
        **{
            "acct_no": 1,
            "transaction_type": 2,
            "amount": {"currency_code": "USD", "minor_units": 500},
            "external_payment": {"reference_code": "4711"},
            **fields,
        }
    )


@pytest.mark.parametrize(
    ("fields", "sure"),
    [
        ({}, True),
        ({"comment": "paid at the counter", "reason_code": "X", "request_id": "k-1"}, True),
        ({"effective_date": {"year": 2026, "month": 2, "day": 3}}, True),
        ({"amount": None}, True),
        ({"acct_no": 0}, False),
        ({"transaction_type": 0}, False),
        ({"transaction_type": 99}, False),
        ({"amount": {"currency_code": "USD", "minor_units": 0}}, False),
        ({"amount": {"currency_code": "US", "minor_units": 1}}, False),
        ({"amount": {"currency_code": "USD\n", "minor_units": 1}}, False),
        ({"amount": {"currency_code": "USD", "minor_units": 10**15 + 1}}, False),
        ({"external_payment": {"reference_code": ""}}, False),
        ({"external_payment": {"reference_code": "x" * 65}}, False),
        ({"request_id": "with blank"}, False),
        ({"comment": "x" * 501}, False),
    ],
)
def test_it_is_sure_of_usual_drafts_and_of_no_wrong_one(fields: dict[str, Any], sure: bool) -> None:
    request = ledger_pb2.PostTransactionsRequest(client_no=1, request_id="k", drafts=[draft(**fields)])
    assert is_surely_valid(request) is sure
    assert (protovalidate.collect_violations(request) == []) is sure


@pytest.mark.parametrize("place", [0, 700, 1_399])
def test_it_looks_at_every_draft_of_a_large_call(place: int) -> None:
    request = ledger_pb2.PostTransactionsRequest(client_no=1, request_id="key")
    for _ in range(1_400):
        request.drafts.add(acct_no=1, transaction_type=transaction_type_pb2.TRANSACTION_TYPE_CASH_CREDIT)
    assert is_surely_valid(request)

    request.drafts[place].acct_no = -1

    assert not is_surely_valid(request)


@pytest.mark.parametrize("field", ["billing_period_start", "lines"])
def test_it_notices_what_one_message_of_a_large_call_lacks(field: Any) -> None:
    day = Date(year=2026, month=3, day=1)
    invoice = invoice_pb2.InvoiceDraft(
        acct_no=1, billing_period_start=day, billing_period_end=day, invoice_date=day
    )
    invoice.lines.add(line_type=transaction_pb2.INVOICE_LINE_TYPE_RECURRING_CHARGE).amount.MergeFrom(
        draft().amount
    )
    request = invoice_pb2.CreateInvoicesRequest(client_no=1, request_id="key", invoices=[invoice] * 20)
    assert is_surely_valid(request)

    request.invoices[7].ClearField(field)

    assert not is_surely_valid(request)


def test_it_leaves_rules_that_it_does_not_know_to_protovalidate() -> None:
    # A rule of the whole message, in an expression.
    assert not is_surely_valid(account_pb2.GetAccountRequest(client_no=1, acct_no=1))


def test_a_field_may_be_called_what_python_reserves() -> None:
    file = descriptor_pb2.FileDescriptorProto(
        name="tests/reserved.proto",
        package="tallybook.test.reserved",
        syntax="proto3",
        dependency=["buf/validate/validate.proto"],
    )
    named = descriptor_pb2.FieldDescriptorProto
    field = file.message_type.add(name="Sale").field.add(
        name="from", number=1, type=named.TYPE_INT64, label=named.LABEL_OPTIONAL
    )
    pool: Any = descriptor_pool.Default()
    field.options.Extensions[pool.FindExtensionByName("buf.validate.field")].int64.gt = 0
    pool.AddSerializedFile(file.SerializeToString())  # the same again is no second one
    sale = message_factory.GetMessageClass(pool.FindMessageTypeByName("tallybook.test.reserved.Sale"))

    assert is_surely_valid(sale(**{"from": 1}))
    assert not is_surely_valid(sale(**{"from": 0}))
