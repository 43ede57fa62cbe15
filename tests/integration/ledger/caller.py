"""A caller of the ledger, for one client, who says as little as a test needs and the rest by default."""

import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, TypeVar

import grpc
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, PreconditionFailure, RetryInfo
from google.rpc.status_pb2 import Status
from google.type.date_pb2 import Date

from tallybook.ledger.v1 import (
    account_pb2,
    account_pb2_grpc,
    invoice_pb2,
    invoice_pb2_grpc,
    ledger_pb2,
    ledger_pb2_grpc,
    transaction_pb2,
    verification_pb2,
    verification_pb2_grpc,
)
from tallybook.type.v1.money_pb2 import Money

Request = TypeVar("Request")
Response = TypeVar("Response")

_NUMBERS = itertools.count(1)

JANUARY: Final = (date(2026, 1, 1), date(2026, 1, 31))
FEBRUARY: Final = (date(2026, 2, 1), date(2026, 2, 28))
REASON: Final = {"reason_code": "TEST", "comment": "because the test wants it"}


def number() -> int:
    """A number that no other call gets."""
    return next(_NUMBERS)


def key() -> str:
    """A request_id that was never used."""
    return f"key-{number()}"


def day(value: date) -> Date:
    """The contract's form of a date."""
    return Date(year=value.year, month=value.month, day=value.day)


def usd(minor_units: int, currency: str = "USD") -> Money:
    """An amount."""
    return Money(currency_code=currency, minor_units=minor_units)


@dataclass(frozen=True)
class Refusal:
    """A refusal as it came over the wire."""

    code: grpc.StatusCode
    reason: str
    domain: str
    message: str
    metadata: dict[str, str]
    fields: tuple[str, ...]
    subjects: tuple[str, ...]
    retry_seconds: float | None


def refusal_of(status: Status) -> Refusal:
    """What a status says."""
    info, fields, subjects, retry = ErrorInfo(), BadRequest(), PreconditionFailure(), RetryInfo()
    retry_seconds = None
    for detail in status.details:
        for message in (info, fields, subjects, retry):
            if detail.Unpack(message) and message is retry:
                retry_seconds = retry.retry_delay.ToTimedelta().total_seconds()
    code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
    return Refusal(
        code,
        info.reason,
        info.domain,
        status.message,
        dict(info.metadata),
        tuple(violation.field for violation in fields.field_violations),
        tuple(violation.subject for violation in subjects.violations),
        retry_seconds,
    )


def refusal_of_call(error: grpc.aio.AioRpcError) -> Refusal:
    """What a failed call says."""
    status = Status()
    for name, value in error.trailing_metadata() or ():
        if name == "grpc-status-details-bin":
            status.ParseFromString(value if isinstance(value, bytes) else value.encode())
    return refusal_of(status)


