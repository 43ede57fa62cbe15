"""ApplicationService: which credit paid which charge."""

from datetime import date
from typing import Any, Final, TypeAlias

import grpc

from ledger_service.application_reader import ApplicationReader
from ledger_service.rules.applications import Application, Item, Queue
from ledger_service.rules.commit_groups import Accepted
from ledger_service.rules.postings import CreditApplication
from ledger_service.servicers.draft_contract import instruction_from_proto
from ledger_service.servicers.posting_calls import PostingCalls
from ledger_service.store_applications import FIRST_ITEM, ItemKey, StoredApplication
from service_kit.dates import date_to_proto, instant_to_proto
from service_kit.paging import page_size, page_start, page_token
from tallybook.ledger.v1 import application_pb2, application_pb2_grpc, transaction_type_pb2
from tallybook.type.v1.money_pb2 import Money

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

_DEFAULT_PAGE_SIZE: Final = 100


class ApplicationServicer(application_pb2_grpc.ApplicationServiceServicer):
    """Translates; what is applied is decided in `rules`, and written by the poster."""

    def __init__(self, calls: PostingCalls, reader: ApplicationReader) -> None:
        self._calls = calls
        self._reader = reader

    async def ListOpenItems(
        self, request: application_pb2.ListOpenItemsRequest, context: Context
    ) -> application_pb2.ListOpenItemsResponse:
        """In the order in which they are paid, or pay; the token is the last item shown."""
        size = page_size(request.page_size, default=_DEFAULT_PAGE_SIZE)
        start = page_start(request, int, date, int)
        currency, items = await self._reader.open_items(
            request.client_no,
            request.acct_no,
            after=ItemKey(*start) if start else FIRST_ITEM,
            limit=size + 1,
        )
        shown = items[:size]
        return application_pb2.ListOpenItemsResponse(
            open_items=[_item_to_proto(item, currency) for item in shown],
            next_page_token=page_token(request, [shown[-1].queue.value, *shown[-1].order])
            if len(items) > size
            else "",
        )

    async def ListApplications(
        self, request: application_pb2.ListApplicationsRequest, context: Context
    ) -> application_pb2.ListApplicationsResponse:
        """By number; the token is the last number shown."""
        size = page_size(request.page_size, default=_DEFAULT_PAGE_SIZE)
        (after,) = page_start(request, int) or (0,)
        of = request.WhichOneof("of")
        assert of is not None, "the contract requires one"
        found = await self._reader.applications(
            request.client_no, of, getattr(request, of), after=after, limit=size + 1
        )
        shown = found[:size]
        return application_pb2.ListApplicationsResponse(
            applications=map(_stored_to_proto, shown),
            next_page_token=page_token(request, [shown[-1].application_no]) if len(found) > size else "",
        )

    async def ApplyUnappliedCredit(
        self, request: application_pb2.ApplyUnappliedCreditRequest, context: Context
    ) -> application_pb2.ApplyUnappliedCreditResponse:
        """As far as there is something left of the credit, and something open."""
        order = CreditApplication(
            request.client_no,
            request.credit_event_no,
            instruction_from_proto(request.application),
            self._calls.effective_date(request),
        )

        def answer(accepted: Accepted) -> application_pb2.ApplyUnappliedCreditResponse:
            return application_pb2.ApplyUnappliedCreditResponse(
                applications=[_made_to_proto(made, accepted) for made in accepted.applications]
            )

        return await self._calls.post_one(
            request, order, answer, application_pb2.ApplyUnappliedCreditResponse
        )


def _item_to_proto(item: Item, currency: str) -> application_pb2.OpenItem:
    is_charge = item.queue is Queue.CHARGE
    return application_pb2.OpenItem(
        event_no=item.event_no,
        transaction_type=transaction_type_pb2.TransactionType.ValueType(item.kind.code),
        charge=is_charge,
        open_amount=Money(currency_code=currency, minor_units=item.open_amount),
        effective_date=date_to_proto(item.effective_date),
        due_date=date_to_proto(item.due_date) if is_charge else None,
        invoice_no=item.invoice_no if is_charge else 0,
        held=item.is_held,
    )


def _stored_to_proto(stored: StoredApplication) -> application_pb2.Application:
    return application_pb2.Application(
        application_no=stored.application_no,
        acct_no=stored.acct_no,
        credit_event_no=stored.credit_event_no,
        charge_event_no=stored.charge_event_no,
        amount=Money(currency_code=stored.currency_code, minor_units=stored.amount),
        takes_back_application_no=stored.takes_back_no,
        by_event_no=stored.by_event_no,
        effective_date=date_to_proto(stored.effective_date),
        created_at=instant_to_proto(stored.created_at),
    )


def _made_to_proto(made: Application, accepted: Accepted) -> application_pb2.Application:
    order = accepted.decision.application
    assert order is not None
    assert accepted.created_at is not None, "not numbered yet"
    return application_pb2.Application(
        application_no=made.application_no,
        acct_no=order.acct_no,
        credit_event_no=made.credit_event_no,
        charge_event_no=made.charge_event_no,
        amount=Money(currency_code=order.currency, minor_units=made.amount),
        effective_date=date_to_proto(made.effective_date),
        created_at=instant_to_proto(accepted.created_at),
    )
