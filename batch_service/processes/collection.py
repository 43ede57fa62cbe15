"""Billing Manager (23): collects what is due from the accounts that pay electronically (rule 31)."""

from collections.abc import AsyncIterator, Sequence
from typing import ClassVar, Final

from sqlalchemy.ext.asyncio import AsyncEngine

from batch_service import store_payments
from batch_service.collecting import CollectionOrder, CollectionOutcome, Collector
from batch_service.gateway_client import Gateway
from batch_service.ledger_client import Ledger
from batch_service.processes.contract import (
    BatchProcess,
    JobNames,
    ProcessContext,
    ProcessFault,
    RecordResult,
    SelectedRecord,
    WorkRecord,
)
from batch_service.rules.collection import billing_fact

# As many as the ledger tells the balances of in one call.
_ACCOUNTS_A_LOOK: Final = 1_000


class BillingManager(BatchProcess):
    """Collects electronic payments. A record is an account."""

    code: ClassVar[str] = "billing_manager"
    batch_no: ClassVar[int] = 23
    name: ClassVar[str] = "Billing Manager"
    purpose: ClassVar[str] = "Collects electronic payments for what is due"
    depends_on: ClassVar[tuple[str, ...]] = ("invoicer",)
    chunk_size: ClassVar[int] = 1_000
    jobs: ClassVar[JobNames] = JobNames(
        prepare="Ask whether the payment gateway is available",
        select="Select the accounts that pay electronically and owe something",
        work="Collect what is due",
    )

    def __init__(self, engine: AsyncEngine, ledger: Ledger | None, gateway: Gateway | None) -> None:
        self._engine = engine
        self._ledger = ledger
        self._gateway = gateway
        self._collector = Collector(engine, ledger, gateway) if ledger and gateway else None

    async def prepare(self, context: ProcessContext) -> None:
        """ProcessFault when the gateway takes no charges: better nothing than half of it."""
        if self._collector is None or self._gateway is None:
            raise ProcessFault(
                "a ledger and a payment gateway have to be configured: nothing can be collected"
            )
        await self._gateway.require_available(context.client_no)

    async def select(self, context: ProcessContext) -> AsyncIterator[SelectedRecord]:
        """The accounts that owe something and have an electronic method that was not declined for good, and
        those with an attempt that is still open.
        """
        assert self._ledger is not None, "prepare has refused to run without it"
        async with self._engine.connect() as connection:
            candidates = await store_payments.accounts_to_collect(connection, context.client_no)
        for first in range(0, len(candidates), _ACCOUNTS_A_LOOK):
            some = candidates[first : first + _ACCOUNTS_A_LOOK]
            balances = await self._ledger.balances(context.client_no, [each.acct_no for each in some])
            for each in some:
                balance = balances.get(each.acct_no)
                if each.has_open_attempt or balance is None or balance.minor_units > 0:
                    yield SelectedRecord(f"account:{each.acct_no}", each.acct_no)

    async def work(self, context: ProcessContext, records: Sequence[WorkRecord]) -> Sequence[RecordResult]:
        """Collect from all accounts of the chunk at once."""
        assert self._collector is not None, "prepare has refused to run without it"
        outcomes = await self._collector.collect(
            context.client_no,
            [
                CollectionOrder(
                    record.acct_no,
                    billing_fact(context.client_no, record.acct_no, context.business_date),
                    context.business_date,
                )
                for record in records
            ],
        )
        return [_result(record, outcomes[record.acct_no]) for record in records]


def _result(record: WorkRecord, outcome: CollectionOutcome) -> RecordResult:
    if outcome.failure is not None:
        return RecordResult.failed(record, outcome.failure.reason, outcome.failure.message)
    return RecordResult.ok(
        record, f"collected {outcome.collected}" if outcome.collected else "nothing is due"
    )
