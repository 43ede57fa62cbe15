"""Requests, made before the clock starts. Each is fresh: with a request_id, and references, of its own."""

import itertools
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

from google.type.date_pb2 import Date

from benchmarks.stand import CURRENCY, Books
from service_kit.dates import date_to_proto
from tallybook.ledger.v1 import invoice_pb2, ledger_pb2, transaction_pb2, transaction_type_pb2
from tallybook.type.v1.money_pb2 import Money

AMOUNT: Final = 500

_NUMBERS: Final = itertools.count(1)
_CARD: Final = transaction_pb2.PAYMENT_METHOD_KIND_CARD


def spread_over(acct_nos: Sequence[int]) -> Iterator[int]:
    """The accounts in an order without any order, again and again."""
    shuffled = list(acct_nos)
    # The same in every run, so that runs can be compared.
    random.Random(len(shuffled)).shuffle(shuffled)  # noqa: S311  # nothing secret
    return itertools.cycle(shuffled)


def check_calls(books: Books, calls: int, drafts: int) -> list[ledger_pb2.PostTransactionsRequest]:
    """Calls of so many checks (type 2)."""
    acct_nos = spread_over(books.acct_nos)
    return [
        ledger_pb2.PostTransactionsRequest(
            client_no=books.client_no,
            request_id=f"call-{next(_NUMBERS)}",
            drafts=[_check_draft(next(acct_nos)) for _ in range(drafts)],
        )
        for _ in range(calls)
    ]


def _check_draft(acct_no: int) -> ledger_pb2.TransactionDraft:
    return ledger_pb2.TransactionDraft(
        acct_no=acct_no,
        transaction_type=transaction_type_pb2.TRANSACTION_TYPE_CHECK,
        amount=Money(currency_code=CURRENCY, minor_units=AMOUNT),
        external_payment=transaction_pb2.ExternalPayment(reference_code=f"check {next(_NUMBERS)}"),
    )


def single_checks(books: Books, calls: int) -> list[ledger_pb2.RecordExternalPaymentRequest]:
    """Calls of one check each."""
    acct_nos = spread_over(books.acct_nos)
    return [
        ledger_pb2.RecordExternalPaymentRequest(
            client_no=books.client_no,
            request_id=f"single-{number}",
            acct_no=next(acct_nos),
            amount=Money(currency_code=CURRENCY, minor_units=AMOUNT),
            external_payment=transaction_pb2.ExternalPayment(reference_code=f"check {number}"),
        )
        for number in itertools.islice(_NUMBERS, calls)
    ]


def electronic_payment_calls(
    books: Books, calls: int, drafts: int, amount: int
) -> list[ledger_pb2.PostTransactionsRequest]:
    """Calls of so many electronic payments (type 3), which pay the oldest charges first."""
    acct_nos = spread_over(books.acct_nos)
    return [
        ledger_pb2.PostTransactionsRequest(
            client_no=books.client_no,
            request_id=f"call-{next(_NUMBERS)}",
            drafts=[
                ledger_pb2.TransactionDraft(
                    acct_no=next(acct_nos),
                    transaction_type=transaction_type_pb2.TRANSACTION_TYPE_ELECTRONIC_PAYMENT,
                    amount=Money(currency_code=CURRENCY, minor_units=amount),
                    electronic_payment=transaction_pb2.ElectronicPayment(
                        payment_method_kind=_CARD, gateway_reference=f"gateway {number}"
                    ),
                )
                for number in itertools.islice(_NUMBERS, drafts)
            ],
        )
        for _ in range(calls)
    ]


def invoice_calls(
    books: Books, calls: int, invoices: int, lines: int
) -> list[invoice_pb2.CreateInvoicesRequest]:
    """Calls of so many invoices with so many lines of AMOUNT each. Every invoice has a period of its own."""
    acct_nos = spread_over(books.acct_nos)
    today = date_to_proto(datetime.now(UTC).date())
    return [
        invoice_pb2.CreateInvoicesRequest(
            client_no=books.client_no,
            request_id=f"call-{next(_NUMBERS)}",
            invoices=[
                invoice_pb2.InvoiceDraft(
                    acct_no=next(acct_nos),
                    billing_period_start=first_day,
                    billing_period_end=last_day,
                    invoice_date=today,
                    lines=[
                        invoice_pb2.InvoiceDraftLine(
                            line_type=transaction_pb2.INVOICE_LINE_TYPE_RECURRING_CHARGE,
                            description="Plan",
                            amount=Money(currency_code=CURRENCY, minor_units=AMOUNT),
                        )
                    ]
                    * lines,
                )
                for first_day, last_day in map(_period, itertools.islice(_NUMBERS, invoices))
            ],
        )
        for _ in range(calls)
    ]


_FIRST_DAY: Final = date(1950, 1, 1).toordinal()
_DAYS: Final = 20_000


def _period(number: int) -> tuple[Date, Date]:
    """A billing period for each number: an account is billed for a period once."""
    days, first_day = divmod(number, _DAYS)
    first = date.fromordinal(_FIRST_DAY + first_day)
    return date_to_proto(first), date_to_proto(first + timedelta(days=days))
