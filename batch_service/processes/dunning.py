"""Dunning Manager (26): moves overdue accounts through the dunning steps (rule 32).

Accounts take one step at a time, all accounts of a chunk together, until nothing more is due. A position
moves after the effect of its step; every effect is keyed by account, cycle and step, so that repeating it
changes nothing. After a payment was tried, what is overdue is looked up again: who has paid takes no
further step.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from batch_service import store_dunning, store_plans
from batch_service.collecting import CollectionOrder, CollectionOutcome, Collector
from batch_service.gateway_client import Gateway
from batch_service.ledger_client import DunningChargeDraft, Ledger, Posted
from batch_service.processes.contract import (
    BatchProcess,
    JobNames,
    ProcessContext,
    ProcessFault,
    RecordResult,
    SelectedRecord,
    WorkRecord,
)
from batch_service.rules.collection import FailureReason, dunning_fact
from batch_service.rules.dunning import (
    DunningAction,
    DunningPosition,
    DunningStep,
    LeaveDunning,
    Overdue,
    TakeSteps,
    charge_of,
    decide,
)
from batch_service.store_dunning import FrozenCharge, NewMail


@dataclass(frozen=True, slots=True)
class _StepToTake:
    """A step that an account takes now."""

    acct_no: int
    position: DunningPosition
    step: DunningStep
    overdue: Overdue


@dataclass(slots=True)
class _Progress:
    """What became of the accounts of a chunk so far."""

    overdue: dict[int, Overdue]
    notes: dict[int, list[str]] = field(default_factory=dict)
    failures: dict[int, FailureReason] = field(default_factory=dict)

    def note(self, acct_no: int, text: str) -> None:
        """Remember for the message of the record."""
        self.notes.setdefault(acct_no, []).append(text)


# What happens in a step; it returns the accounts for which it took effect. Where it did not, the failure is
# noted, and the account stays before the step.
_Effect = Callable[[ProcessContext, Sequence[_StepToTake], _Progress], Awaitable[set[int]]]

# What the gateway says finally about a retry: the step is taken. Anything else leaves it open.
_FINAL_DECLINES: Final = frozenset({"PAYMENT_DECLINED_SOFT", "PAYMENT_DECLINED_HARD", "PAYMENT_REFUSED"})


class DunningManager(BatchProcess):
    """Takes the dunning steps of overdue accounts. A record is an account."""

    code: ClassVar[str] = "dunning_manager"
    batch_no: ClassVar[int] = 26
    name: ClassVar[str] = "Dunning Manager"
    purpose: ClassVar[str] = (
        "Moves overdue accounts through the dunning steps: notice, retry of the payment, dunning charge,"
        " suspension"
    )
    depends_on: ClassVar[tuple[str, ...]] = ("billing_manager",)
    chunk_size: ClassVar[int] = 1_000
    jobs: ClassVar[JobNames] = JobNames(
        select="Select the accounts that are overdue or in dunning", work="Take the steps that are due"
    )

    def __init__(self, engine: AsyncEngine, ledger: Ledger | None, gateway: Gateway | None) -> None:
        self._engine = engine
        self._ledger = ledger
        self._gateway = gateway
        self._collector = Collector(engine, ledger, gateway) if ledger and gateway else None
        self._effects: Final[Mapping[DunningAction, _Effect]] = {
            DunningAction.NOTICE: self._send_notices,
            DunningAction.RETRY_PAYMENT: self._retry_payments,
            DunningAction.FIXED_CHARGE: self._charge,
            DunningAction.PERCENT_CHARGE: self._charge,
            DunningAction.SUSPENSION: self._suspend,
        }

    async def prepare(self, context: ProcessContext) -> None:
        """ProcessFault without a ledger, or when a payment is to be retried and the gateway takes no
        charges.
        """
        self._required_ledger()
        async with self._engine.connect() as connection:
            steps = await store_dunning.find_steps(connection, context.client_no)
        if any(step.action is DunningAction.RETRY_PAYMENT for step in steps):
            if self._gateway is None:
                raise ProcessFault("no payment gateway is configured, but a dunning step retries payments")
            await self._gateway.require_available(context.client_no)

    async def select(self, context: ProcessContext) -> AsyncIterator[SelectedRecord]:
        """The accounts that are overdue long enough for the first step, and those in dunning, which may
        leave.
        """
        async with self._engine.connect() as connection:
            steps = await store_dunning.find_steps(connection, context.client_no)
            acct_nos = await store_dunning.accounts_in_dunning(connection, context.client_no)
        if steps:
            first = min(step.days_past_due for step in steps)
            overdue = self._required_ledger().aging(
                context.client_no, context.business_date, min_days_past_due=first
            )
            acct_nos |= {
                acct_no async for acct_no, each in overdue if each.days_past_due(context.business_date)
            }
        for acct_no in sorted(acct_nos):
            yield SelectedRecord(f"account:{acct_no}", acct_no)

    async def work(self, context: ProcessContext, records: Sequence[WorkRecord]) -> Sequence[RecordResult]:
        """Let every account of the chunk take its next step, until none is due."""
        acct_nos = [record.acct_no for record in records]
        progress = _Progress(await self._look_up_overdue(context, acct_nos))
        async with self._engine.connect() as connection:
            steps = await store_dunning.find_steps(connection, context.client_no)
        # Each round takes a step of each account that has one; no account has more rounds than there are
        # steps.
        for _ in range(len(steps) + 1):
            going = [acct_no for acct_no in acct_nos if acct_no not in progress.failures]
            to_take = await self._next_steps(context, going, steps, progress)
            if not to_take:
                break
            await self._take(context, to_take, progress)
        return [_result(record, progress) for record in records]

    async def _look_up_overdue(self, context: ProcessContext, acct_nos: Sequence[int]) -> dict[int, Overdue]:
        aging = self._required_ledger().aging(context.client_no, context.business_date, acct_nos=acct_nos)
        return {acct_no: overdue async for acct_no, overdue in aging}

    async def _next_steps(
        self,
        context: ProcessContext,
        acct_nos: Sequence[int],
        steps: Sequence[DunningStep],
        progress: _Progress,
    ) -> list[_StepToTake]:
        """Let those leave that owe nothing, those enter that are due, and say which step comes next for
        whom.
        """
        async with self._engine.begin() as connection:
            positions = await store_dunning.find_positions(connection, context.client_no, acct_nos)
            leaving, to_take = [], []
            for acct_no in acct_nos:
                overdue = progress.overdue.get(acct_no)
                decision = decide(steps, positions.get(acct_no), overdue, context.business_date)
                if isinstance(decision, LeaveDunning):
                    leaving.append(acct_no)
                    progress.note(acct_no, "left dunning")
                elif isinstance(decision, TakeSteps) and decision.steps:
                    assert overdue is not None, "who owes nothing takes no step"
                    to_take.append(_StepToTake(acct_no, decision.position, decision.steps[0], overdue))
            await store_dunning.leave(connection, context.client_no, leaving)
            entering = [each.acct_no for each in to_take if each.acct_no not in positions]
            await store_dunning.enter(connection, context.client_no, entering, context.business_date)
        return to_take

    async def _take(
        self, context: ProcessContext, to_take: Sequence[_StepToTake], progress: _Progress
    ) -> None:
        for action, effect in self._effects.items():
            of_action = [each for each in to_take if each.step.action is action]
            if not of_action:
                continue
            done = await effect(context, of_action, progress)
            taken = [each for each in of_action if each.acct_no in done]
            async with self._engine.begin() as connection:
                await _move(connection, context, taken)
            for each in taken:
                progress.note(each.acct_no, f"step {each.step.step_no} ({action.name.lower()})")
        retried = [each.acct_no for each in to_take if each.step.action is DunningAction.RETRY_PAYMENT]
        if retried:
            found = await self._look_up_overdue(context, retried)
            for acct_no in retried:
                progress.overdue.pop(acct_no, None)
            progress.overdue |= found

    async def _send_notices(
        self, context: ProcessContext, to_take: Sequence[_StepToTake], _progress: _Progress
    ) -> set[int]:
        mails = [
            NewMail(
                key=f"dunning-{each.acct_no}-{each.position.entered_on:%Y%m%d}-{each.step.step_no}",
                acct_no=each.acct_no,
                kind="dunning_notice",
                business_date=context.business_date,
                content={
                    "step_no": each.step.step_no,
                    "days_past_due": each.overdue.days_past_due(context.business_date),
                    "overdue_minor_units": each.overdue.amount.minor_units,
                    "currency": each.overdue.amount.currency,
                },
            )
            for each in to_take
        ]
        async with self._engine.begin() as connection:
            await store_dunning.queue_mail(connection, context.client_no, mails)
        return {each.acct_no for each in to_take}

    async def _retry_payments(
        self, context: ProcessContext, to_take: Sequence[_StepToTake], progress: _Progress
    ) -> set[int]:
        assert self._collector is not None, "prepare has refused to run without it"
        orders = [
            CollectionOrder(
                each.acct_no,
                dunning_fact(context.client_no, each.acct_no, each.position.entered_on, each.step.step_no),
                context.business_date,
            )
            for each in to_take
        ]
        outcomes = await self._collector.collect(context.client_no, orders)
        for acct_no, outcome in outcomes.items():
            _note_retry(acct_no, outcome, progress)
        return outcomes.keys() - progress.failures.keys()

    async def _charge(
        self, context: ProcessContext, to_take: Sequence[_StepToTake], progress: _Progress
    ) -> set[int]:
        decided = [
            FrozenCharge(
                each.acct_no,
                each.position.entered_on,
                each.step.step_no,
                context.business_date,
                charge_of(each.step, each.overdue),
            )
            for each in to_take
        ]
        done = {charge.acct_no for charge in decided if charge.amount.minor_units <= 0}
        async with self._engine.begin() as connection:
            charges = await store_dunning.freeze_charges(
                connection, context.client_no, [each for each in decided if each.acct_no not in done]
            )
        answers = await self._required_ledger().post_dunning_charges(
            context.client_no, [_draft(context.client_no, charge) for charge in charges]
        )
        refused = []
        for charge, answer in zip(charges, answers, strict=True):
            if isinstance(answer, Posted):
                done.add(charge.acct_no)
                progress.note(charge.acct_no, f"charged {charge.amount}")
            elif answer.reason == "REQUEST_ID_REUSED":
                # The account left dunning and entered it again on the same day: the step was charged then.
                done.add(charge.acct_no)
            else:
                refused.append(charge)
                progress.failures[charge.acct_no] = FailureReason(answer.reason, answer.message)
        async with self._engine.begin() as connection:
            await store_dunning.thaw_charges(connection, context.client_no, refused)
        return done

    async def _suspend(
        self, context: ProcessContext, to_take: Sequence[_StepToTake], _progress: _Progress
    ) -> set[int]:
        # With the move of the position: a plan that somebody resumes afterwards is not suspended again.
        async with self._engine.begin() as connection:
            taken = await _move(connection, context, to_take)
            await store_plans.suspend_accounts(
                connection, context.client_no, sorted(taken), context.business_date, self.code
            )
        return {each.acct_no for each in to_take}

    def _required_ledger(self) -> Ledger:
        if self._ledger is None:
            raise ProcessFault(
                "no ledger is configured (TALLYBOOK_BATCH_LEDGER_TARGET): nobody can be dunned"
            )
        return self._ledger


async def _move(
    connection: AsyncConnection, context: ProcessContext, taken: Sequence[_StepToTake]
) -> set[int]:
    return await store_dunning.step_taken(
        connection,
        context.client_no,
        context.business_date,
        [(each.acct_no, each.position.entered_on, each.step.step_no) for each in taken],
    )


def _note_retry(acct_no: int, outcome: CollectionOutcome, progress: _Progress) -> None:
    """A decline is what a retry may end in, and the step is taken. Without a final answer it is not."""
    if outcome.failure is not None and outcome.failure.reason not in _FINAL_DECLINES:
        progress.failures[acct_no] = outcome.failure
    elif outcome.failure is not None:
        progress.note(acct_no, outcome.failure.reason)
    else:
        progress.note(
            acct_no, f"collected {outcome.collected}" if outcome.collected else "no payment could be tried"
        )


def _draft(client_no: int, charge: FrozenCharge) -> DunningChargeDraft:
    return DunningChargeDraft(
        key=f"{dunning_fact(client_no, charge.acct_no, charge.entered_on, charge.step_no)}-charge",
        acct_no=charge.acct_no,
        amount=charge.amount,
        effective_date=charge.business_date,
        step_no=charge.step_no,
        description=f"Dunning charge, step {charge.step_no}",
    )


def _result(record: WorkRecord, progress: _Progress) -> RecordResult:
    failure = progress.failures.get(record.acct_no)
    if failure is not None:
        return RecordResult.failed(record, failure.reason, failure.message)
    return RecordResult.ok(record, ", ".join(progress.notes.get(record.acct_no, [])) or "no step is due")
