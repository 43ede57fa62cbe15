"""Opening accounts with their plans and payment methods: many calls at once, and twice is as good as once.

What is there already is left as it is, so that an import that was interrupted goes on where it stopped, and
one that is repeated after prices have changed does not change them back.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

import grpc
from google.protobuf.message import Message

from console.account_import.rows import PaymentKind, RowError, Subscriber, Timing
from console.connections import Connections
from console.errors import error_line, is_refusal
from console.grouping import groups_of
from console.paging import read_rows
from service_kit.dates import date_to_proto
from service_kit.money import Money
from tallybook.batch.v1.billing_setup_pb2 import (
    AccountPaymentKind,
    BillingTiming,
    ListPaymentMethodsRequest,
    ListRecurringPlansRequest,
    PaymentMethod,
    RecurringPlan,
    SetPaymentMethodsRequest,
    SetRecurringPlansRequest,
)
from tallybook.ledger.v1.account_pb2 import (
    Account,
    CreateAccountRequest,
    CreatePlanInstanceRequest,
    ListAccountsRequest,
)
from tallybook.type.v1.money_pb2 import Money as MoneyMessage

_CALLS_IN_FLIGHT: Final = 64
_BULK: Final = 1000
"""What the contract takes in one call of SetRecurringPlans and SetPaymentMethods."""

_PAYMENT_KINDS: Final = {
    PaymentKind.CARD: AccountPaymentKind.ACCOUNT_PAYMENT_KIND_CARD,
    PaymentKind.ELECTRONIC_CHECK: AccountPaymentKind.ACCOUNT_PAYMENT_KIND_ELECTRONIC_CHECK,
    PaymentKind.EXTERNAL: AccountPaymentKind.ACCOUNT_PAYMENT_KIND_EXTERNAL,
}
_TIMINGS: Final = {
    Timing.IN_ADVANCE: BillingTiming.BILLING_TIMING_IN_ADVANCE,
    Timing.IN_ARREARS: BillingTiming.BILLING_TIMING_IN_ARREARS,
}

Item = TypeVar("Item", bound=Message)
Pair = tuple[Subscriber, Account]


class ImportProgress(Protocol):
    """Told what was done, so that a person can see it."""

    def account_done(self) -> None:
        """One more account is open."""

    def plans_done(self, accounts: int) -> None:
        """So many more accounts have their recurring plan."""

    def payment_methods_done(self, accounts: int) -> None:
        """So many more accounts have their payment method."""


@dataclass(slots=True)
class ImportResult:
    """What became of the rows."""

    opened: int = 0
    already_there: int = 0
    errors: list[RowError] = field(default_factory=list)
    accounts: dict[str, Account] = field(default_factory=dict)
    """By external id: all that are open now."""


class AccountImport:
    """The import into one client."""

    def __init__(self, services: Connections, client_no: int, progress: ImportProgress) -> None:
        """Nothing is asked before `run`."""
        self._services = services
        self._client_no = client_no
        self._progress = progress
        self._free_calls = asyncio.Semaphore(_CALLS_IN_FLIGHT)
        self._known: dict[str, Account] = {}
        self._result = ImportResult()

    async def run(self, subscribers: Sequence[Subscriber]) -> ImportResult:
        """Open what is missing. Errors of the service about one row are gathered; that it can't be reached
        is raised.
        """
        self._known = await self._known_accounts()
        pairs = await self._open_accounts(subscribers)
        await asyncio.gather(self._set_plans(pairs), self._set_payment_methods(pairs))
        self._result.errors.sort(key=lambda error: error.line_no)
        return self._result

    async def _known_accounts(self) -> dict[str, Account]:
        accounts = await read_rows(
            self._services.accounts.ListAccounts,
            ListAccountsRequest(client_no=self._client_no),
            lambda page: page.accounts,
        )
        return {account.external_id: account for account in accounts if account.external_id}

    async def _open_accounts(self, subscribers: Sequence[Subscriber]) -> list[Pair]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._open_account(subscriber)) for subscriber in subscribers]
        return [pair for task in tasks if (pair := task.result()) is not None]

    async def _open_account(self, subscriber: Subscriber) -> Pair | None:
        async with self._free_calls:
            try:
                account = await self._account_of(subscriber)
            except grpc.aio.AioRpcError as refused:
                self._refuse(refused, [subscriber])
                return None
        self._result.accounts[subscriber.external_id] = account
        self._progress.account_done()
        return subscriber, account

    async def _account_of(self, subscriber: Subscriber) -> Account:
        known = self._known.get(subscriber.external_id)
        if known is None:
            response = await self._services.accounts.CreateAccount(
                account_request(self._client_no, subscriber)
            )
            self._result.opened += 1
            return response.account
        if not known.plan_instances:
            added = await self._services.accounts.CreatePlanInstance(
                CreatePlanInstanceRequest(
                    client_no=self._client_no,
                    request_id=row_key("plan", subscriber),
                    acct_no=known.acct_no,
                    name=subscriber.plan_name,
                )
            )
            known.plan_instances.append(added.plan_instance)
        self._result.already_there += 1
        return known

    async def _set_plans(self, pairs: Sequence[Pair]) -> None:
        request = ListRecurringPlansRequest(client_no=self._client_no)
        call = self._services.billing_setup.ListRecurringPlans
        there = {plan.acct_no for plan in await read_rows(call, request, lambda page: page.recurring_plans)}
        missing = [(subscriber, account) for subscriber, account in pairs if account.acct_no not in there]

        async def send(group: Sequence[Pair]) -> None:
            plans = [recurring_plan(subscriber, account) for subscriber, account in group]
            await self._services.billing_setup.SetRecurringPlans(
                SetRecurringPlansRequest(
                    client_no=self._client_no, request_id=content_key("plans", plans), recurring_plans=plans
                )
            )
            self._progress.plans_done(len(group))

        self._progress.plans_done(len(pairs) - len(missing))
        for group in groups_of(missing, _BULK):
            await self._send_dividing(group, send)

    async def _set_payment_methods(self, pairs: Sequence[Pair]) -> None:
        request = ListPaymentMethodsRequest(client_no=self._client_no)
        call = self._services.billing_setup.ListPaymentMethods
        there = {
            method.acct_no for method in await read_rows(call, request, lambda page: page.payment_methods)
        }
        missing = [(subscriber, account) for subscriber, account in pairs if account.acct_no not in there]

        async def send(group: Sequence[Pair]) -> None:
            methods = [payment_method(subscriber, account) for subscriber, account in group]
            await self._services.billing_setup.SetPaymentMethods(
                SetPaymentMethodsRequest(
                    client_no=self._client_no,
                    request_id=content_key("methods", methods),
                    payment_methods=methods,
                )
            )
            self._progress.payment_methods_done(len(group))

        self._progress.payment_methods_done(len(pairs) - len(missing))
        for group in groups_of(missing, _BULK):
            await self._send_dividing(group, send)

    async def _send_dividing(
        self, group: Sequence[Pair], send: Callable[[Sequence[Pair]], Awaitable[None]]
    ) -> None:
        """Send a bulk that is taken or refused as a whole; a refused one is halved until the bad row is
        alone.
        """
        try:
            await send(group)
        except grpc.aio.AioRpcError as refused:
            if len(group) == 1 or not is_refusal(refused):
                self._refuse(refused, [subscriber for subscriber, _ in group])
                return
            middle = len(group) // 2
            await self._send_dividing(group[:middle], send)
            await self._send_dividing(group[middle:], send)

    def _refuse(self, refused: grpc.aio.AioRpcError, subscribers: Sequence[Subscriber]) -> None:
        if not is_refusal(refused):
            raise refused
        self._result.errors.extend(
            RowError(subscriber.line_no, subscriber.external_id, error_line(refused))
            for subscriber in subscribers
        )


def account_request(client_no: int, subscriber: Subscriber) -> CreateAccountRequest:
    """The account, with one plan instance."""
    return CreateAccountRequest(
        client_no=client_no,
        request_id=row_key("account", subscriber),
        external_id=subscriber.external_id,
        name=subscriber.name,
        currency_code=subscriber.price.currency,
        payment_term_days=subscriber.payment_term_days,
        opening_balance=_money_message(subscriber.opening_balance),
        effective_date=date_to_proto(subscriber.opening_date) if subscriber.opening_date else None,
        plan_instance_names=[subscriber.plan_name],
    )


def recurring_plan(subscriber: Subscriber, account: Account) -> RecurringPlan:
    """What the first plan instance of the account is billed."""
    return RecurringPlan(
        acct_no=account.acct_no,
        plan_instance_no=account.plan_instances[0].plan_instance_no,
        description=subscriber.plan_name,
        price=_money_message(subscriber.price),
        timing=_TIMINGS[subscriber.timing],
        period_months=subscriber.period_months,
        anchor_day=subscriber.anchor_day,
        start_date=date_to_proto(subscriber.start_date),
        activation_charge=_money_message(subscriber.activation_charge),
        tax_percent=subscriber.tax_percent,
    )


def payment_method(subscriber: Subscriber, account: Account) -> PaymentMethod:
    """How the account pays."""
    return PaymentMethod(
        acct_no=account.acct_no,
        kind=_PAYMENT_KINDS[subscriber.payment_kind],
        payment_token=subscriber.payment_token,
    )


def row_key(purpose: str, subscriber: Subscriber) -> str:
    """The request_id of a row: the same in every run. External ids may hold what a request_id must not."""
    return f"import-{purpose}-{hashlib.sha256(subscriber.external_id.encode()).hexdigest()[:40]}"


def content_key(purpose: str, items: Sequence[Item]) -> str:
    """The request_id of a bulk: what is the same bulk has the same key, however it was divided."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(item.SerializeToString(deterministic=True))
    return f"import-{purpose}-{digest.hexdigest()[:40]}"


def _money_message(value: Money | None) -> MoneyMessage | None:
    return MoneyMessage(currency_code=value.currency, minor_units=value.minor_units) if value else None
