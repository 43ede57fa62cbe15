"""The part of LedgerService that corrects what was posted: refunds, write-offs, disputes, memos, voids.

What is corrected is named by its own number alone. So it is read first, for the account that a draft needs;
that it may, since what is stored never changes. All that may change is decided by the rules, under the locks.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final, TypeAlias

import grpc

from ledger_service.invoice_reader import InvoiceReader
from ledger_service.rules import sources
from ledger_service.rules.commit_groups import Accepted
from ledger_service.rules.disputes import WRITTEN_OFF, disputed_invoice
from ledger_service.rules.documents import Document
from ledger_service.rules.drafts import DISPUTE_HOLD, Draft, check_texts
from ledger_service.rules.refunds import refund_for
from ledger_service.rules.transaction_types import ANY_VOID, TRANSACTION_TYPES, DocumentKind
from ledger_service.servicers.posting_calls import PostingCalls, document_of
from ledger_service.servicers.transaction_contract import transaction_to_proto
from ledger_service.servicers.transaction_reads import TransactionReads
from ledger_service.transaction_reader import TransactionReader
from service_kit.dates import date_from_proto
from service_kit.principal import current_principal
from tallybook.ledger.v1 import ledger_pb2

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

_WRITE_OFF: Final = TRANSACTION_TYPES[6]
_REVERSAL: Final = TRANSACTION_TYPES[8]
_MEMO_LINE: Final = TRANSACTION_TYPES[24]
_VOIDED_MEMO_LINE: Final = TRANSACTION_TYPES[-24]


class Corrections(TransactionReads):
    """Translates; what is posted is decided in `rules`, and posted by the poster."""

    def __init__(self, calls: PostingCalls, reader: TransactionReader, invoices: InvoiceReader) -> None:
        super().__init__(reader)
        self._calls = calls
        self._invoices = invoices

    async def IssueRefund(
        self, request: ledger_pb2.IssueRefundRequest, context: Context
    ) -> ledger_pb2.IssueRefundResponse:
        """Types 12 or 13, and 8."""
        payment = await self._reader.transaction(request.client_no, request.payment_event_no)
        method = request.WhichOneof("method")
        assert method is not None, "the contract demands it"
        kind, source = refund_for(payment, method, getattr(request, method))
        effective_date = self._calls.effective_date(request)
        refund = Draft(
            kind,
            payment.acct_no,
            0,
            request.amount.minor_units,
            request.amount.currency_code,
            effective_date,
            request.reason_code,
            request.comment,
            source,
        )
        reversals = [
            refund._replace(
                type=_REVERSAL,
                amount=each.amount.minor_units,
                currency=each.amount.currency_code,
                source=sources.RefundReversal(each.charge_event_no),
            )
            for each in request.reversals
        ]
        document = document_of(request, refund, *reversals)
        return await self._calls.post_document(request, document, ledger_pb2.IssueRefundResponse)

    async def CreateWriteOff(
        self, request: ledger_pb2.CreateWriteOffRequest, context: Context
    ) -> ledger_pb2.CreateWriteOffResponse:
        """Type 6, for good."""
        draft = await self._write_off(request, WRITTEN_OFF, None)
        return await self._calls.post_draft(request, draft, ledger_pb2.CreateWriteOffResponse)

    async def CreateDispute(
        self, request: ledger_pb2.CreateDisputeRequest, context: Context
    ) -> ledger_pb2.CreateDisputeResponse:
        """Type 6, until it is settled."""
        expires_on = date_from_proto(request.expires_on, "expires_on")
        draft = await self._write_off(request, DISPUTE_HOLD, expires_on)
        return await self._calls.post_draft(request, draft, ledger_pb2.CreateDisputeResponse)

    async def _write_off(self, request: Any, kind: int, expires_on: date | None) -> Draft:
        return Draft(
            _WRITE_OFF,
            await self._invoices.account_of(request.client_no, request.invoice_no),
            0,
            request.amount.minor_units,
            request.amount.currency_code,
            self._calls.effective_date(request),
            request.reason_code,
            request.comment,
            sources.WriteOff(kind, request.invoice_no, expires_on),
        )

    async def SettleDispute(
        self, request: ledger_pb2.SettleDisputeRequest, context: Context
    ) -> ledger_pb2.SettleDisputeResponse:
        """Type -6 and, where it is written off for good, 6."""
        hold = await self._reader.transaction(request.client_no, request.event_no)
        settlement = sources.DisputeSettlement(
            request.event_no, disputed_invoice(hold), sources.Resolution(request.resolution)
        )
        draft = self._void(request, settlement)
        check_texts(draft)
        roles = current_principal().roles
        document = Document(request.client_no, DocumentKind.DISPUTE_SETTLEMENT, (draft,), roles)
        return await self._calls.post_document(request, document, ledger_pb2.SettleDisputeResponse)

    async def CreateCreditMemo(
        self, request: ledger_pb2.CreateCreditMemoRequest, context: Context
    ) -> ledger_pb2.CreateCreditMemoResponse:
        """Type 24 for each line, all on the account of the first line's charge."""
        first = await self._reader.transaction(request.client_no, request.lines[0].charge_event_no)
        effective_date = self._calls.effective_date(request)
        drafts = [
            Draft(
                _MEMO_LINE,
                first.acct_no,
                0,
                line.amount.minor_units,
                line.amount.currency_code,
                effective_date,
                request.reason_code,
                request.comment,
                sources.CreditMemoLine(line.charge_event_no),
            )
            for line in request.lines
        ]

        def answer(accepted: Accepted) -> ledger_pb2.CreateCreditMemoResponse:
            lines = accepted.transactions()
            return ledger_pb2.CreateCreditMemoResponse(
                cm_no=lines[0].source_no, transactions=map(transaction_to_proto, lines)
            )

        document = document_of(request, *drafts)
        return await self._calls.post_one(request, document, answer, ledger_pb2.CreateCreditMemoResponse)

    async def VoidCreditMemo(
        self, request: ledger_pb2.VoidCreditMemoRequest, context: Context
    ) -> ledger_pb2.VoidCreditMemoResponse:
        """Type -24 for each line."""
        lines = await self._reader.credit_memo_lines(request.client_no, request.cm_no)
        drafts: Sequence[Draft] = [
            self._void(request, sources.VoidOf(line.event_no))._replace(
                type=_VOIDED_MEMO_LINE, acct_no=line.acct_no
            )
            for line in lines
        ]
        document = document_of(request, *drafts)
        return await self._calls.post_document(request, document, ledger_pb2.VoidCreditMemoResponse)

    async def VoidTransaction(
        self, request: ledger_pb2.VoidTransactionRequest, context: Context
    ) -> ledger_pb2.VoidTransactionResponse:
        """The void of what is named first, then those of what can't stand without it."""
        document = document_of(request, self._void(request, sources.VoidOf(request.event_no)))
        return await self._calls.post_document(request, document, ledger_pb2.VoidTransactionResponse)

    def _void(self, request: Any, source: sources.Source) -> Draft:
        """A draft of the void of whatever `source` names."""
        return Draft(
            ANY_VOID,
            0,
            0,
            0,
            "",
            self._calls.effective_date(request),
            request.reason_code,
            request.comment,
            source,
        )
