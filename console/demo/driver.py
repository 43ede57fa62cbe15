"""Lives through the month: sets the client up, then runs the daily cycle of every day, and lets happen what
happens.

Everything goes through the contracts, so this is also how a backend of yours would use Tallybook.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Protocol

from console.account_import.opening import AccountImport, ImportResult
from console.commands.activities import load_activities
from console.commands.batch import new_request_id
from console.connections import Connections
from console.demo.corrections import Corrections
from console.demo.sample import (
    CANCELLATION_DAY,
    CURRENCY,
    DEARER_CUSTOMER,
    LEAVING_CUSTOMER,
    NEW_PRICE,
    OUTAGE_DAY,
    PRICE_CHANGE_DAY,
    USAGE_FILE_DAYS,
    USAGE_RATES,
    Customer,
    Month,
    PlanInstance,
    invent_usage_file,
)
from console.errors import ConsoleError, status_line
from console.exit_codes import ExitCode
from console.grouping import groups_of
from console.waiting import wait_for_sessions
from service_kit.dates import date_to_proto
from tallybook.batch.v1.batch_pb2 import BatchSession, RunDailyCycleRequest
from tallybook.batch.v1.billing_setup_pb2 import (
    AddPendingLinesRequest,
    DunningAction,
    DunningStep,
    PendingLine,
    PendingLineKind,
    PlanChange,
    PlanChangeKind,
    SchedulePlanChangesRequest,
    SetClientProfileRequest,
    SetDunningStepsRequest,
    SetUsageRatesRequest,
    UsageRate,
)
from tallybook.ledger.v1.account_pb2 import BatchGetBalancesRequest, ListAccountsRequest
from tallybook.ledger.v1.ledger_pb2 import PostTransactionsRequest, TransactionDraft
from tallybook.ledger.v1.transaction_pb2 import ExternalPayment
from tallybook.ledger.v1.transaction_type_pb2 import TransactionType
from tallybook.payments.v1.sandbox_pb2 import SetOutageRequest
from tallybook.type.v1.money_pb2 import Money

_MOST_BALANCES: Final = 1000
"""What the contract takes in one call of BatchGetBalances."""


class Storyteller(Protocol):
    """Told what happens, so that a person can watch."""

    def account_done(self) -> None:
        """One more account is open."""

    def plans_done(self, accounts: int) -> None:
        """So many more accounts have their recurring plan."""

    def payment_methods_done(self, accounts: int) -> None:
        """So many more accounts have their payment method."""

    def day_begins(self, day: date) -> None:
        """The daily cycle of this day is about to run."""

    def session_changed(self, session: BatchSession) -> None:
        """A session has a new state."""

    def happened(self, day: date, what: str) -> None:
        """Something that the report will come back to."""


@dataclass(slots=True)
class Story:
    """What happened, for the report."""

    client_no: int
    month: Month
    accounts: ImportResult = field(default_factory=ImportResult)
    sessions: dict[date, list[BatchSession]] = field(default_factory=dict)
    checks: int = 0
    corrections: Sequence[int] = ()
    """The numbers of the transactions that corrected others, in order."""

    @property
    def all_sessions(self) -> list[BatchSession]:
        """Of all days, oldest first."""
        return [session for day in sorted(self.sessions) for session in self.sessions[day]]


class Driver:
    """The operator, the bookkeeper and the customers of one month."""

    def __init__(
        self,
        services: Connections,
        client_no: int,
        month: Month,
        customers: Sequence[Customer],
        teller: Storyteller,
    ) -> None:
        """Nothing happens before `live`."""
        self._services = services
        self._client_no = client_no
        self._customers = customers
        self._teller = teller
        self._story = Story(client_no, month)

    async def live(self) -> Story:
        """Set everything up and live through the month."""
        await self._introduce_client()
        self._story.accounts = await AccountImport(self._services, self._client_no, self._teller).run(
            [customer.subscriber for customer in self._customers]
        )
        if self._story.accounts.errors:
            raise ConsoleError(self._story.accounts.errors[0].reason, ExitCode.INTERNAL)
        await self._schedule_changes()
        corrections = Corrections(
            self._services,
            self._client_no,
            self._story.month,
            {external_id: account.acct_no for external_id, account in self._story.accounts.accounts.items()},
        )
        for day in self._story.month.days:
            await self._live_day(day, corrections)
        self._story.corrections = corrections.event_nos
        return self._story

    async def _introduce_client(self) -> None:
        setup = self._services.billing_setup
        await setup.SetClientProfile(
            SetClientProfileRequest(
                client_no=self._client_no,
                request_id=new_request_id(),
                name="Sample Telephone Company",
                time_zone="America/New_York",
            )
        )
        await setup.SetUsageRates(
            SetUsageRatesRequest(
                client_no=self._client_no,
                request_id=new_request_id(),
                rates=[
                    UsageRate(usage_type=usage_type, currency_code=CURRENCY, unit_price=price)
                    for usage_type, price in USAGE_RATES.items()
                ],
            )
        )
        await setup.SetDunningSteps(
            SetDunningStepsRequest(
                client_no=self._client_no, request_id=new_request_id(), steps=dunning_steps()
            )
        )

    async def _schedule_changes(self) -> None:
        month = self._story.month
        dearer, leaving = self._plan_instance(DEARER_CUSTOMER), self._plan_instance(LEAVING_CUSTOMER)
        await self._services.billing_setup.SchedulePlanChanges(
            SchedulePlanChangesRequest(
                client_no=self._client_no,
                request_id=new_request_id(),
                changes=[
                    PlanChange(
                        plan_instance_no=dearer.plan_instance_no,
                        kind=PlanChangeKind.PLAN_CHANGE_KIND_PRICE,
                        effective_date=date_to_proto(month.day(PRICE_CHANGE_DAY)),
                        new_price=Money(currency_code=CURRENCY, minor_units=NEW_PRICE.minor_units),
                    ),
                    PlanChange(
                        plan_instance_no=leaving.plan_instance_no,
                        kind=PlanChangeKind.PLAN_CHANGE_KIND_CANCEL,
                        effective_date=date_to_proto(month.day(CANCELLATION_DAY)),
                    ),
                ],
            )
        )
        await self._services.billing_setup.AddPendingLines(
            AddPendingLinesRequest(
                client_no=self._client_no, request_id=new_request_id(), lines=pending_lines(dearer)
            )
        )

    async def _live_day(self, day: date, corrections: Corrections) -> None:
        self._teller.day_begins(day)
        if day.day in USAGE_FILE_DAYS:
            await self._load_usage(day)
        await self._record_checks(day)
        if corrected := await corrections.work(day):
            self._teller.happened(day, corrected)
        if day.day == OUTAGE_DAY:
            await self._set_outage(True)
            self._teller.happened(day, "the payment gateway is out of order")
        await self._run_cycle(day)
        if day.day == OUTAGE_DAY:
            await self._set_outage(False)
            self._teller.happened(
                day, "the payment gateway works again; tomorrow's cycle collects what is due"
            )

    async def _run_cycle(self, day: date) -> None:
        answer = await self._services.batch.RunDailyCycle(
            RunDailyCycleRequest(
                client_no=self._client_no, request_id=new_request_id(), business_date=date_to_proto(day)
            )
        )
        await self._finish(day, answer.sessions)

    async def _load_usage(self, day: date) -> None:
        name = f"usage-{day}.csv"
        users = [self._plan_instance(customer.subscriber.external_id) for customer in self._customers]
        lines = invent_usage_file(name, day, users)
        session = await load_activities(self._services, self._client_no, name, lines, day)
        await self._finish(day, [session])
        self._teller.happened(day, f"{name} is loaded, {len(lines) - 1} lines, some of them bad")

    async def _finish(self, day: date, sessions: Sequence[BatchSession]) -> None:
        board = await wait_for_sessions(self._services, sessions, self._teller.session_changed)
        self._story.sessions.setdefault(day, []).extend(board.sessions)

    async def _record_checks(self, day: date) -> None:
        payers = [
            self._story.accounts.accounts[customer.subscriber.external_id].acct_no
            for customer in self._customers
            if customer.check_day == day
        ]
        owed = await balances_due(self._services, self._client_no, payers)
        if not owed:
            return
        await post_all(
            self._services, self._client_no, [check_draft(acct_no, owed[acct_no], day) for acct_no in owed]
        )
        self._story.checks += len(owed)

    async def _set_outage(self, outage: bool) -> None:
        await self._services.sandbox.SetOutage(SetOutageRequest(client_no=self._client_no, outage=outage))

    def _plan_instance(self, external_id: str) -> PlanInstance:
        account = self._story.accounts.accounts[external_id]
        return PlanInstance(account.acct_no, account.plan_instances[0].plan_instance_no)


async def balances_due(services: Connections, client_no: int, acct_nos: Sequence[int]) -> dict[int, Money]:
    """Of these accounts, those that owe something, and what."""
    owed: dict[int, Money] = {}
    for group in groups_of(acct_nos, _MOST_BALANCES):
        answer = await services.accounts.BatchGetBalances(
            BatchGetBalancesRequest(client_no=client_no, acct_nos=group)
        )
        owed.update({each.acct_no: each.balance for each in answer.balances if each.balance.minor_units > 0})
    return owed


def check_draft(acct_no: int, amount: Money, day: date) -> TransactionDraft:
    """A check that came on a day."""
    return TransactionDraft(
        acct_no=acct_no,
        transaction_type=TransactionType.TRANSACTION_TYPE_CHECK,
        amount=amount,
        effective_date=date_to_proto(day),
        external_payment=ExternalPayment(
            reference_code=f"check-{acct_no}-{day:%Y%m%d}", received_date=date_to_proto(day)
        ),
    )


async def post_all(services: Connections, client_no: int, drafts: Sequence[TransactionDraft]) -> None:
    """Post drafts of which none may be refused."""
    answer = await services.transactions.PostTransactions(
        PostTransactionsRequest(client_no=client_no, request_id=new_request_id(), drafts=drafts)
    )
    for result in answer.results:
        if result.HasField("error"):
            raise ConsoleError(status_line(result.error), ExitCode.INTERNAL)


async def unused_client(services: Connections) -> int:
    """The first client that has no accounts yet: a data directory may have seen a demonstration before."""
    client_no = 1
    while True:
        answer = await services.accounts.ListAccounts(ListAccountsRequest(client_no=client_no, page_size=1))
        if not answer.accounts:
            return client_no
        client_no += 1


def dunning_steps() -> list[DunningStep]:
    """From a friendly notice to the end of the service."""
    return [
        DunningStep(step_no=1, days_past_due=3, action=DunningAction.DUNNING_ACTION_NOTICE),
        DunningStep(step_no=2, days_past_due=6, action=DunningAction.DUNNING_ACTION_RETRY_PAYMENT),
        DunningStep(
            step_no=3,
            days_past_due=12,
            action=DunningAction.DUNNING_ACTION_FIXED_CHARGE,
            fixed_charge=Money(currency_code=CURRENCY, minor_units=500),
        ),
        DunningStep(
            step_no=4, days_past_due=20, action=DunningAction.DUNNING_ACTION_PERCENT_CHARGE, percent="1.5"
        ),
        DunningStep(step_no=5, days_past_due=30, action=DunningAction.DUNNING_ACTION_SUSPENSION),
    ]


def pending_lines(customer: PlanInstance) -> list[PendingLine]:
    """A one-time order and a coupon for the next invoice of a customer."""

    def line(kind: PendingLineKind.ValueType, description: str, cents: int) -> PendingLine:
        return PendingLine(
            line_id=f"{kind}-{customer.plan_instance_no}",
            acct_no=customer.acct_no,
            plan_instance_no=customer.plan_instance_no,
            kind=kind,
            description=description,
            amount=Money(currency_code=CURRENCY, minor_units=cents),
        )

    return [
        line(PendingLineKind.PENDING_LINE_KIND_ORDER_CHARGE, "Router, delivered", 5900),
        line(PendingLineKind.PENDING_LINE_KIND_COUPON_CREDIT, "Welcome coupon", 1000),
    ]
