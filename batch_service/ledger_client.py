"""The ledger, as the processes see it: the only module that calls it.

Money, dates and refusals come back as the domain's values. What can't be reached is a `TransientFault`; a
refused credential is a `ProcessFault`, since no record is to blame.
"""

from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, TypeVar
from uuid import uuid4

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from google.type.date_pb2 import Date

from batch_service.billing_setup import PaymentKind
from batch_service.processes.contract import ProcessFault, TransientFault
from batch_service.rules.dunning import Overdue, overdue_within
from batch_service.rules.invoicing import InvoiceIntent, InvoiceLine
from service_kit.dates import date_to_proto
from service_kit.money import Money
from tallybook.ledger.v1 import (
    account_pb2,
    account_pb2_grpc,
    invoice_pb2,
    invoice_pb2_grpc,
    ledger_pb2,
    ledger_pb2_grpc,
    transaction_pb2,
    transaction_type_pb2,
)
from tallybook.type.v1 import money_pb2

Response = TypeVar("Response")

# A chunk waits as long for the ledger as a client would; the engine tries again.
_DEADLINE_SECONDS: Final = 60.0
_MOST_LINES_OF_A_CALL: Final = 20_000
_MOST_INVOICES_OF_A_CALL: Final = 5_000
_PAGE_SIZE: Final = 1_000

_AWAY: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.CANCELLED,
    }
)
_NOT_ADMITTED: Final = frozenset({grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED})

_METHOD_KINDS: Final = {
    PaymentKind.CARD: transaction_pb2.PAYMENT_METHOD_KIND_CARD,
    PaymentKind.ELECTRONIC_CHECK: transaction_pb2.PAYMENT_METHOD_KIND_ELECTRONIC_CHECK,
}


@dataclass(frozen=True, slots=True)
class Refused:
    """What the ledger said to one draft or invoice that it did not take."""

    reason: str
    message: str
    metadata: dict[str, str]


@dataclass(frozen=True, slots=True)
class Invoiced:
    """The invoice is in the ledger. `existed`: there was one for the period before this call."""

    invoice_no: int
    existed: bool


@dataclass(frozen=True, slots=True)
class Posted:
    """The transaction is in the ledger."""

    event_no: int


@dataclass(frozen=True, slots=True)
class ElectronicPaymentDraft:
    """Money that a gateway took; `key` is the business fact that it is posted once for."""

    key: str
    acct_no: int
    amount: Money
    effective_date: date
    kind: PaymentKind
    gateway_reference: str


@dataclass(frozen=True, slots=True)
class DunningChargeDraft:
    """A charge of a dunning step; `key` is the business fact that it is posted once for."""

    key: str
    acct_no: int
    amount: Money
    effective_date: date
    step_no: int
    description: str


