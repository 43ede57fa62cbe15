"""VerificationService: proves the books of a client."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, TypeAlias

import grpc

from ledger_service.rules.verification import Finding, Progress
from ledger_service.servicers.trial_balance_contract import trial_balance_to_proto
from ledger_service.verification import LedgerVerifier, Part
from service_kit.dates import date_from_proto
from tallybook.ledger.v1 import verification_pb2, verification_pb2_grpc

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class VerificationServicer(verification_pb2_grpc.VerificationServiceServicer):
    """Streams a full check, and answers with the trial balance."""

    def __init__(self, verifier: LedgerVerifier) -> None:
        self._verifier = verifier

    async def VerifyLedger(
        self, request: verification_pb2.VerifyLedgerRequest, context: Context
    ) -> AsyncIterator[verification_pb2.VerifyLedgerResponse]:
        """Every part as soon as it is known."""
        # Closed at once when the caller goes away: the check holds a connection and a snapshot.
        async with aclosing(self._verifier.verify(request.client_no)) as parts:
            async for part in parts:
                yield _part_to_proto(part)

    async def GetTrialBalance(
        self, request: verification_pb2.GetTrialBalanceRequest, context: Context
    ) -> verification_pb2.GetTrialBalanceResponse:
        """One trial balance a currency."""
        as_of = date_from_proto(request.as_of_date, "as_of_date") if request.HasField("as_of_date") else None
        trial_balances = await self._verifier.trial_balance(request.client_no, as_of)
        return verification_pb2.GetTrialBalanceResponse(
            trial_balances=map(trial_balance_to_proto, trial_balances)
        )


def _part_to_proto(part: Part) -> verification_pb2.VerifyLedgerResponse:
    match part:
        case Progress():
            progress = verification_pb2.VerificationProgress(
                check=verification_pb2.VerificationCheck.ValueType(part.check),
                rows_checked=part.rows_checked,
                complete=part.complete,
            )
            return verification_pb2.VerifyLedgerResponse(progress=progress)
        case Finding():
            finding = verification_pb2.VerificationFinding(
                check=verification_pb2.VerificationCheck.ValueType(part.check),
                message=part.message,
                acct_no=part.acct_no,
                plan_instance_no=part.plan_instance_no,
                event_no=part.event_no,
                table=part.table,
            )
            return verification_pb2.VerifyLedgerResponse(finding=finding)
        case _:
            summary = verification_pb2.VerificationSummary(
                transactions=part.transactions, accounts=part.accounts, findings=part.findings
            )
            return verification_pb2.VerifyLedgerResponse(summary=summary)
