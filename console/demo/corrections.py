"""What finance people put right in the month: a refund, a dispute and how it ends, a balance that moves."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Final

from console.commands.batch import new_request_id
from console.connections import Connections
from console.demo.sample import (
    CURRENCY,
    DISPUTE_DAY,
    DISPUTED,
    DISPUTING_CUSTOMER,
    OWING_CUSTOMER,
    PAYING_CUSTOMER,
    REFUND,
    REFUND_DAY,
    REFUNDED_CUSTOMER,
    SETTLEMENT_DAY,
    TRANSFER_DAY,
    Month,
)
from console.errors import ConsoleError
from console.exit_codes import ExitCode
from service_kit.dates import date_to_proto
from tallybook.ledger.v1.invoice_pb2 import ListInvoicesRequest
from tallybook.ledger.v1.ledger_pb2 import (
    CreateDisputeRequest,
    DisputeResolution,
    IssueRefundRequest,
    ListTransactionsRequest,
    ReversalOfCharge,
    SettleDisputeRequest,
    TransferAccountBalanceRequest,
)
from tallybook.ledger.v1.transaction_pb2 import Transaction
from tallybook.ledger.v1.transaction_type_pb2 import TransactionType
from tallybook.type.v1.money_pb2 import Money


@dataclass(slots=True)
class Corrections:
    """The bookkeeper of the month. `event_nos` are what was posted, in order."""

    services: Connections
    client_no: int
    month: Month
    acct_nos: Mapping[str, int]
    """By external id."""
    event_nos: list[int] = field(default_factory=list)
    _hold: int = 0

    async def work(self, day: date) -> str:
        """Do what the day brings, and say what that was; "" on most days."""
        task = _TASKS.get(day.day)
        return await task(self, day) if task else ""

    async def refund(self, day: date) -> str:
        """Return a part of a payment, and take back as much of what was charged."""
        payment = await self._newest(REFUNDED_CUSTOMER, TransactionType.TRANSACTION_TYPE_ELECTRONIC_PAYMENT)
        charge = await self._newest(
            REFUNDED_CUSTOMER, TransactionType.TRANSACTION_TYPE_INVOICE_CHARGE_LINE_ITEM
        )
        amount = Money(currency_code=CURRENCY, minor_units=REFUND.minor_units)
        answer = await self.services.transactions.IssueRefund(
            IssueRefundRequest(
                client_no=self.client_no,
                request_id=new_request_id(),
                payment_event_no=payment.event_no,
                amount=amount,
                gateway_reference=f"refund-of-{payment.electronic_payment.gateway_reference}",
                reversals=[ReversalOfCharge(charge_event_no=charge.event_no, amount=amount)],
                effective_date=date_to_proto(day),
                comment="the line was down for a week",
            )
        )
        self._remember(answer.transactions)
        return f"{REFUNDED_CUSTOMER} gets {REFUND} back, and the charge is reversed"

    async def dispute(self, day: date) -> str:
        """Hold back what the customer disputes of the newest invoice."""
        invoices = await self.services.invoices.ListInvoices(
            ListInvoicesRequest(
                client_no=self.client_no, acct_no=self.acct_nos[DISPUTING_CUSTOMER], page_size=1
            )
        )
        if not invoices.invoices:
            raise ConsoleError(f"{DISPUTING_CUSTOMER} has no invoice to dispute", ExitCode.INTERNAL)
        answer = await self.services.transactions.CreateDispute(
            CreateDisputeRequest(
                client_no=self.client_no,
                request_id=new_request_id(),
                invoice_no=invoices.invoices[0].invoice_no,
                amount=Money(currency_code=CURRENCY, minor_units=DISPUTED.minor_units),
                effective_date=date_to_proto(day),
                reason_code="DISPUTED",
                comment="says that the calls were not theirs",
                expires_on=date_to_proto(self.month.last),
            )
        )
        self._hold = answer.transaction.event_no
        self._remember([answer.transaction])
        return f"{DISPUTING_CUSTOMER} disputes {DISPUTED} of an invoice"

    async def settle(self, day: date) -> str:
        """Find against the customer, who gets the payment terms once more."""
        answer = await self.services.transactions.SettleDispute(
            SettleDisputeRequest(
                client_no=self.client_no,
                request_id=new_request_id(),
                event_no=self._hold,
                resolution=DisputeResolution.DISPUTE_RESOLUTION_RE_AGE,
                effective_date=date_to_proto(day),
                reason_code="SETTLED",
                comment="the calls were theirs",
            )
        )
        self._remember(answer.transactions)
        return f"the dispute of {DISPUTING_CUSTOMER} is settled: it is owed, from today on"

    async def transfer(self, day: date) -> str:
        """Move all that one customer owes to another, who pays by card."""
        answer = await self.services.transactions.TransferAccountBalance(
            TransferAccountBalanceRequest(
                client_no=self.client_no,
                request_id=new_request_id(),
                from_acct_no=self.acct_nos[OWING_CUSTOMER],
                to_acct_no=self.acct_nos[PAYING_CUSTOMER],
                effective_date=date_to_proto(day),
                comment="the household pays together",
            )
        )
        self._remember(answer.transactions)
        return f"what {OWING_CUSTOMER} owes is moved to {PAYING_CUSTOMER}, whose card pays it"

    async def _newest(self, customer: str, kind: TransactionType.ValueType) -> Transaction:
        answer = await self.services.transactions.ListTransactions(
            ListTransactionsRequest(
                client_no=self.client_no,
                acct_no=self.acct_nos[customer],
                transaction_types=[kind],
                voided=False,
                amount_from=Money(currency_code=CURRENCY, minor_units=REFUND.minor_units),
                page_size=1,
            )
        )
        if not answer.transactions:
            raise ConsoleError(f"{customer} has nothing that could be refunded", ExitCode.INTERNAL)
        return answer.transactions[0]

    def _remember(self, posted: Sequence[Transaction]) -> None:
        self.event_nos += [transaction.event_no for transaction in posted]


_TASKS: Final[Mapping[int, Callable[[Corrections, date], Awaitable[str]]]] = MappingProxyType(
    {
        DISPUTE_DAY: Corrections.dispute,
        TRANSFER_DAY: Corrections.transfer,
        REFUND_DAY: Corrections.refund,
        SETTLEMENT_DAY: Corrections.settle,
    }
)
