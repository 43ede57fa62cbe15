"""Services that answer what a test tells them, so that a test can see the command in every situation."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc

from console.waiting import ENDED
from tallybook.batch.v1 import batch_pb2, batch_pb2_grpc, billing_setup_pb2, billing_setup_pb2_grpc
from tallybook.batch.v1.batch_status_pb2 import BatchStatus
from tallybook.ledger.v1 import account_pb2, account_pb2_grpc, verification_pb2, verification_pb2_grpc

PROCESSES = ("housekeeping", "invoicer", "billing_manager", "dunning_manager")


@dataclass
class StandInAccounts(account_pb2_grpc.AccountServiceServicer):
    """Keeps accounts in memory."""

    accounts: dict[str, account_pb2.Account] = field(default_factory=dict)
    most_in_flight: int = 0
    in_flight: int = 0
    created_request_ids: list[str] = field(default_factory=list)

    async def ListAccounts(self, request: Any, context: Any) -> account_pb2.ListAccountsResponse:
        accounts = list(self.accounts.values())
        start = int(request.page_token or 0)
        page = accounts[start : start + request.page_size]
        more = start + len(page) < len(accounts)
        return account_pb2.ListAccountsResponse(
            accounts=page, next_page_token=str(start + len(page)) if more else ""
        )

    async def CreateAccount(
        self, request: account_pb2.CreateAccountRequest, context: Any
    ) -> account_pb2.CreateAccountResponse:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        await asyncio.sleep(0.02)
        self.in_flight -= 1
        if request.name == "refuse me":
            await context.abort(grpc.StatusCode.ALREADY_EXISTS, "the external_id is another account's")
        number = 1000 + len(self.accounts)
        account = account_pb2.Account(
            client_no=request.client_no,
            acct_no=number,
            external_id=request.external_id,
            name=request.name,
            currency_code=request.currency_code,
            plan_instances=[
                account_pb2.PlanInstance(plan_instance_no=number * 10, name=name)
                for name in request.plan_instance_names
            ],
        )
        self.accounts[request.external_id] = account
        self.created_request_ids.append(request.request_id)
        return account_pb2.CreateAccountResponse(account=account)


@dataclass
class StandInBillingSetup(billing_setup_pb2_grpc.BillingSetupServiceServicer):
    """Keeps plans and payment methods in memory, and refuses a bulk with a price of 13.00 as a whole."""

    plans: dict[int, billing_setup_pb2.RecurringPlan] = field(default_factory=dict)
    methods: dict[int, billing_setup_pb2.PaymentMethod] = field(default_factory=dict)
    bulks: list[int] = field(default_factory=list)

    async def SetRecurringPlans(
        self, request: billing_setup_pb2.SetRecurringPlansRequest, context: Any
    ) -> billing_setup_pb2.SetRecurringPlansResponse:
        self.bulks.append(len(request.recurring_plans))
        if any(plan.price.minor_units == 1300 for plan in request.recurring_plans):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "price: 13.00 brings bad luck")
        self.plans.update({plan.acct_no: plan for plan in request.recurring_plans})
        return billing_setup_pb2.SetRecurringPlansResponse(recurring_plans=request.recurring_plans)

    async def ListRecurringPlans(
        self, request: Any, context: Any
    ) -> billing_setup_pb2.ListRecurringPlansResponse:
        return billing_setup_pb2.ListRecurringPlansResponse(recurring_plans=self.plans.values())

    async def SetPaymentMethods(
        self, request: billing_setup_pb2.SetPaymentMethodsRequest, context: Any
    ) -> billing_setup_pb2.SetPaymentMethodsResponse:
        self.methods.update({method.acct_no: method for method in request.payment_methods})
        return billing_setup_pb2.SetPaymentMethodsResponse(set=len(request.payment_methods))

    async def ListPaymentMethods(
        self, request: Any, context: Any
    ) -> billing_setup_pb2.ListPaymentMethodsResponse:
        return billing_setup_pb2.ListPaymentMethodsResponse(payment_methods=self.methods.values())


@dataclass
class StandInBatch(batch_pb2_grpc.BatchServiceServicer):
    """Sessions that come to the ends that a test gives them, one for each process."""

    ends: Sequence[BatchStatus.ValueType] = (BatchStatus.BATCH_STATUS_OK,) * 4
    blocked_by: Sequence[str] = ("", "", "", "")
    breaks: int = 0
    """How many streams break before one comes to its end."""

    def _session(self, position: int, status: BatchStatus.ValueType, version: int) -> batch_pb2.BatchSession:
        session = batch_pb2.BatchSession(
            client_no=1,
            session_no=position + 1,
            process_code=PROCESSES[position],
            name=PROCESSES[position].replace("_", " ").title(),
            status=status,
            blocked_by=self.blocked_by[position],
            version=version,
        )
        session.queued_at.GetCurrentTime()
        if status in ENDED:
            session.ended_at.GetCurrentTime()
        return session

    async def RunDailyCycle(self, request: Any, context: Any) -> batch_pb2.RunDailyCycleResponse:
        return batch_pb2.RunDailyCycleResponse(
            sessions=[self._session(position, BatchStatus.BATCH_STATUS_NEW, 1) for position in range(4)]
        )

    async def WatchBatchSession(
        self, request: batch_pb2.WatchBatchSessionRequest, context: Any
    ) -> AsyncIterator[batch_pb2.WatchBatchSessionResponse]:
        position = request.session_no - 1
        yield batch_pb2.WatchBatchSessionResponse(
            session=self._session(position, BatchStatus.BATCH_STATUS_NEW, 1)
        )
        if self.breaks:
            self.breaks -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the service stops")
        yield batch_pb2.WatchBatchSessionResponse(session=self._session(position, self.ends[position], 2))
        if self.ends[position] in {BatchStatus.BATCH_STATUS_NEW, BatchStatus.BATCH_STATUS_SUSPENDED}:
            await asyncio.Event().wait()


@dataclass
class StandInVerification(verification_pb2_grpc.VerificationServiceServicer):
    """Books with as many findings as a test wants."""

    findings: int = 0

    async def VerifyLedger(
        self, request: Any, context: Any
    ) -> AsyncIterator[verification_pb2.VerifyLedgerResponse]:
        check = verification_pb2.VERIFICATION_CHECK_JOURNAL
        if request.client_no == 77:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "may not act for client 77")
        for number in range(self.findings):
            yield verification_pb2.VerifyLedgerResponse(
                finding=verification_pb2.VerificationFinding(check=check, message=f"fault {number}")
            )
        yield verification_pb2.VerifyLedgerResponse(
            progress=verification_pb2.VerificationProgress(check=check, rows_checked=7043, complete=True)
        )
        yield verification_pb2.VerifyLedgerResponse(
            summary=verification_pb2.VerificationSummary(
                transactions=7043, accounts=7043, findings=self.findings
            )
        )


@dataclass
class StandIns:
    """All of them on one port."""

    target: str
    accounts: StandInAccounts
    billing_setup: StandInBillingSetup
    batch: StandInBatch
    verification: StandInVerification
