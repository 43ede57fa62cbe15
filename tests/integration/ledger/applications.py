"""Calls of ApplicationService, for tests."""

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from tallybook.ledger.v1 import application_pb2, application_pb2_grpc
from tests.integration.ledger.caller import Ledger, key

if TYPE_CHECKING:
    from tallybook.ledger.v1.application_pb2_grpc import ApplicationServiceAsyncStub

NONE: Final = application_pb2.ApplicationInstruction(method=application_pb2.APPLICATION_METHOD_NONE)
FIRST_DUE: Final = application_pb2.ApplicationInstruction(method=application_pb2.APPLICATION_METHOD_DUE_DATE)


def directed(*charges: int, invoices: tuple[int, ...] = ()) -> application_pb2.ApplicationInstruction:
    """Pays these first."""
    return application_pb2.ApplicationInstruction(
        method=application_pb2.APPLICATION_METHOD_DIRECTED, charge_event_nos=charges, invoice_nos=invoices
    )


class Applications:
    """Applies and lists for a client."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.stub: ApplicationServiceAsyncStub = application_pb2_grpc.ApplicationServiceStub(ledger.channel)

    async def open(self, acct_no: int, page_size: int = 0) -> list[application_pb2.OpenItem]:
        """What is open, in order, on all pages."""
        request = application_pb2.ListOpenItemsRequest(
            client_no=self.ledger.client_no, acct_no=acct_no, page_size=page_size
        )
        items: list[application_pb2.OpenItem] = []
        while True:
            page = await self.stub.ListOpenItems(request)
            items += page.open_items
            if not page.next_page_token:
                return items
            request.page_token = page.next_page_token

    async def amounts(self, acct_no: int) -> list[tuple[int, int]]:
        """What is open, in order: each transaction and the amount."""
        return [(item.event_no, item.open_amount.minor_units) for item in await self.open(acct_no)]

    async def made(self, page_size: int = 0, **of: int) -> list[application_pb2.Application]:
        """Applications, on all pages."""
        request = application_pb2.ListApplicationsRequest(
            client_no=self.ledger.client_no,
            page_size=page_size,
            **of,  # type: ignore[arg-type]
        )
        found: list[application_pb2.Application] = []
        while True:
            page = await self.stub.ListApplications(request)
            found += page.applications
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    async def apply(self, event_no: int, **fields: Any) -> list[tuple[int, int]]:
        """Apply what is left of a credit: each charge and the amount."""
        request = application_pb2.ApplyUnappliedCreditRequest(
            client_no=self.ledger.client_no,
            request_id=fields.pop("request_id", None) or key(),
            credit_event_no=event_no,
            **fields,
        )
        response = await self.stub.ApplyUnappliedCredit(request)
        return [(each.charge_event_no, each.amount.minor_units) for each in response.applications]

    async def paid(self, **of: int) -> dict[tuple[int, int], int]:
        """What of applications was not taken back: credit and charge, and the amount."""
        paid: defaultdict[tuple[int, int], int] = defaultdict(int)
        for each in await self.made(page_size=1_000, **of):
            amount = each.amount.minor_units
            pair = each.credit_event_no, each.charge_event_no
            paid[pair] += -amount if each.takes_back_application_no else amount
        return {pair: amount for pair, amount in paid.items() if amount}

    async def open_balance(self, acct_no: int) -> int:
        """The open charges less the open credits."""
        items = await self.open(acct_no)
        return sum(item.open_amount.minor_units * (1 if item.charge else -1) for item in items)
