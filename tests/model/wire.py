"""The model's calls in the form of the contract, sent to the real service, and what comes back."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from google.type.date_pb2 import Date

from tallybook.ledger.v1 import (
    account_pb2,
    account_pb2_grpc,
    application_pb2,
    application_pb2_grpc,
    invoice_pb2,
    invoice_pb2_grpc,
    ledger_pb2,
    ledger_pb2_grpc,
    statement_pb2,
    statement_pb2_grpc,
    transaction_pb2,
    verification_pb2,
    verification_pb2_grpc,
)
from tallybook.type.v1.money_pb2 import Money
from tests.model.calls import (
    AddPlan,
    ApplyCredit,
    Call,
    Close,
    CreateInvoices,
    Draft,
    Instruction,
    InvoiceDraft,
    OpenAccount,
    Operate,
    Post,
    Settle,
    Void,
    VoidInvoice,
    VoidMemo,
)

_DEADLINE_SECONDS: Final = 20.0
# Connections are broken and servers killed on purpose; a client sends the same request again, as the contract
# asks it to.
_ATTEMPTS: Final = 300
_PAUSE_SECONDS: Final = 0.05
_PAGE_SIZE: Final = 15
# Channels with the same target and options share one connection.
_A_CONNECTION_OF_ITS_OWN: Final = (("grpc.use_local_subchannel_pool", 1),)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the service answered, part by part: a reason or numbers.

    parts: (reason, (event_no, source_no) of each transaction, invoice_no or statement_no).
    applied: credit, charge and amount of each application.
    """

    refused: str = ""
    parts: tuple[tuple[str, tuple[tuple[int, int], ...], int], ...] = ()
    acct_no: int = 0
    plan_instance_nos: tuple[int, ...] = ()
    applied: tuple[tuple[int, int, int], ...] = ()

    @property
    def reasons(self) -> tuple[str, ...]:
        """What it looks like without the numbers."""
        return (self.refused, *(reason for reason, _, _ in self.parts))


@dataclass(frozen=True, slots=True)
class Balances:
    """The balance of an account, of the account itself, and by plan instance."""

    balance: int
    account_only: int
    plans: dict[int, int]