class Ledger:
    """The ledger service behind a channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._accounts = account_pb2_grpc.AccountServiceStub(channel)
        self._ledger = ledger_pb2_grpc.LedgerServiceStub(channel)
        self._invoices = invoice_pb2_grpc.InvoiceServiceStub(channel)

    async def create_invoices(
        self, client_no: int, intents: Sequence[InvoiceIntent]
    ) -> list[Invoiced | Refused]:
        """Create invoices, each decided on its own; one answer each, in order."""
        answers: list[Invoiced | Refused] = []
        for part in _parts_within_limits(intents):
            request = invoice_pb2.CreateInvoicesRequest(
                client_no=client_no,
                # What keeps an invoice from being made twice is its period. A key that stood for the
                # content would also repeat an old refusal, whose cause may be gone.
                request_id=str(uuid4()),
                invoices=[_invoice_draft(intent) for intent in part],
            )
            response = await _answer(self._invoices.CreateInvoices(request, timeout=_DEADLINE_SECONDS))
            answers += [_invoice_answer(result) for result in response.results]
        return answers

    async def invoice_has_lines(self, client_no: int, invoice_no: int, lines: Sequence[InvoiceLine]) -> bool:
        """Whether the lines of an invoice are exactly these, whatever their order."""
        request = invoice_pb2.GetInvoiceRequest(client_no=client_no, invoice_no=invoice_no)
        response = await _answer(self._invoices.GetInvoice(request, timeout=_DEADLINE_SECONDS))
        there = sorted(
            (int(line.line_type), line.description, line.amount.minor_units)
            for line in response.invoice.lines
        )
        return there == sorted(
            (int(line.line_type), line.description, line.amount.minor_units) for line in lines
        )

    async def balances(self, client_no: int, acct_nos: Sequence[int]) -> dict[int, Money]:
        """The balances now of those of the accounts that exist; at most 1,000 accounts."""
        if not acct_nos:
            return {}
        request = account_pb2.BatchGetBalancesRequest(client_no=client_no, acct_nos=acct_nos)
        response = await _answer(self._accounts.BatchGetBalances(request, timeout=_DEADLINE_SECONDS))
        return {each.acct_no: _money(each.balance) for each in response.balances}

    async def aging(
        self,
        client_no: int,
        as_of: date,
        *,
        acct_nos: Sequence[int] = (),
        min_days_past_due: int = 0,
    ) -> AsyncIterator[tuple[int, Overdue]]:
        """What is overdue on a date, by account: of `acct_nos`, or of all with something so many days past
        due.
        """
        request = account_pb2.ListAgingRequest(
            client_no=client_no,
            as_of_date=date_to_proto(as_of),
            acct_nos=acct_nos,
            min_days_past_due=min_days_past_due,
            page_size=_PAGE_SIZE,
        )
        while True:
            response = await _answer(self._accounts.ListAging(request, timeout=_DEADLINE_SECONDS))
            for account in response.accounts:
                yield account.acct_no, _overdue(account)
            if not response.next_page_token:
                return
            request.page_token = response.next_page_token

    async def post_payments(
        self, client_no: int, drafts: Sequence[ElectronicPaymentDraft]
    ) -> list[Posted | Refused]:
        """Post electronic payments, each once for its key; one answer each, in order."""
        return await self._post(
            client_no,
            [
                ledger_pb2.TransactionDraft(
                    acct_no=draft.acct_no,
                    transaction_type=transaction_type_pb2.TRANSACTION_TYPE_ELECTRONIC_PAYMENT,
                    amount=_money_to_proto(draft.amount),
                    effective_date=date_to_proto(draft.effective_date),
                    request_id=draft.key,
                    electronic_payment=transaction_pb2.ElectronicPayment(
                        payment_method_kind=_METHOD_KINDS[draft.kind],
                        gateway_reference=draft.gateway_reference,
                    ),
                )
                for draft in drafts
            ],
        )

    async def post_dunning_charges(
        self, client_no: int, drafts: Sequence[DunningChargeDraft]
    ) -> list[Posted | Refused]:
        """Post dunning charges, each once for its key; one answer each, in order."""
        return await self._post(
            client_no,
            [
                ledger_pb2.TransactionDraft(
                    acct_no=draft.acct_no,
                    transaction_type=transaction_type_pb2.TRANSACTION_TYPE_DUNNING_CHARGE,
                    amount=_money_to_proto(draft.amount),
                    effective_date=date_to_proto(draft.effective_date),
                    request_id=draft.key,
                    dunning_charge=transaction_pb2.DunningCharge(
                        dunning_step=draft.step_no, description=draft.description
                    ),
                )
                for draft in drafts
            ],
        )

    async def _post(
        self, client_no: int, drafts: Sequence[ledger_pb2.TransactionDraft]
    ) -> list[Posted | Refused]:
        if not drafts:
            return []
        request = ledger_pb2.PostTransactionsRequest(
            client_no=client_no, request_id=str(uuid4()), drafts=drafts
        )
        response = await _answer(self._ledger.PostTransactions(request, timeout=_DEADLINE_SECONDS))
        return [
            _refused(result.error) if result.HasField("error") else Posted(result.transactions[0].event_no)
            for result in response.results
        ]


async def _answer(call: Awaitable[Response]) -> Response:
    try:
        return await call
    except grpc.aio.AioRpcError as failure:
        if failure.code() in _AWAY:
            raise TransientFault(f"the ledger does not answer now ({failure.code().name})") from failure
        if failure.code() in _NOT_ADMITTED:
            raise ProcessFault(
                f"the ledger does not admit the batch service: {failure.details()}"
            ) from failure
        raise


def _parts_within_limits(intents: Sequence[InvoiceIntent]) -> list[list[InvoiceIntent]]:
    parts: list[list[InvoiceIntent]] = []
    lines = 0
    for intent in intents:
        lines += len(intent.lines)
        if not parts or lines > _MOST_LINES_OF_A_CALL or len(parts[-1]) == _MOST_INVOICES_OF_A_CALL:
            parts.append([])
            lines = len(intent.lines)
        parts[-1].append(intent)
    return parts


def _invoice_draft(intent: InvoiceIntent) -> invoice_pb2.InvoiceDraft:
    return invoice_pb2.InvoiceDraft(
        acct_no=intent.acct_no,
        plan_instance_no=intent.plan_instance_no,
        billing_period_start=date_to_proto(intent.period.first_day),
        billing_period_end=date_to_proto(intent.period.last_day),
        invoice_date=date_to_proto(intent.invoice_date),
        lines=[
            invoice_pb2.InvoiceDraftLine(
                # The numbers of both enums are the codes of the line types.
                line_type=transaction_pb2.InvoiceLineType.ValueType(line.line_type),
                description=line.description,
                amount=_money_to_proto(line.amount),
            )
            for line in intent.lines
        ],
    )


def _invoice_answer(result: invoice_pb2.InvoiceResult) -> Invoiced | Refused:
    if not result.HasField("error"):
        return Invoiced(result.invoice_no, existed=False)
    refused = _refused(result.error)
    if refused.reason == "INVOICE_EXISTS" and refused.metadata.get("invoice_no", "").isdecimal():
        return Invoiced(int(refused.metadata["invoice_no"]), existed=True)
    return refused


def _refused(status: Status) -> Refused:
    for detail in status.details:
        info = ErrorInfo()
        if detail.Unpack(info):
            return Refused(info.reason, status.message, dict(info.metadata))
    return Refused("LEDGER_REFUSED", status.message, {})


def _money(value: money_pb2.Money) -> Money:
    return Money(value.minor_units, value.currency_code)


def _money_to_proto(value: Money) -> money_pb2.Money:
    return money_pb2.Money(currency_code=value.currency, minor_units=value.minor_units)


def _overdue(account: account_pb2.AccountAging) -> Overdue:
    oldest = account.oldest_due_date if account.HasField("oldest_due_date") else None
    return overdue_within(
        _money(account.balance),
        _money(account.overdue),
        _money(account.overdue_without_dunning_charges),
        _date(oldest) if oldest is not None else None,
    )


def _date(value: Date) -> date:
    return date(value.year, value.month, value.day)
