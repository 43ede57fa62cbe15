"""Every reason that a contract names is given by its service: one that nobody gives is an empty promise.

The ledger's are given here, one after the other. Those of the other services are bound to sessions, files and
logs, which their own tests know how to make: a table says which test gives which.
"""

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from google.type.date_pb2 import Date

from audit_service.service import AUDIT
from batch_service.service import BATCH
from ledger_service.service import LEDGER
from service_kit.server import ServiceDefinition
from tallybook.audit.v1 import audit_pb2, audit_pb2_grpc
from tallybook.ledger.v1 import account_pb2, ledger_pb2
from tests.contract.served import Tokens, own_reasons, serving
from tests.integration.ledger.caller import (
    FEBRUARY,
    REASON,
    Ledger,
    RefusedError,
    check,
    check_refund,
    credit,
    day,
    draft,
    external_charge,
    invoice_line,
    key,
    memo_line,
    payment,
    refusal_of,
    refusal_of_call,
    reversal,
    transfer,
    void,
    write_off,
)
from tests.integration.ledger.statements import Statements
from tests.support.databases import NewDatabase

TESTS: Final = Path(__file__).resolve().parents[1]
UNKNOWN: Final = 999_999_999
LARGEST_AMOUNT: Final = 10**15

_WATCH: Final = "integration/ledger/test_watch.py"
_CHART: Final = "integration/ledger/test_chart.py"
_STEERING: Final = "integration/batch/test_steering.py"
_REQUESTS: Final = "integration/batch/test_requests.py"
_SETUP: Final = "integration/batch_billing/test_billing_setup.py"
_LOADER: Final = "integration/batch_billing/test_activity_loader.py"

GIVEN_ELSEWHERE: Final[dict[str, dict[str, str]]] = {
    "ledger": {
        "OVERLOADED": "integration/ledger/test_troubles.py",
        "TOO_MANY_PLAN_INSTANCES": "integration/ledger/test_limits.py",
        "CURSOR_INVALID": _WATCH,
        "TOO_MANY_WATCHES": _WATCH,
        "GL_ACCOUNT_NOT_FOUND": _CHART,
        "GL_ACCOUNT_EXISTS": _CHART,
        "GL_ACCOUNT_NOT_ALLOWED": _CHART,
    },
    "batch": {
        "PROCESS_NOT_FOUND": _REQUESTS,
        "SESSION_NOT_FOUND": _REQUESTS,
        "STATUS_CONFLICT": _STEERING,
        "NO_FAILED_RECORDS": _STEERING,
        "ALREADY_SUSPENDED": _STEERING,
        "NOT_SUSPENDED": _STEERING,
        "REQUEST_ID_REUSED": _REQUESTS,
        "FILE_ALREADY_LOADED": _LOADER,
        "FILE_INVALID": _LOADER,
        "PROCESS_NEEDS_FILE": _REQUESTS,
        "DATE_INVALID": _REQUESTS,
        "TIME_ZONE_UNKNOWN": _SETUP,
        "DECIMAL_INVALID": _SETUP,
        "RECURRING_PLAN_NOT_FOUND": _SETUP,
        "DUNNING_STEPS_INVALID": _SETUP,
        "STREAM_INVALID": _LOADER,
        "CURRENCY_UNKNOWN": _SETUP,
        "SESSION_SUPERSEDED": _STEERING,
    },
    "audit": {
        "DATE_RANGE_TOO_WIDE": "integration/audit/test_search_batch_processes.py",
        "DATE_RANGE_REVERSED": "integration/audit/test_search_batch_processes.py",
        "SESSION_NOT_FOUND": "integration/audit/test_get_batch_process.py",
        "EVENT_ID_REUSED": "integration/audit/test_write.py",
        "EVENT_INVALID": "integration/audit/test_write.py",
    },
}