class Wire:
    """Calls the services for one client; any of the servers will do."""

    def __init__(
        self, targets: Sequence[str], channels: Sequence[grpc.Channel], client_no: int, poster_token: str
    ) -> None:
        self.client_no = client_no
        self._targets = itertools.cycle(targets)
        self._servers = itertools.cycle([_Server(channel) for channel in channels])
        self._poster = (("authorization", f"Bearer {poster_token}"),)

    # ------------------------------------------------------------------------------------------ changing

    def send(self, key: str, call: Call, *, as_poster: bool = False) -> Reply:
        """The answer to the call."""
        return self._definite(self._request(key, call), as_poster)

    def race(self, keys: Sequence[str], call: Call) -> list[Reply]:
        """The answers to one call that is sent under each of the keys at the same time."""
        replies: list[Reply] = []

        def send(server: "_Server", request: Any) -> None:
            replies.append(self._attempt(server, request, False))

        threads = [
            threading.Thread(target=send, args=(next(self._servers), self._request(key, call)))
            for key in keys
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(replies) == len(keys), "a call of the race failed"
        return replies

    def hang_up(self, key: str, call: Call, after_seconds: float) -> Reply:
        """Send the call, hang up after that time, and send it again."""
        request = self._request(key, call)
        pending = next(self._servers).method_of(request).future(request, timeout=_DEADLINE_SECONDS)
        time.sleep(after_seconds)
        pending.cancel()
        return self._definite(request, False)

    def cut_connection(self, key: str, call: Call, after_seconds: float) -> Reply:
        """Send the call over a connection that breaks after that time, and send it again over another."""
        request = self._request(key, call)
        with grpc.insecure_channel(next(self._targets), options=_A_CONNECTION_OF_ITS_OWN) as channel:
            grpc.channel_ready_future(channel).result(_DEADLINE_SECONDS)
            pending = _Server(channel).method_of(request).future(request, timeout=_DEADLINE_SECONDS)
            time.sleep(after_seconds)
        pending.cancel()
        return self._definite(request, False)

    def disturbed(self, key: str, call: Call, disturb: Callable[[], None]) -> Reply:
        """Send the call while something happens to the service."""
        disturbing = threading.Thread(target=disturb)
        disturbing.start()
        try:
            return self.send(key, call)
        finally:
            disturbing.join()

    def _definite(self, request: Any, as_poster: bool) -> Reply:
        return self._attempt(next(self._servers), request, as_poster)

    def _attempt(self, server: "_Server", request: Any, as_poster: bool) -> Reply:
        metadata = self._poster if as_poster else ()
        try:
            response = _patiently(server.method_of(request), request, metadata)
        except grpc.RpcError as error:
            return Reply(refused=_reason_of(error))
        return _reply(response)

    def _request(self, key: str, call: Call) -> Any:
        return _REQUESTS[type(call)](self.client_no, key, call)

    # ------------------------------------------------------------------------------------------- reading

    def balances_now(self, acct_nos: Sequence[int]) -> dict[int, int]:
        """By account."""
        request = account_pb2.BatchGetBalancesRequest(client_no=self.client_no, acct_nos=acct_nos)
        response = _patiently(self._server.accounts.BatchGetBalances, request)
        return {each.acct_no: each.balance.minor_units for each in response.balances}

    def balances(self, acct_no: int, *, at: date | None = None, event_no: int = 0) -> Balances:
        """Of one account: now, as of a date, or as recorded at an event."""
        request = account_pb2.GetBalanceRequest(client_no=self.client_no, acct_no=acct_no)
        if at is not None:
            request.effective_date.CopyFrom(_day(at))
        elif event_no:
            request.event_no = event_no
        response = _patiently(self._server.accounts.GetBalance, request)
        return Balances(
            response.balance.minor_units,
            response.account_only_balance.minor_units,
            {each.plan_instance_no: each.balance.minor_units for each in response.plan_instance_balances},
        )

    def aging(self, at: date) -> dict[int, account_pb2.AccountAging]:
        """By account, all that owe something or are owed something."""
        return {
            aging.acct_no: aging
            for page in self._pages(
                account_pb2.ListAgingRequest(client_no=self.client_no, as_of_date=_day(at)),
                self._server.accounts.ListAging,
            )
            for aging in page.accounts
        }

    def statement(self, acct_no: int, first: date, last: date) -> account_pb2.GetStatementResponse:
        """Of one account for a period."""
        request = account_pb2.GetStatementRequest(
            client_no=self.client_no, acct_no=acct_no, period_start=_day(first), period_end=_day(last)
        )
        response: account_pb2.GetStatementResponse = _patiently(self._server.accounts.GetStatement, request)
        return response

    def open_items(self, acct_no: int) -> list[application_pb2.OpenItem]:
        """Of one account, in order."""
        return [
            item
            for page in self._pages(
                application_pb2.ListOpenItemsRequest(client_no=self.client_no, acct_no=acct_no),
                self._server.applications.ListOpenItems,
            )
            for item in page.open_items
        ]

    def applications(self, acct_no: int) -> list[application_pb2.Application]:
        """Of one account, in order."""
        return [
            application
            for page in self._pages(
                application_pb2.ListApplicationsRequest(client_no=self.client_no, acct_no=acct_no),
                self._server.applications.ListApplications,
            )
            for application in page.applications
        ]

    def closed_statements(self, acct_no: int) -> list[statement_pb2.ClosedStatement]:
        """Of one account, newest first."""
        return [
            statement
            for page in self._pages(
                statement_pb2.ListStatementsRequest(client_no=self.client_no, acct_no=acct_no),
                self._server.statements.ListStatements,
            )
            for statement in page.statements
        ]

    def closed_lines(self, statement_no: int) -> list[statement_pb2.ClosedStatementLine]:
        """Of one closed statement, in order."""
        return [
            line
            for page in self._pages(
                statement_pb2.GetClosedStatementRequest(client_no=self.client_no, statement_no=statement_no),
                self._server.statements.GetClosedStatement,
            )
            for line in page.lines
        ]

    def transactions(self) -> list[transaction_pb2.Transaction]:
        """All of the client, newest first."""
        return [
            transaction
            for page in self._pages(
                ledger_pb2.ListTransactionsRequest(client_no=self.client_no),
                self._server.ledger.ListTransactions,
            )
            for transaction in page.transactions
        ]

    def invoices(self) -> list[invoice_pb2.Invoice]:
        """All of the client, newest first."""
        return [
            invoice
            for page in self._pages(
                invoice_pb2.ListInvoicesRequest(client_no=self.client_no), self._server.invoices.ListInvoices
            )
            for invoice in page.invoices
        ]

    def verify(self) -> tuple[list[str], verification_pb2.VerificationSummary]:
        """The findings, and the summary."""
        request = verification_pb2.VerifyLedgerRequest(client_no=self.client_no)
        parts = list(self._server.verification.VerifyLedger(request, timeout=_DEADLINE_SECONDS))
        return [part.finding.message for part in parts if part.HasField("finding")], parts[-1].summary

    def trial_balances(self) -> Sequence[verification_pb2.TrialBalance]:
        """One a currency."""
        request = verification_pb2.GetTrialBalanceRequest(client_no=self.client_no)
        response = _patiently(self._server.verification.GetTrialBalance, request)
        balances: Sequence[verification_pb2.TrialBalance] = response.trial_balances
        return balances

    @property
    def _server(self) -> "_Server":
        return next(self._servers)

    def _pages(self, request: Any, method: Any) -> Iterator[Any]:
        request.page_size = _PAGE_SIZE
        while True:
            page = _patiently(method, request)
            yield page
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return


class _Server:
    """The stubs of one server."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.accounts = account_pb2_grpc.AccountServiceStub(channel)
        self.applications = application_pb2_grpc.ApplicationServiceStub(channel)
        self.ledger = ledger_pb2_grpc.LedgerServiceStub(channel)
        self.invoices = invoice_pb2_grpc.InvoiceServiceStub(channel)
        self.statements = statement_pb2_grpc.StatementServiceStub(channel)
        self.verification = verification_pb2_grpc.VerificationServiceStub(channel)

    def method_of(self, request: Any) -> Any:
        """The RPC that takes the request."""
        name = request.DESCRIPTOR.name.removesuffix("Request")
        stubs = (self.accounts, self.applications, self.ledger, self.invoices, self.statements)
        return next(getattr(stub, name) for stub in stubs if hasattr(stub, name))


def _patiently(method: Any, request: Any, metadata: Sequence[tuple[str, str]] = ()) -> Any:
    for attempt in range(_ATTEMPTS):
        try:
            return method(request, timeout=_DEADLINE_SECONDS, metadata=metadata)
        except grpc.RpcError as error:
            failed: Any = error
            if failed.code() is not grpc.StatusCode.UNAVAILABLE or attempt == _ATTEMPTS - 1:
                raise
            time.sleep(_PAUSE_SECONDS)
    raise AssertionError("unreachable")


def _reason_of(error: Any) -> str:
    """Of a failed call. Any: an RpcError is a Call as well, which its type does not say."""
    status = Status()
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status.ParseFromString(value if isinstance(value, bytes) else value.encode())
    return _reason(status) or f"{error.code()} {error.details()}"


def _reason(status: Status) -> str:
    info = ErrorInfo()
    return info.reason if any(detail.Unpack(info) for detail in status.details) else ""


# -------------------------------------------------------------------------------- what comes back


def _reply(response: Any) -> Reply:
    if hasattr(response, "results"):
        return Reply(parts=tuple(_part(result) for result in response.results))
    match response:
        case account_pb2.CreateAccountResponse():
            posted = (response.balance_forward,) if response.HasField("balance_forward") else ()
            return Reply(
                parts=(("", _numbers(posted), 0),),
                acct_no=response.account.acct_no,
                plan_instance_nos=tuple(each.plan_instance_no for each in response.account.plan_instances),
            )
        case account_pb2.CreatePlanInstanceResponse():
            return Reply(parts=(("", (), 0),), plan_instance_nos=(response.plan_instance.plan_instance_no,))
        case application_pb2.ApplyUnappliedCreditResponse():
            made = tuple(
                (each.credit_event_no, each.charge_event_no, each.amount.minor_units)
                for each in response.applications
            )
            return Reply(parts=(("", (), 0),), applied=made)
    posted = response.transactions if hasattr(response, "transactions") else (response.transaction,)
    if isinstance(response, ledger_pb2.CreateCreditMemoResponse):
        assert {each.source_no for each in posted} == {response.cm_no}
    return Reply(parts=(("", _numbers(posted), 0),))


def _part(result: Any) -> tuple[str, tuple[tuple[int, int], ...], int]:
    reason = _reason(result.error)
    match result:
        case invoice_pb2.InvoiceResult():
            numbers = tuple((line.event_no, line.invoice_detail_no) for line in result.lines)
            return reason, numbers, result.invoice_no
        case statement_pb2.CloseStatementResult():
            return reason, (), result.statement.statement_no
    return reason, _numbers(result.transactions), 0


def _numbers(posted: Sequence[Any]) -> tuple[tuple[int, int], ...]:
    return tuple((each.event_no, each.source_no) for each in posted)


# -------------------------------------------------------------------------------- what is sent


def day_of(value: Any) -> date:
    """A google.type.Date as a date."""
    return date(value.year, value.month, value.day)


def _day(value: date) -> Date:
    return Date(year=value.year, month=value.month, day=value.day)


def _maybe_day(value: date | None) -> Date | None:
    return None if value is None else _day(value)


def _money(minor_units: int, currency: str) -> Money:
    return Money(currency_code=currency, minor_units=minor_units)


def _open_account(client_no: int, key: str, call: OpenAccount) -> Any:
    return account_pb2.CreateAccountRequest(
        client_no=client_no,
        request_id=key,
        external_id=call.external_id,
        name="a customer",
        currency_code=call.currency,
        payment_term_days=call.term_days,
        opening_balance=_money(call.opening, call.opening_currency),
        effective_date=_maybe_day(call.on),
        plan_instance_names=[f"plan {place}" for place in range(call.plans)],
    )


def _add_plan(client_no: int, key: str, call: AddPlan) -> Any:
    return account_pb2.CreatePlanInstanceRequest(
        client_no=client_no, request_id=key, acct_no=call.account, name="another plan"
    )


def _post(client_no: int, key: str, call: Post) -> Any:
    return ledger_pb2.PostTransactionsRequest(
        client_no=client_no,
        request_id=key,
        drafts=[_draft(draft) for draft in call.drafts],
        all_or_nothing=call.all_or_nothing,
    )


def _draft(draft: Draft) -> ledger_pb2.TransactionDraft:
    message = ledger_pb2.TransactionDraft(
        acct_no=draft.account,
        plan_instance_no=draft.plan,
        transaction_type=draft.code,  # type: ignore[arg-type]  # the numbers of the enum are the codes
        amount=_money(draft.amount, draft.currency) if draft.amount else None,
        effective_date=_maybe_day(draft.on),
        reason_code=draft.reason,
        comment=draft.comment,
        document=draft.label,
        request_id=draft.key,
        application=_instruction(draft.pays),
    )
    if draft.source:
        getattr(message, draft.source).CopyFrom(_DETAILS[draft.source](draft))
    return message


def _instruction(pays: Instruction | None) -> application_pb2.ApplicationInstruction | None:
    if pays is None:
        return None
    return application_pb2.ApplicationInstruction(
        method=pays.method.value,  # type: ignore[arg-type]  # the numbers are those of the enum
        charge_event_nos=pays.charges,
        invoice_nos=pays.invoices,
    )


def _write_off(draft: Draft) -> transaction_pb2.WriteOff:
    if draft.expires_on is None:
        return transaction_pb2.WriteOff(kind=transaction_pb2.WRITE_OFF_KIND_WRITE_OFF, invoice_no=draft.names)
    return transaction_pb2.WriteOff(
        kind=transaction_pb2.WRITE_OFF_KIND_DISPUTE_HOLD,
        invoice_no=draft.names,
        expires_on=_day(draft.expires_on),
    )


def _invoice_line(draft: Draft) -> ledger_pb2.NewInvoiceLine:
    assert draft.period is not None
    return ledger_pb2.NewInvoiceLine(
        line_type=draft.line_type,  # type: ignore[arg-type]  # the number of the line type
        billing_period_start=_day(draft.period[0]),
        billing_period_end=_day(draft.period[1]),
    )


def _external_payment(draft: Draft) -> transaction_pb2.ExternalPayment:
    return transaction_pb2.ExternalPayment(
        reference_code=draft.reference, received_date=_maybe_day(draft.received)
    )


def _electronic_payment(draft: Draft) -> transaction_pb2.ElectronicPayment:
    return transaction_pb2.ElectronicPayment(
        payment_method_kind=transaction_pb2.PAYMENT_METHOD_KIND_CARD, gateway_reference=draft.reference
    )


def _dunning_charge(_draft: Draft) -> transaction_pb2.DunningCharge:
    return transaction_pb2.DunningCharge(dunning_step=1, description="late fee")


_DETAILS: Final[dict[str, Callable[[Draft], Any]]] = {
    "external_payment": _external_payment,
    "electronic_payment": _electronic_payment,
    "balance_transfer": lambda draft: transaction_pb2.BalanceTransfer(counterpart_acct_no=draft.names),
    "write_off": _write_off,
    "refund_reversal": lambda draft: transaction_pb2.RefundReversal(charge_event_no=draft.names),
    "electronic_refund": lambda draft: transaction_pb2.ElectronicRefund(
        payment_event_no=draft.names, gateway_reference=draft.reference
    ),
    "check_refund": lambda draft: transaction_pb2.CheckRefund(
        payment_event_no=draft.names, check_number=draft.reference
    ),
    "external_charge": lambda _draft: transaction_pb2.ExternalCharge(description="by support"),
    "dunning_charge": _dunning_charge,
    "new_invoice_line": _invoice_line,
    "credit_memo_line": lambda draft: transaction_pb2.CreditMemoLine(charge_event_no=draft.names),
    "void_of": lambda draft: ledger_pb2.VoidOf(event_no=draft.names),
}


def _operate(client_no: int, key: str, call: Operate) -> Any:
    draft = call.drafts[0]
    return _OPERATIONS[call.operation](
        call.drafts,
        client_no=client_no,
        request_id=key,
        amount=_money(draft.amount, draft.currency) if draft.amount else None,
        effective_date=_maybe_day(draft.on),
        comment=draft.comment,
    )


def _issue_refund(drafts: Sequence[Draft], **common: Any) -> Any:
    refund, *reversals = drafts
    method = "gateway_reference" if refund.code == 12 else "check_number"
    common[method] = refund.reference
    return ledger_pb2.IssueRefundRequest(
        payment_event_no=refund.names,
        reversals=[
            ledger_pb2.ReversalOfCharge(charge_event_no=each.names, amount=_money(each.amount, each.currency))
            for each in reversals
        ],
        reason_code=refund.reason,
        **common,
    )


def _create_credit_memo(drafts: Sequence[Draft], **common: Any) -> Any:
    del common["amount"]
    return ledger_pb2.CreateCreditMemoRequest(
        lines=[
            ledger_pb2.CreditMemoDraftLine(
                charge_event_no=each.names, amount=_money(each.amount, each.currency)
            )
            for each in drafts
        ],
        reason_code=drafts[0].reason,
        **common,
    )


def _transfer_balance(drafts: Sequence[Draft], **common: Any) -> Any:
    (draft,) = drafts
    return ledger_pb2.TransferAccountBalanceRequest(
        from_acct_no=draft.account,
        from_plan_instance_no=draft.plan,
        to_acct_no=draft.names,
        reason_code=draft.reason,
        **common,
    )


def _against_invoice(request: Any) -> Any:
    def write(drafts: Sequence[Draft], **common: Any) -> Any:
        (draft,) = drafts
        if draft.expires_on is not None:
            common["expires_on"] = _day(draft.expires_on)
        return request(invoice_no=draft.names, reason_code=draft.reason, **common)

    return write


def _on_account(request: Any, **details: Callable[[Draft], Any]) -> Any:
    """An operation that names its account, with the details that it has besides."""

    def write(drafts: Sequence[Draft], **common: Any) -> Any:
        (draft,) = drafts
        own = {name: detail(draft) for name, detail in details.items()}
        return request(acct_no=draft.account, plan_instance_no=draft.plan, **own, **common)

    return write


_OPERATIONS: Final[dict[str, Callable[..., Any]]] = {
    "RecordExternalPayment": _on_account(
        ledger_pb2.RecordExternalPaymentRequest,
        external_payment=_external_payment,
        application=lambda draft: _instruction(draft.pays),
    ),
    "RecordElectronicPayment": _on_account(
        ledger_pb2.RecordElectronicPaymentRequest,
        electronic_payment=_electronic_payment,
        application=lambda draft: _instruction(draft.pays),
    ),
    "ApplyCashCredit": _on_account(ledger_pb2.ApplyCashCreditRequest, reason_code=lambda draft: draft.reason),
    "AssessDunningCharge": _on_account(ledger_pb2.AssessDunningChargeRequest, dunning_charge=_dunning_charge),
    "CreateExternalCharge": _on_account(
        ledger_pb2.CreateExternalChargeRequest, external_charge=_DETAILS["external_charge"]
    ),
    "TransferAccountBalance": _transfer_balance,
    "IssueRefund": _issue_refund,
    "CreateWriteOff": _against_invoice(ledger_pb2.CreateWriteOffRequest),
    "CreateDispute": _against_invoice(ledger_pb2.CreateDisputeRequest),
    "CreateCreditMemo": _create_credit_memo,
}


def _void(client_no: int, key: str, call: Void) -> Any:
    return ledger_pb2.VoidTransactionRequest(
        client_no=client_no,
        request_id=key,
        event_no=call.event,
        reason_code="MODEL",
        comment="the model wants it",
        effective_date=_maybe_day(call.on),
    )


def _settle(client_no: int, key: str, call: Settle) -> Any:
    return ledger_pb2.SettleDisputeRequest(
        client_no=client_no,
        request_id=key,
        event_no=call.event,
        resolution=call.resolution.value,  # type: ignore[arg-type]  # the numbers are those of the enum  # type: ignore[arg-type]  # the numbers are those of the enum
        reason_code="MODEL",
        comment="the model wants it",
        effective_date=_maybe_day(call.on),
    )


def _void_memo(client_no: int, key: str, call: VoidMemo) -> Any:
    return ledger_pb2.VoidCreditMemoRequest(
        client_no=client_no,
        request_id=key,
        cm_no=call.memo,
        reason_code="MODEL",
        comment="the model wants it",
        effective_date=_maybe_day(call.on),
    )


def _apply_credit(client_no: int, key: str, call: ApplyCredit) -> Any:
    return application_pb2.ApplyUnappliedCreditRequest(
        client_no=client_no,
        request_id=key,
        credit_event_no=call.credit,
        application=_instruction(call.pays),
        effective_date=_maybe_day(call.on),
    )


def _close(client_no: int, key: str, call: Close) -> Any:
    return statement_pb2.CloseStatementsRequest(
        client_no=client_no, request_id=key, acct_nos=call.accounts, period_end=_day(call.through)
    )


def _create_invoices(client_no: int, key: str, call: CreateInvoices) -> Any:
    return invoice_pb2.CreateInvoicesRequest(
        client_no=client_no, request_id=key, invoices=[_invoice(each) for each in call.invoices]
    )


def _invoice(draft: InvoiceDraft) -> invoice_pb2.InvoiceDraft:
    return invoice_pb2.InvoiceDraft(
        acct_no=draft.account,
        plan_instance_no=draft.plan,
        billing_period_start=_day(draft.period[0]),
        billing_period_end=_day(draft.period[1]),
        invoice_date=_day(draft.on),
        lines=[
            invoice_pb2.InvoiceDraftLine(
                line_type=line_type,  # type: ignore[arg-type]  # the number of the line type
                amount=_money(amount, draft.currency),
            )
            for line_type, amount in draft.lines
        ],
    )


def _void_invoice(client_no: int, key: str, call: VoidInvoice) -> Any:
    return invoice_pb2.VoidInvoiceRequest(
        client_no=client_no,
        request_id=key,
        invoice_no=call.invoice,
        reason_code="MODEL",
        comment="the model wants it",
        effective_date=_maybe_day(call.on),
    )


_REQUESTS: Final[dict[type, Callable[[int, str, Any], Any]]] = {
    OpenAccount: _open_account,
    AddPlan: _add_plan,
    Post: _post,
    Operate: _operate,
    Void: _void,
    Settle: _settle,
    VoidMemo: _void_memo,
    ApplyCredit: _apply_credit,
    Close: _close,
    CreateInvoices: _create_invoices,
    VoidInvoice: _void_invoice,
}
