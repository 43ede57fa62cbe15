"""LedgerService: posts and reads transactions."""

from datetime import date
from typing import Any, Final, TypeAlias, TypeVar

import grpc

from ledger_service.requests import PostingRequest, fingerprint_of
from ledger_service.rules import refusals, sources
from ledger_service.rules.commit_groups import Accepted
from ledger_service.rules.documents import Document
from ledger_service.rules.drafts import Draft, check_draft
from ledger_service.rules.transaction_types import ANY_VOID, TRANSACTION_TYPES
from ledger_service.servicers.draft_batch import document_answer, located, read_batch
from ledger_service.servicers.draft_contract import (
    dunning_charge_from_proto,
    electronic_payment_from_proto,
    external_payment_from_proto,
)
from ledger_service.servicers.posting_calls import PostingCalls
from ledger_service.servicers.transaction_contract import transaction_to_proto
from ledger_service.store_transactions import TransactionFilter
from ledger_service.transaction_reader import TransactionReader
from service_kit.dates import date_from_proto
from service_kit.paging import page_size, page_start, page_token
from service_kit.principal import current_principal
from tallybook.ledger.v1 import ledger_pb2, ledger_pb2_grpc

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Recorded = TypeVar(
    "Recorded",
    ledger_pb2.RecordExternalPaymentResponse,
    ledger_pb2.RecordElectronicPaymentResponse,
    ledger_pb2.ApplyCashCreditResponse,
    ledger_pb2.AssessDunningChargeResponse,
)

_DEFAULT_PAGE_SIZE: Final = 100
_AFTER_ALL: Final = 2**63 - 1

_CHECK: Final = TRANSACTION_TYPES[2]
_ELECTRONIC_PAYMENT: Final = TRANSACTION_TYPES[3]
_CASH_CREDIT: Final = TRANSACTION_TYPES[10]
_DUNNING_CHARGE: Final = TRANSACTION_TYPES[15]


