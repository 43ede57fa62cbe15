"""The reading part of LedgerService."""

from datetime import date
from typing import Any, Final, TypeAlias

import grpc

from ledger_service.rules import refusals
from ledger_service.rules.sources import WriteOff
from ledger_service.rules.transactions import Transaction
from ledger_service.servicers.transaction_contract import transaction_to_proto, write_transaction
from ledger_service.store_transactions import TransactionFilter
from ledger_service.transaction_reader import TransactionReader
from service_kit.dates import date_from_proto
from service_kit.money import Money
from service_kit.paging import page_size, page_start, page_token
from tallybook.ledger.v1 import ledger_pb2, ledger_pb2_grpc

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

_DEFAULT_PAGE_SIZE: Final = 100
_AFTER_ALL: Final = 2**63 - 1


class TransactionReads(ledger_pb2_grpc.LedgerServiceServicer):
    """What reads transactions and writes nothing."""

    def __init__(self, reader: TransactionReader) -> None:
        self._reader = reader

    async def GetTransaction(
        self, request: ledger_pb2.GetTransactionRequest, context: Context
    ) -> ledger_pb2.GetTransactionResponse:
        """With its source row."""
        transaction = await self._reader.transaction(request.client_no, request.event_no)
        return ledger_pb2.GetTransactionResponse(transaction=transaction_to_proto(transaction))

    async def BatchGetTransactions(
        self, request: ledger_pb2.BatchGetTransactionsRequest, context: Context
    ) -> ledger_pb2.BatchGetTransactionsResponse:
        """Those that there are, in the order of the request."""
        found = await self._reader.transactions_of(request.client_no, request.event_nos)
        return ledger_pb2.BatchGetTransactionsResponse(transactions=map(transaction_to_proto, found))

    async def ListTransactions(
        self, request: ledger_pb2.ListTransactionsRequest, context: Context
    ) -> ledger_pb2.ListTransactionsResponse:
        """Newest first; the token is the last number shown."""
        size = page_size(request.page_size, default=_DEFAULT_PAGE_SIZE)
        (before,) = page_start(request, int) or (_AFTER_ALL,)
        wanted = _filter_from_proto(request)
        found = await self._reader.transactions(wanted, before_event_no=before, limit=size + 1)
        shown = found[:size]
        page = ledger_pb2.ListTransactionsResponse(
            next_page_token=page_token(request, [shown[-1].event_no]) if len(found) > size else ""
        )
        for transaction in shown:
            write_transaction(page.transactions.add(), transaction)
        return page

    async def ListDisputes(
        self, request: ledger_pb2.ListDisputesRequest, context: Context
    ) -> ledger_pb2.ListDisputesResponse:
        """By the day of settlement; the token is the day and number of the last hold shown."""
        size = page_size(request.page_size, default=_DEFAULT_PAGE_SIZE)
        after = page_start(request, date, int) or (date.min, 0)
        expires_to = (
            date_from_proto(request.expires_to, "expires_to") if request.HasField("expires_to") else None
        )
        found = await self._reader.disputes(
            request.client_no, request.acct_no, expires_to, after=after, limit=size + 1
        )
        shown = found[:size]
        return ledger_pb2.ListDisputesResponse(
            transactions=map(transaction_to_proto, shown),
            next_page_token=page_token(request, _place_of(shown[-1])) if len(found) > size else "",
        )


def _place_of(hold: Transaction) -> tuple[date, int]:
    assert isinstance(hold.source, WriteOff)
    assert hold.source.expires_on is not None, "the index has none without"
    return hold.source.expires_on, hold.event_no


def _filter_from_proto(request: ledger_pb2.ListTransactionsRequest) -> TransactionFilter:
    effective_from = _date(request, "effective_from")
    effective_to = _date(request, "effective_to")
    if effective_from is not None and effective_to is not None and effective_to < effective_from:
        raise refusals.date_invalid("effective_to", f"{effective_to} is before {effective_from}")
    amount_from = _money(request, "amount_from")
    amount_to = _money(request, "amount_to")
    if amount_from is not None and amount_to is not None:
        _require_range(amount_from, amount_to)
    return TransactionFilter(
        client_no=request.client_no,
        acct_no=request.acct_no,
        plan_instance_no=request.plan_instance_no,
        transaction_types=frozenset(request.transaction_types),
        effective_from=effective_from,
        effective_to=effective_to,
        source_no=request.source_no,
        amount_from=amount_from,
        amount_to=amount_to,
        voided=request.voided if request.HasField("voided") else None,
    )


def _require_range(amount_from: Money, amount_to: Money) -> None:
    if amount_from.currency != amount_to.currency or amount_to.minor_units < amount_from.minor_units:
        raise refusals.amount_range_invalid(amount_from, amount_to)


# The generated type knows the names of its fields, a variable does not.
def _date(request: ledger_pb2.ListTransactionsRequest, field: str) -> date | None:
    return date_from_proto(getattr(request, field), field) if request.HasField(field) else None  # type: ignore[arg-type]


def _money(request: ledger_pb2.ListTransactionsRequest, field: str) -> Money | None:
    if not request.HasField(field):  # type: ignore[arg-type]
        return None
    amount = getattr(request, field)
    return Money(amount.minor_units, amount.currency_code)