class Books:
    """A ledger, and an account with one of everything."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    async def open(self) -> "Books":
        """Post what the refusals are about."""
        ledger = self.ledger
        self.acct = await ledger.account(50_00)
        self.other = await ledger.account()
        self.empty = await ledger.account()
        self.invoice = await ledger.invoice(self.acct, (1, 40_00), (3, 1_00))
        self.line = self.invoice.lines[0].event_no
        self.check, self.charge = await ledger.posted(
            check(self.acct, 10_00, "the check"), external_charge(self.acct, 5_00)
        )
        (self.payment,) = await ledger.posted(payment(self.acct, 10_00, f"gateway {ledger.client_no}"))
        self.refund, self.reversal = await ledger.posted(
            check_refund(self.acct, self.check, 4_00, document="r"),
            reversal(self.acct, self.charge, 1_00, document="r"),
        )
        (self.memo,) = await ledger.posted(memo_line(self.acct, self.line, 1_00))
        (self.voided,) = await ledger.posted(check(self.acct, 1_00))
        response = await ledger.void(self.voided)
        self.void = response.transactions[0].event_no
        return self

    async def reasons(self, *drafts: ledger_pb2.TransactionDraft) -> str:
        """Why the last draft is refused."""
        return (await self.ledger.refusals(*drafts))[-1]

    async def reason(self, call: Awaitable[Any]) -> str:
        """Why the call is refused."""
        with pytest.raises(RefusedError) as caught:
            await call
        return caught.value.refusal.reason


async def _voided_invoice(books: Books) -> str:
    ledger = books.ledger
    invoice = await ledger.invoice(books.other, (1, 1_00))
    await ledger.void_invoice(invoice.invoice_no)
    return await books.reason(ledger.void_invoice(invoice.invoice_no))


async def _written_off_invoice(books: Books) -> str:
    ledger = books.ledger
    acct = await ledger.account()
    invoice = await ledger.invoice(acct, (1, 1_00))
    await ledger.posted(write_off(acct, invoice.invoice_no, 1))
    return await books.reason(ledger.void_invoice(invoice.invoice_no))


async def _closed_period(books: Books) -> str:
    statements = Statements(books.ledger)
    await statements.closed(FEBRUARY[1], books.other)
    (result,) = await statements.close(FEBRUARY[0], books.other)
    return refusal_of(result.error).reason


async def _external_id(books: Books) -> str:
    await books.ledger.account(external_id="taken")
    return await books.reason(books.ledger.account(external_id="taken"))


async def _request_id(books: Books) -> str:
    again = key()
    await books.ledger.post(check(books.other, 1), request_id=again)
    return await books.reason(books.ledger.post(check(books.other, 2), request_id=again))


async def _out_of_range(books: Books) -> str:
    largest = [external_charge(books.empty, LARGEST_AMOUNT) for _ in range(9_300)]
    return await books.reasons(*largest)


async def _long_statement(books: Books) -> str:
    acct = await books.ledger.account()
    today = date(2026, 5, 1)
    for count in (10_000, 1):
        await books.ledger.posted(*[external_charge(acct, 1, effective_date=day(today))] * count)
    request = account_pb2.GetStatementRequest(
        client_no=books.ledger.client_no,
        acct_no=acct,
        period_start=day(today - timedelta(days=1)),
        period_end=day(today),
    )
    return await books.reason(books.ledger._call(books.ledger.accounts.GetStatement, request))


LEDGER_REASONS: Final[dict[str, Callable[[Books], Awaitable[str]]]] = {
    "ACCOUNT_NOT_FOUND": lambda books: books.reasons(check(UNKNOWN, 1)),
    "PLAN_INSTANCE_NOT_FOUND": lambda books: books.reasons(check(books.acct, 1, plan_instance_no=UNKNOWN)),
    "TRANSACTION_NOT_FOUND": lambda books: books.reason(books.ledger.transaction(UNKNOWN)),
    "INVOICE_NOT_FOUND": lambda books: books.reason(books.ledger.get_invoice(UNKNOWN)),
    "CREDIT_MEMO_NOT_FOUND": lambda books: books.reason(
        books.ledger.operate("VoidCreditMemo", cm_no=UNKNOWN, **REASON)
    ),
    "CURRENCY_MISMATCH": lambda books: books.reasons(check(books.acct, 1, currency="EUR")),
    "CURRENCY_UNKNOWN": lambda books: books.reasons(check(books.acct, 1, currency="QQQ")),
    "REQUEST_ID_REUSED": _request_id,
    "SOURCE_MISMATCH": lambda books: books.reasons(draft(books.acct, 2, 1)),
    "AMOUNT_INVALID": lambda books: books.reasons(check(books.acct, 0)),
    "REASON_REQUIRED": lambda books: books.reasons(credit(books.acct, 1, reason_code="")),
    "DOCUMENT_INVALID": lambda books: books.reasons(reversal(books.acct, books.charge, 1)),
    "VOID_OF_VOID": lambda books: books.reason(books.ledger.void(books.void)),
    "ALREADY_VOIDED": lambda books: books.reason(books.ledger.void(books.voided)),
    "VOID_TYPE_MISMATCH": lambda books: books.reasons(void(books.acct, -3, books.check)),
    "VOID_THE_INVOICE": lambda books: books.reason(books.ledger.void(books.line)),
    "VOID_THE_REFUND": lambda books: books.reason(books.ledger.void(books.reversal)),
    "VOID_THE_CREDIT_MEMO": lambda books: books.reason(books.ledger.void(books.memo)),
    "PAYMENT_REFUNDED": lambda books: books.reason(books.ledger.void(books.check)),
    "REFERENCE_CODE_TAKEN": lambda books: books.reasons(check(books.acct, 1, "the check")),
    "GATEWAY_REFERENCE_TAKEN": lambda books: books.reasons(
        payment(books.acct, 1, f"gateway {books.ledger.client_no}")
    ),
    "CREDIT_EXCEEDS_BALANCE": lambda books: books.reasons(credit(books.other, 1)),
    "INVOICE_EXISTS": lambda books: books.reasons(invoice_line(books.acct, 1, 1)),
    "INVOICE_ALREADY_VOIDED": _voided_invoice,
    "INVOICE_HAS_CREDIT_MEMO": lambda books: books.reason(
        books.ledger.void_invoice(books.invoice.invoice_no)
    ),
    "INVOICE_HAS_WRITE_OFF": _written_off_invoice,
    "STATEMENT_PERIOD_CLOSED": _closed_period,
    "STATEMENT_NOT_FOUND": lambda books: books.reason(
        Statements(books.ledger).call("GetClosedStatement", statement_no=UNKNOWN)
    ),
    "REFUND_EXCEEDS_PAYMENT": lambda books: books.reasons(check_refund(books.acct, books.check, 6_01)),
    "PAYMENT_NOT_REFUNDABLE": lambda books: books.reasons(check_refund(books.acct, books.payment, 1)),
    "REVERSAL_EXCEEDS_CHARGE": lambda books: books.reasons(
        check_refund(books.acct, books.check, 5_00, document="d"),
        reversal(books.acct, books.charge, 4_01, document="d"),
    ),
    "WRITE_OFF_EXCEEDS_INVOICE": lambda books: books.reasons(
        write_off(books.acct, books.invoice.invoice_no, 38_01)
    ),
    "TRANSFER_TO_ITSELF": lambda books: books.reasons(transfer(books.acct, books.acct)),
    "TRANSFER_EXCEEDS_BALANCE": lambda books: books.reasons(transfer(books.other, books.acct)),
    "MEMO_EXCEEDS_CHARGE": lambda books: books.reasons(memo_line(books.acct, books.line, 39_01)),
    "EXTERNAL_ID_TAKEN": _external_id,
    "DATE_INVALID": lambda books: books.reasons(invoice_line(books.acct, 1, 1, (FEBRUARY[1], FEBRUARY[0]))),
    "AMOUNT_OUT_OF_RANGE": _out_of_range,
    "BALANCE_FORWARD_NOT_FIRST": lambda books: books.reasons(draft(books.acct, 9, 1)),
    "STATEMENT_TOO_LONG": _long_statement,
    "NOT_A_DISPUTE": lambda books: books.reason(
        books.ledger.operate("SettleDispute", event_no=books.check, resolution=1, **REASON)
    ),
}


async def test_the_ledger_gives_each_of_its_reasons(new_database: NewDatabase, tokens: Tokens) -> None:
    async with serving(LEDGER, new_database, tokens) as channel:
        books = await Books(Ledger(channel, client_no=1)).open()
        given = {reason: await refused(books) for reason, refused in LEDGER_REASONS.items()}
        assert given == {reason: reason for reason in LEDGER_REASONS}


async def test_the_ledger_says_which_role_a_type_demands(new_database: NewDatabase, tokens: Tokens) -> None:
    async with serving(LEDGER, new_database, tokens) as channel:
        ledger = Ledger(channel, client_no=1)
        request = ledger_pb2.PostTransactionsRequest(
            client_no=1,
            request_id=key(),
            drafts=[external_charge(await ledger.account(), 1)],
            all_or_nothing=True,
        )
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ledger.ledger.PostTransactions(request, metadata=tokens.metadata([1], ["poster"]))
        assert refusal_of_call(caught.value).reason == "TYPE_NOT_ALLOWED"


async def test_the_audit_log_is_not_searched_from_a_day_that_there_is_not(
    new_database: NewDatabase, tokens: Tokens
) -> None:
    async with serving(AUDIT, new_database, tokens) as channel:
        request = audit_pb2.SearchBatchProcessesRequest(
            from_date=Date(year=2026, month=2, day=30), to_date=Date(year=2026, month=3, day=1)
        )
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await audit_pb2_grpc.AuditServiceStub(channel).SearchBatchProcesses(request)
        assert refusal_of_call(caught.value).reason == "DATE_INVALID"


GIVEN_HERE: Final = {
    "ledger": {*LEDGER_REASONS, "TYPE_NOT_ALLOWED"},
    "batch": set[str](),
    "audit": {"DATE_INVALID"},
}


@pytest.mark.parametrize("definition", [LEDGER, BATCH, AUDIT], ids=["ledger", "batch", "audit"])
def test_every_reason_of_a_contract_is_given_in_some_test(definition: ServiceDefinition[Any, Any]) -> None:
    elsewhere = GIVEN_ELSEWHERE[definition.name]
    assert GIVEN_HERE[definition.name] | set(elsewhere) == own_reasons(definition)
    for reason, file in elsewhere.items():
        assert f'"{reason}"' in (TESTS / file).read_text(), f"{file} does not give {reason}"