class LedgerServicer(ledger_pb2_grpc.LedgerServiceServicer):
    """Translates; what is posted is decided in `rules`, and posted by the poster."""

    def __init__(self, calls: PostingCalls, reader: TransactionReader) -> None:
        self._calls = calls
        self._reader = reader

    async def PostTransactions(
        self, request: ledger_pb2.PostTransactionsRequest, context: Context
    ) -> ledger_pb2.PostTransactionsResponse:
        """Each document is decided on its own, unless all_or_nothing is set."""
        principal = current_principal()
        request_id, fingerprint = request.request_id, fingerprint_of(request)
        batch = read_batch(request, principal.roles, self._calls.today())
        if batch.refused and request.all_or_nothing:
            place = min(batch.refused)
            raise located(place, batch.refused[place])
        if not batch.documents:
            return ledger_pb2.PostTransactionsResponse.FromString(batch.answer([]))
        answer = await self._calls.post(
            PostingRequest(
                client_no=request.client_no,
                request_id=request_id,
                fingerprint=fingerprint,
                actor=principal.subject,
                orders=batch.documents,
                all_or_nothing=request.all_or_nothing,
                answer=batch.answer,
                document_answer=document_answer,
                locate=batch.locate,
            )
        )
        return ledger_pb2.PostTransactionsResponse.FromString(answer)

    async def RecordExternalPayment(
        self, request: ledger_pb2.RecordExternalPaymentRequest, context: Context
    ) -> ledger_pb2.RecordExternalPaymentResponse:
        """Type 2."""
        effective_date = self._calls.effective_date(request)
        draft = Draft(
            _CHECK,
            request.acct_no,
            request.plan_instance_no,
            request.amount.minor_units,
            request.amount.currency_code,
            effective_date,
            "",
            request.comment,
            external_payment_from_proto(request.external_payment, effective_date),
        )
        return await self._record(request, draft, ledger_pb2.RecordExternalPaymentResponse)

    async def RecordElectronicPayment(
        self, request: ledger_pb2.RecordElectronicPaymentRequest, context: Context
    ) -> ledger_pb2.RecordElectronicPaymentResponse:
        """Type 3."""
        effective_date = self._calls.effective_date(request)
        draft = Draft(
            _ELECTRONIC_PAYMENT,
            request.acct_no,
            request.plan_instance_no,
            request.amount.minor_units,
            request.amount.currency_code,
            effective_date,
            "",
            request.comment,
            electronic_payment_from_proto(request.electronic_payment, effective_date),
        )
        return await self._record(request, draft, ledger_pb2.RecordElectronicPaymentResponse)

    async def ApplyCashCredit(
        self, request: ledger_pb2.ApplyCashCreditRequest, context: Context
    ) -> ledger_pb2.ApplyCashCreditResponse:
        """Type 10."""
        draft = Draft(
            _CASH_CREDIT,
            request.acct_no,
            request.plan_instance_no,
            request.amount.minor_units,
            request.amount.currency_code,
            self._calls.effective_date(request),
            request.reason_code,
            request.comment,
            None,
        )
        return await self._record(request, draft, ledger_pb2.ApplyCashCreditResponse)

    async def AssessDunningCharge(
        self, request: ledger_pb2.AssessDunningChargeRequest, context: Context
    ) -> ledger_pb2.AssessDunningChargeResponse:
        """Type 15."""
        effective_date = self._calls.effective_date(request)
        draft = Draft(
            _DUNNING_CHARGE,
            request.acct_no,
            request.plan_instance_no,
            request.amount.minor_units,
            request.amount.currency_code,
            effective_date,
            "",
            request.comment,
            dunning_charge_from_proto(request.dunning_charge, effective_date),
        )
        return await self._record(request, draft, ledger_pb2.AssessDunningChargeResponse)

    async def VoidTransaction(
        self, request: ledger_pb2.VoidTransactionRequest, context: Context
    ) -> ledger_pb2.VoidTransactionResponse:
        """The void of what is named first, then those of what can't stand without it."""
        draft = Draft(
            ANY_VOID,
            0,
            0,
            0,
            "",
            self._calls.effective_date(request),
            request.reason_code,
            request.comment,
            sources.VoidOf(request.event_no),
        )

        def answer(accepted: Accepted) -> ledger_pb2.VoidTransactionResponse:
            return ledger_pb2.VoidTransactionResponse(
                transactions=map(transaction_to_proto, accepted.transactions())
            )

        order = _document(request.client_no, draft)
        return await self._calls.post_one(request, order, answer, ledger_pb2.VoidTransactionResponse)

    async def GetTransaction(
        self, request: ledger_pb2.GetTransactionRequest, context: Context
    ) -> ledger_pb2.GetTransactionResponse:
        """With its source row."""
        transaction = await self._reader.transaction(request.client_no, request.event_no)
        return ledger_pb2.GetTransactionResponse(transaction=transaction_to_proto(transaction))

    async def ListTransactions(
        self, request: ledger_pb2.ListTransactionsRequest, context: Context
    ) -> ledger_pb2.ListTransactionsResponse:
        """Newest first; the token is the last number shown."""
        size = page_size(request.page_size, default=_DEFAULT_PAGE_SIZE)
        (before,) = page_start(request, int) or (_AFTER_ALL,)
        wanted = _filter_from_proto(request)
        found = await self._reader.transactions(wanted, before_event_no=before, limit=size + 1)
        shown = found[:size]
        return ledger_pb2.ListTransactionsResponse(
            transactions=map(transaction_to_proto, shown),
            next_page_token=page_token(request, [shown[-1].event_no]) if len(found) > size else "",
        )

    async def _record(self, request: Any, draft: Draft, response: type[Recorded]) -> Recorded:
        def answer(accepted: Accepted) -> Recorded:
            (transaction,) = accepted.transactions()
            return response(transaction=transaction_to_proto(transaction))

        return await self._calls.post_one(request, _document(request.client_no, draft), answer, response)


def _document(client_no: int, draft: Draft) -> Document:
    roles = current_principal().roles
    check_draft(draft, roles)
    return Document(client_no, draft.type.document, (draft,), roles)


def _filter_from_proto(request: ledger_pb2.ListTransactionsRequest) -> TransactionFilter:
    effective_from = _date(request, "effective_from")
    effective_to = _date(request, "effective_to")
    if effective_from is not None and effective_to is not None and effective_to < effective_from:
        raise refusals.date_invalid("effective_to", f"{effective_to} is before {effective_from}")
    return TransactionFilter(
        client_no=request.client_no,
        acct_no=request.acct_no,
        plan_instance_no=request.plan_instance_no,
        transaction_types=frozenset(request.transaction_types),
        effective_from=effective_from,
        effective_to=effective_to,
    )


def _date(request: ledger_pb2.ListTransactionsRequest, field: str) -> date | None:
    # The generated type knows the names of its fields, a variable does not.
    return date_from_proto(getattr(request, field), field) if request.HasField(field) else None  # type: ignore[arg-type]
