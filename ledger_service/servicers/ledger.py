"""LedgerService: posts and reads transactions. What corrects others is in `corrections`, what reads in
`transaction_reads`.
"""

from typing import Any, Final, TypeAlias

import grpc

from ledger_service.requests import PostingRequest, fingerprint_of
from ledger_service.rules import sources
from ledger_service.rules.drafts import Draft
from ledger_service.rules.transaction_types import TRANSACTION_TYPES
from ledger_service.servicers.corrections import Corrections
from ledger_service.servicers.draft_batch import document_answer, drafts_answer, located, read_batch
from ledger_service.servicers.draft_contract import (
    dunning_charge_from_proto,
    electronic_payment_from_proto,
    external_payment_from_proto,
    instruction_of,
)
from ledger_service.servicers.posting_calls import document_of
from service_kit.principal import current_principal
from service_kit.ready_answers import ready_answer
from tallybook.ledger.v1 import ledger_pb2

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

_CHECK: Final = TRANSACTION_TYPES[2]
_ELECTRONIC_PAYMENT: Final = TRANSACTION_TYPES[3]
_TRANSFER: Final = TRANSACTION_TYPES[5]
_CASH_CREDIT: Final = TRANSACTION_TYPES[10]
_EXTERNAL_CHARGE: Final = TRANSACTION_TYPES[14]
_DUNNING_CHARGE: Final = TRANSACTION_TYPES[15]


class LedgerServicer(Corrections):
    """The whole of LedgerService."""

    async def PostTransactions(
        self, request: ledger_pb2.PostTransactionsRequest, context: Context
    ) -> ledger_pb2.PostTransactionsResponse:
        """Each document is decided on its own, unless all_or_nothing is set."""
        principal = current_principal()
        request_id, fingerprint = request.request_id, fingerprint_of(request)
        batch = await read_batch(request, principal.roles, self._calls.today())
        if batch.refused and request.all_or_nothing:
            place = min(batch.refused)
            raise located(place, batch.refused[place])
        if not batch.documents and batch.plain is None:
            return ready_answer(batch.answer([]), ledger_pb2.PostTransactionsResponse)
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
                plain=batch.plain,
                drafts_answer=drafts_answer,
            )
        )
        return ready_answer(answer, ledger_pb2.PostTransactionsResponse)

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
            instruction_of(request),
        )
        return await self._calls.post_draft(request, draft, ledger_pb2.RecordExternalPaymentResponse)

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
            instruction_of(request),
        )
        return await self._calls.post_draft(request, draft, ledger_pb2.RecordElectronicPaymentResponse)

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
        return await self._calls.post_draft(request, draft, ledger_pb2.ApplyCashCreditResponse)

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
        return await self._calls.post_draft(request, draft, ledger_pb2.AssessDunningChargeResponse)

    async def CreateExternalCharge(
        self, request: ledger_pb2.CreateExternalChargeRequest, context: Context
    ) -> ledger_pb2.CreateExternalChargeResponse:
        """Type 14."""
        draft = Draft(
            _EXTERNAL_CHARGE,
            request.acct_no,
            request.plan_instance_no,
            request.amount.minor_units,
            request.amount.currency_code,
            self._calls.effective_date(request),
            request.reason_code,
            request.comment,
            sources.ExternalCharge(request.external_charge.description),
        )
        return await self._calls.post_draft(request, draft, ledger_pb2.CreateExternalChargeResponse)

    async def TransferAccountBalance(
        self, request: ledger_pb2.TransferAccountBalanceRequest, context: Context
    ) -> ledger_pb2.TransferAccountBalanceResponse:
        """Types 5 and 4."""
        draft = Draft(
            _TRANSFER,
            request.from_acct_no,
            request.from_plan_instance_no,
            request.amount.minor_units,
            request.amount.currency_code,
            self._calls.effective_date(request),
            request.reason_code,
            request.comment,
            sources.BalanceTransfer(request.to_acct_no),
        )
        document = document_of(request, draft)
        return await self._calls.post_document(request, document, ledger_pb2.TransferAccountBalanceResponse)
