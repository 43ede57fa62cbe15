"""Invoicer (22): the invoices of the plan instances that are due on the business date (rule 30).

For each period: compose and write down (intent), ask the ledger, settle. The ledger makes one invoice at
most for a plan instance and period, and until its answer is settled the same intent is sent again. When
several periods are due, they are invoiced one after the other, oldest first.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from sqlalchemy.ext.asyncio import AsyncEngine

from batch_service import store_invoicing
from batch_service.ledger_client import Invoiced, Ledger, Refused
from batch_service.processes.contract import (
    BatchProcess,
    JobNames,
    ProcessContext,
    ProcessFault,
    RecordResult,
    SelectedRecord,
    WorkRecord,
)
from batch_service.rules.collection import FailureReason
from batch_service.rules.invoicing import (
    BilledPlan,
    InvoiceComposition,
    InvoiceIntent,
    MixedCurrencies,
    PendingLine,
    after,
    compose,
)


@dataclass(slots=True)
class _Progress:
    """What became of the plan instances of a chunk so far."""

    invoices: dict[int, list[int]] = field(default_factory=dict)
    failures: dict[int, FailureReason] = field(default_factory=dict)

    def going(self, numbers: Sequence[int]) -> list[int]:
        """Those that have not failed."""
        return [number for number in numbers if number not in self.failures]


class Invoicer(BatchProcess):
    """Invoices what is due. A record is a plan instance."""

    code: ClassVar[str] = "invoicer"
    batch_no: ClassVar[int] = 22
    name: ClassVar[str] = "Invoicer"
    purpose: ClassVar[str] = "Generates the invoices of the plan instances that are due on the business date"
    depends_on: ClassVar[tuple[str, ...]] = ("housekeeping",)
    chunk_size: ClassVar[int] = 1_000
    jobs: ClassVar[JobNames] = JobNames(
        select="Select the plan instances that are due", work="Compose the invoices and post them"
    )

    def __init__(self, engine: AsyncEngine, ledger: Ledger | None) -> None:
        self._engine = engine
        self._ledger = ledger

    async def prepare(self, context: ProcessContext) -> None:
        """ProcessFault without a ledger."""
        self._required_ledger()

    async def select(self, context: ProcessContext) -> AsyncIterator[SelectedRecord]:
        """The plan instances whose next bill date is the business date or before."""
        async with self._engine.connect() as connection:
            due = await store_invoicing.plan_instances_to_invoice(
                connection, context.client_no, context.business_date
            )
        for number, acct_no in due:
            yield SelectedRecord(f"plan_instance:{number}", acct_no, str(number).encode())

    async def work(self, context: ProcessContext, records: Sequence[WorkRecord]) -> Sequence[RecordResult]:
        """Invoice period after period, each for all plan instances of the chunk at once."""
        by_number = {int(record.payload): record for record in records}
        progress = _Progress()
        while True:
            going = progress.going(list(by_number))
            intents = await self._compose(context, going, progress)
            if not intents:
                break
            await self._ask_and_settle(context, intents, progress)
        return [_result(record, progress, number) for number, record in by_number.items()]

    async def _compose(
        self, context: ProcessContext, numbers: Sequence[int], progress: _Progress
    ) -> Sequence[InvoiceIntent]:
        """Write down the next invoice of each plan that is due, and return all that the ledger has to be
        asked for.
        """
        async with self._engine.begin() as connection:
            due = await store_invoicing.lock_due_plans(
                connection, context.client_no, numbers, context.business_date
            )
            found = await store_invoicing.open_intents(connection, context.client_no, numbers)
            invoices: list[tuple[BilledPlan, InvoiceComposition]] = []
            passed: list[tuple[BilledPlan, InvoiceComposition]] = []
            for each in due:
                made = self._next_invoice(each.plan, each.pending, context, passed)
                if isinstance(made, MixedCurrencies):
                    progress.failures[each.plan.plan_instance_no] = FailureReason(
                        "CURRENCY_MISMATCH",
                        f"billed in {made.plan_currency}, but has something to bill in {made.other_currency}",
                    )
                elif made is not None:
                    invoices.append(made)
            await store_invoicing.move_on(connection, context.client_no, passed)
            added = await store_invoicing.add_intents(
                connection, context.client_no, context.business_date, invoices
            )
            return [*found, *added]

    @staticmethod
    def _next_invoice(
        plan: BilledPlan,
        pending: Sequence[PendingLine],
        context: ProcessContext,
        passed: list[tuple[BilledPlan, InvoiceComposition]],
    ) -> tuple[BilledPlan, InvoiceComposition] | MixedCurrencies | None:
        """The next invoice that has lines; the periods without any before it are added to `passed`."""
        current: BilledPlan | None = plan
        while current is not None and current.position.next_bill_date <= context.business_date:
            made = compose(current, pending)
            if isinstance(made, MixedCurrencies):
                return made
            if made.lines:
                return current, made
            passed.append((current, made))
            pending = pending[len(made.pending_line_nos) :]
            current = after(current, made)
        return None

    async def _ask_and_settle(
        self, context: ProcessContext, intents: Sequence[InvoiceIntent], progress: _Progress
    ) -> None:
        ledger = self._required_ledger()
        answers = await ledger.create_invoices(context.client_no, intents)
        invoiced: list[tuple[InvoiceIntent, int, bool]] = []
        refused: list[InvoiceIntent] = []
        for intent, answer in zip(intents, answers, strict=True):
            if isinstance(answer, Refused):
                refused.append(intent)
                progress.failures[intent.plan_instance_no] = FailureReason(answer.reason, answer.message)
                continue
            own = await self._is_of(ledger, context.client_no, intent, answer)
            invoiced.append((intent, answer.invoice_no, own))
            progress.invoices.setdefault(intent.plan_instance_no, []).append(answer.invoice_no)
        async with self._engine.begin() as connection:
            await store_invoicing.settle_intents(connection, context.client_no, invoiced)
            await store_invoicing.discard_intents(connection, context.client_no, refused)

    @staticmethod
    async def _is_of(ledger: Ledger, client_no: int, intent: InvoiceIntent, answer: Invoiced) -> bool:
        """Whether an invoice was made of its intent: one that existed may be of another hand, without its
        lines.
        """
        if not answer.existed:
            return True
        return await ledger.invoice_has_lines(client_no, answer.invoice_no, intent.lines)

    def _required_ledger(self) -> Ledger:
        if self._ledger is None:
            raise ProcessFault(
                "no ledger is configured (TALLYBOOK_BATCH_LEDGER_TARGET): nothing can be invoiced"
            )
        return self._ledger


def _result(record: WorkRecord, progress: _Progress, number: int) -> RecordResult:
    failure = progress.failures.get(number)
    if failure is not None:
        return RecordResult.failed(record, failure.reason, failure.message)
    invoices = progress.invoices.get(number, [])
    if not invoices:
        return RecordResult.ok(record, "nothing to invoice")
    return RecordResult.ok(record, f"invoice {', '.join(str(invoice_no) for invoice_no in invoices)}")