class RefusedError(Exception):
    """A call was refused."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.code.name} {refusal.reason}: {refusal.message}")
        self.refusal = refusal


class Ledger:
    """Calls the ledger for one client."""

    def __init__(self, channel: grpc.aio.Channel, client_no: int) -> None:
        self.channel = channel
        self.client_no = client_no
        self.accounts = account_pb2_grpc.AccountServiceStub(channel)
        self.ledger = ledger_pb2_grpc.LedgerServiceStub(channel)
        self.invoices = invoice_pb2_grpc.InvoiceServiceStub(channel)
        self.verification = verification_pb2_grpc.VerificationServiceStub(channel)

    async def _call(self, method: Callable[[Request], Awaitable[Response]], request: Request) -> Response:
        try:
            return await method(request)
        except grpc.aio.AioRpcError as error:
            raise RefusedError(refusal_of_call(error)) from error

    # ------------------------------------------------------------------------------------------ accounts

    async def open_account(
        self, opening: int = 0, *, currency: str = "USD", plans: Sequence[str] = (), **fields: Any
    ) -> account_pb2.CreateAccountResponse:
        """An account."""
        request = account_pb2.CreateAccountRequest(
            client_no=self.client_no,
            request_id=fields.pop("request_id", None) or key(),
            name=fields.pop("name", "Ada"),
            currency_code=currency,
            opening_balance=usd(opening, currency) if opening else None,
            plan_instance_names=plans,
            **fields,
        )
        return await self._call(self.accounts.CreateAccount, request)

    async def account(self, opening: int = 0, **fields: Any) -> int:
        """The number of a new account."""
        response = await self.open_account(opening, **fields)
        return response.account.acct_no

    async def balance(self, acct_no: int, plan_instance_no: int = 0) -> int:
        """The balance of an account, or of one of its plan instances."""
        request = account_pb2.GetBalanceRequest(client_no=self.client_no, acct_no=acct_no)
        response = await self._call(self.accounts.GetBalance, request)
        for each in response.plan_instance_balances:
            if each.plan_instance_no == plan_instance_no:
                return each.balance.minor_units
        return response.balance.minor_units

    # ------------------------------------------------------------------------------------------- posting

    async def post(
        self, *drafts: ledger_pb2.TransactionDraft, all_or_nothing: bool = False, request_id: str = ""
    ) -> ledger_pb2.PostTransactionsResponse:
        """Post drafts."""
        request = ledger_pb2.PostTransactionsRequest(
            client_no=self.client_no,
            request_id=request_id or key(),
            drafts=drafts,
            all_or_nothing=all_or_nothing,
        )
        return await self._call(self.ledger.PostTransactions, request)

    async def posted(self, *drafts: ledger_pb2.TransactionDraft) -> list[int]:
        """Post drafts, all of them; the numbers of the transactions, in order."""
        response = await self.post(*drafts, all_or_nothing=True)
        return [each.event_no for result in response.results for each in result.transactions]

    async def refusals(self, *drafts: ledger_pb2.TransactionDraft) -> list[str]:
        """Post drafts; the reason of each refusal, "" where there is none."""
        response = await self.post(*drafts)
        return [
            refusal_of(result.error).reason if result.HasField("error") else "" for result in response.results
        ]

    async def void(self, event_no: int, **fields: Any) -> ledger_pb2.VoidTransactionResponse:
        """Void a transaction."""
        request = ledger_pb2.VoidTransactionRequest(
            client_no=self.client_no,
            request_id=fields.pop("request_id", None) or key(),
            event_no=event_no,
            **{**REASON, **fields},
        )
        return await self._call(self.ledger.VoidTransaction, request)

    async def operate(self, operation: str, **fields: Any) -> Any:
        """Call an operation of LedgerService by its name; with a key of its own unless one is given."""
        make_request = getattr(ledger_pb2, f"{operation}Request")
        if "request_id" in make_request.DESCRIPTOR.fields_by_name:
            fields.setdefault("request_id", key())
        request = make_request(client_no=self.client_no, **fields)
        return await self._call(getattr(self.ledger, operation), request)

    async def findings(self) -> list[str]:
        """What VerifyLedger finds wrong in the books."""
        request = verification_pb2.VerifyLedgerRequest(client_no=self.client_no)
        parts = self.verification.VerifyLedger(request)
        return [part.finding.message async for part in parts if part.HasField("finding")]

    async def aging(self, acct_no: int, as_of: date) -> account_pb2.AccountAging:
        """What one account owes at a date."""
        request = account_pb2.ListAgingRequest(
            client_no=self.client_no, acct_nos=[acct_no], as_of_date=day(as_of)
        )
        (aging,) = (await self._call(self.accounts.ListAging, request)).accounts
        return aging

    async def transaction(self, event_no: int) -> transaction_pb2.Transaction:
        """A transaction."""
        request = ledger_pb2.GetTransactionRequest(client_no=self.client_no, event_no=event_no)
        response = await self._call(self.ledger.GetTransaction, request)
        return response.transaction

    # ------------------------------------------------------------------------------------------ invoices

    async def invoice(
        self, acct_no: int, *lines: tuple[int, int], period: tuple[date, date] = JANUARY, **fields: Any
    ) -> invoice_pb2.InvoiceResult:
        """Create one invoice of (line type, amount) lines; raises when it is refused."""
        response = await self.create_invoices(invoice_draft(acct_no, *lines, period=period, **fields))
        (result,) = response.results
        if result.HasField("error"):
            raise RefusedError(refusal_of(result.error))
        return result

    async def create_invoices(
        self, *drafts: invoice_pb2.InvoiceDraft, request_id: str = ""
    ) -> invoice_pb2.CreateInvoicesResponse:
        """Create invoices."""
        request = invoice_pb2.CreateInvoicesRequest(
            client_no=self.client_no, request_id=request_id or key(), invoices=drafts
        )
        return await self._call(self.invoices.CreateInvoices, request)

    async def void_invoice(self, invoice_no: int, **fields: Any) -> invoice_pb2.VoidInvoiceResponse:
        """Void an invoice."""
        request = invoice_pb2.VoidInvoiceRequest(
            client_no=self.client_no,
            request_id=fields.pop("request_id", None) or key(),
            invoice_no=invoice_no,
            **{**REASON, **fields},
        )
        return await self._call(self.invoices.VoidInvoice, request)

    async def get_invoice(self, invoice_no: int) -> invoice_pb2.Invoice:
        """An invoice."""
        request = invoice_pb2.GetInvoiceRequest(client_no=self.client_no, invoice_no=invoice_no)
        response = await self._call(self.invoices.GetInvoice, request)
        return response.invoice


def invoice_draft(
    acct_no: int,
    *lines: tuple[int, int],
    period: tuple[date, date] = JANUARY,
    plan_instance_no: int = 0,
    invoice_date: date | None = None,
    currency: str = "USD",
) -> invoice_pb2.InvoiceDraft:
    """An invoice of (line type, amount) lines."""
    return invoice_pb2.InvoiceDraft(
        acct_no=acct_no,
        plan_instance_no=plan_instance_no,
        billing_period_start=day(period[0]),
        billing_period_end=day(period[1]),
        invoice_date=day(invoice_date or period[0]),
        lines=[
            invoice_pb2.InvoiceDraftLine(
                line_type=line_type,  # type: ignore[arg-type]  # the number of the line type
                description=f"line type {line_type}",
                amount=usd(amount, currency),
            )
            for line_type, amount in lines
        ],
    )


# ------------------------------------------------------------------------------------------ drafts


def draft(acct_no: int, code: int, amount: int = 0, **fields: Any) -> ledger_pb2.TransactionDraft:
    """A draft with nothing but what is given."""
    currency = fields.pop("currency", "USD")
    return ledger_pb2.TransactionDraft(
        acct_no=acct_no,
        transaction_type=code,  # type: ignore[arg-type]  # the numbers of the enum are the codes
        amount=usd(amount, currency) if amount else None,
        **fields,
    )


def check(acct_no: int, amount: int, code: str = "", **fields: Any) -> ledger_pb2.TransactionDraft:
    """2"""
    payment = transaction_pb2.ExternalPayment(reference_code=code or f"check {number()}")
    return draft(acct_no, 2, amount, external_payment=payment, **fields)


def payment(acct_no: int, amount: int, reference: str = "", **fields: Any) -> ledger_pb2.TransactionDraft:
    """3"""
    details = transaction_pb2.ElectronicPayment(
        payment_method_kind=transaction_pb2.PAYMENT_METHOD_KIND_CARD,
        gateway_reference=reference or f"gw {number()}",
    )
    return draft(acct_no, 3, amount, electronic_payment=details, **fields)


def transfer(acct_no: int, target: int, amount: int = 0, **fields: Any) -> ledger_pb2.TransactionDraft:
    """5"""
    details = transaction_pb2.BalanceTransfer(counterpart_acct_no=target)
    return draft(acct_no, 5, amount, balance_transfer=details, **fields)


def write_off(acct_no: int, invoice_no: int, amount: int = 0, **fields: Any) -> ledger_pb2.TransactionDraft:
    """6"""
    details = transaction_pb2.WriteOff(kind=transaction_pb2.WRITE_OFF_KIND_WRITE_OFF, invoice_no=invoice_no)
    return draft(acct_no, 6, amount, write_off=details, **{**REASON, **fields})


def reversal(acct_no: int, charge: int, amount: int, **fields: Any) -> ledger_pb2.TransactionDraft:
    """8"""
    details = transaction_pb2.RefundReversal(charge_event_no=charge)
    return draft(acct_no, 8, amount, refund_reversal=details, **fields)


def credit(acct_no: int, amount: int, **fields: Any) -> ledger_pb2.TransactionDraft:
    """10"""
    return draft(acct_no, 10, amount, **{"reason_code": "GOODWILL", **fields})


def electronic_refund(
    acct_no: int, paid: int, amount: int, reference: str = "", **fields: Any
) -> ledger_pb2.TransactionDraft:
    """12"""
    details = transaction_pb2.ElectronicRefund(
        payment_event_no=paid, gateway_reference=reference or f"gw {number()}"
    )
    return draft(acct_no, 12, amount, electronic_refund=details, **fields)


def check_refund(acct_no: int, paid: int, amount: int, **fields: Any) -> ledger_pb2.TransactionDraft:
    """13"""
    details = transaction_pb2.CheckRefund(payment_event_no=paid, check_number=str(number()))
    return draft(acct_no, 13, amount, check_refund=details, **fields)


def external_charge(acct_no: int, amount: int, **fields: Any) -> ledger_pb2.TransactionDraft:
    """14"""
    details = transaction_pb2.ExternalCharge(description="a charge by support")
    return draft(acct_no, 14, amount, external_charge=details, **fields)


def dunning_charge(acct_no: int, amount: int, **fields: Any) -> ledger_pb2.TransactionDraft:
    """15"""
    details = transaction_pb2.DunningCharge(dunning_step=1, description="late fee")
    return draft(acct_no, 15, amount, dunning_charge=details, **fields)


def invoice_line(
    acct_no: int, line_type: int, amount: int, period: tuple[date, date] = JANUARY, **fields: Any
) -> ledger_pb2.TransactionDraft:
    """21 or 22, as the line type says"""
    details = ledger_pb2.NewInvoiceLine(
        line_type=line_type,  # type: ignore[arg-type]  # the number of the line type
        description=f"line type {line_type}",
        billing_period_start=day(period[0]),
        billing_period_end=day(period[1]),
    )
    code = 22 if line_type in {3, 4} else 21
    return draft(acct_no, code, amount, new_invoice_line=details, **fields)


def memo_line(acct_no: int, charge: int, amount: int, **fields: Any) -> ledger_pb2.TransactionDraft:
    """24"""
    details = transaction_pb2.CreditMemoLine(charge_event_no=charge)
    return draft(acct_no, 24, amount, credit_memo_line=details, **{"comment": "a memo", **fields})


def void(acct_no: int, code: int, event_no: int, **fields: Any) -> ledger_pb2.TransactionDraft:
    """Any void"""
    details = ledger_pb2.VoidOf(event_no=event_no)
    return draft(acct_no, code, void_of=details, **{**REASON, **fields})
