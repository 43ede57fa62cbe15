"""What the tests of billing do and see in the ledger, in few words."""

from dataclasses import dataclass
from typing import Any

import grpc

from tallybook.ledger.v1 import (
    account_pb2,
    account_pb2_grpc,
    application_pb2,
    invoice_pb2,
    invoice_pb2_grpc,
    ledger_pb2,
    ledger_pb2_grpc,
    transaction_pb2,
)
from tests.integration.batch_billing.caller import as_text, day, key, usd


@dataclass(frozen=True, slots=True)
class OpenedAccount:
    """An account with one plan instance."""

    acct_no: int
    plan_instance_no: int


@dataclass(frozen=True, slots=True)
class BookedInvoice:
    """An invoice as a test compares it: its period, its date, and (line type, minor units) of its lines."""

    period: tuple[str, str]
    invoice_date: str
    lines: tuple[tuple[int, int], ...]


class Books:
    """The ledger of one client."""

    def __init__(self, channel: grpc.aio.Channel, client_no: int) -> None:
        self.client_no = client_no
        self._accounts: account_pb2_grpc.AccountServiceAsyncStub = account_pb2_grpc.AccountServiceStub(
            channel
        )
        self._ledger: ledger_pb2_grpc.LedgerServiceAsyncStub = ledger_pb2_grpc.LedgerServiceStub(channel)
        self._invoices: invoice_pb2_grpc.InvoiceServiceAsyncStub = invoice_pb2_grpc.InvoiceServiceStub(
            channel
        )

    async def open_account(self, **changes: Any) -> OpenedAccount:
        """Open an account in USD with one plan instance, due at once."""
        values: dict[str, Any] = {
            "client_no": self.client_no,
            "request_id": key(),
            "name": "Customer",
            "currency_code": "USD",
            "plan_instance_names": ["Basic"],
        }
        response = await self._accounts.CreateAccount(
            account_pb2.CreateAccountRequest(**{**values, **changes})
        )
        account = response.account
        return OpenedAccount(account.acct_no, account.plan_instances[0].plan_instance_no)

    async def owing(self, minor_units: int, since: str) -> OpenedAccount:
        """Open an account that owes an amount since, and due on, a day."""
        return await self.open_account(opening_balance=usd(minor_units), effective_date=day(since))

    async def balance(self, account: OpenedAccount) -> int:
        """The balance of an account."""
        response = await self._accounts.GetBalance(
            account_pb2.GetBalanceRequest(client_no=self.client_no, acct_no=account.acct_no)
        )
        return response.balance.minor_units

    async def transactions(self, account: OpenedAccount) -> list[tuple[int, int, str]]:
        """The transactions of an account: (type, minor units, effective date), oldest first."""
        response = await self._ledger.ListTransactions(
            ledger_pb2.ListTransactionsRequest(
                client_no=self.client_no, acct_no=account.acct_no, page_size=1000
            )
        )
        return [
            (int(each.transaction_type), each.amount.minor_units, as_text(each.effective_date))
            for each in reversed(response.transactions)
        ]

    async def invoices(self, account: OpenedAccount) -> list[BookedInvoice]:
        """The invoices of an account, oldest first."""
        response = await self._invoices.ListInvoices(
            invoice_pb2.ListInvoicesRequest(client_no=self.client_no, acct_no=account.acct_no, page_size=1000)
        )
        return [await self._booked(invoice.invoice_no) for invoice in reversed(response.invoices)]

    async def create_invoice(self, account: OpenedAccount, period: tuple[str, str], minor_units: int) -> None:
        """Invoice a period by hand."""
        draft = invoice_pb2.InvoiceDraft(
            acct_no=account.acct_no,
            plan_instance_no=account.plan_instance_no,
            billing_period_start=day(period[0]),
            billing_period_end=day(period[1]),
            invoice_date=day(period[0]),
            lines=[
                invoice_pb2.InvoiceDraftLine(
                    line_type=transaction_pb2.INVOICE_LINE_TYPE_RECURRING_CHARGE,
                    description="By hand",
                    amount=usd(minor_units),
                )
            ],
        )
        response = await self._invoices.CreateInvoices(
            invoice_pb2.CreateInvoicesRequest(client_no=self.client_no, request_id=key(), invoices=[draft])
        )
        assert response.results[0].invoice_no

    async def pay_by_check(
        self, account: OpenedAccount, minor_units: int, on: str, *, held: bool = False
    ) -> None:
        """Record a check; one that is held pays no charge by itself."""
        await self._ledger.RecordExternalPayment(
            ledger_pb2.RecordExternalPaymentRequest(
                client_no=self.client_no,
                request_id=key(),
                acct_no=account.acct_no,
                amount=usd(minor_units),
                effective_date=day(on),
                external_payment=transaction_pb2.ExternalPayment(reference_code=key()),
                application=application_pb2.ApplicationInstruction(
                    method=application_pb2.APPLICATION_METHOD_NONE
                    if held
                    else application_pb2.APPLICATION_METHOD_UNSPECIFIED
                ),
            )
        )

    async def _booked(self, invoice_no: int) -> BookedInvoice:
        response = await self._invoices.GetInvoice(
            invoice_pb2.GetInvoiceRequest(client_no=self.client_no, invoice_no=invoice_no)
        )
        invoice = response.invoice
        return BookedInvoice(
            (as_text(invoice.billing_period_start), as_text(invoice.billing_period_end)),
            as_text(invoice.invoice_date),
            tuple((int(line.line_type), line.amount.minor_units) for line in invoice.lines),
        )
