"""Collects payments: whatever is open first, then one new payment an account (rules 10, 12, 31).

Safe to be cut off between any two steps. The attempt is stored before the gateway is called, and what the
gateway said before the ledger is; both know the attempt by its own identifier, and take it once. So the
next call finds out where the last one stopped, and goes on from there.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from batch_service import store_payments
from batch_service.billing_setup import PaymentMethod
from batch_service.gateway_client import Gateway
from batch_service.ledger_client import ElectronicPaymentDraft, Ledger, Posted
from batch_service.rules.collection import (
    STATUS_AFTER,
    UNRESOLVED,
    AttemptStatus,
    ChargeAnswer,
    ChargeOrder,
    FailureReason,
    GatewayAnswer,
    amount_to_collect,
    attempt_id,
    failure_of,
)
from batch_service.store_payments import PaymentAttempt
from service_kit.money import Money


class CollectionOrder(NamedTuple):
    """Collect what is due of an account, once for `fact`. Nothing new is collected without a method that
    may be charged.
    """

    acct_no: int
    fact: str
    business_date: date


class CollectionOutcome(NamedTuple):
    """What became of an order: money collected for it (None: none, now or before), or why it failed."""

    collected: Money | None = None
    failure: FailureReason | None = None


_NOT_IN_THE_LEDGER: Final = CollectionOutcome(
    failure=FailureReason("ACCOUNT_NOT_FOUND", "the ledger has no such account of the client")
)


class _Resolved(NamedTuple):
    """What became of the attempts that were open.

    absent: those that never arrived at the gateway. refusals: of the ledger, by attempt.
    """

    absent: Sequence[PaymentAttempt]
    refusals: Mapping[str, FailureReason]


class _Told(NamedTuple):
    """What the ledger said of attempts: those that are posted since just now, and its refusals by attempt."""

    posted: Sequence[PaymentAttempt]
    refusals: Mapping[str, FailureReason]


class Collector:
    """Collects from the accounts of a client, through its gateway and into its ledger."""

    def __init__(self, engine: AsyncEngine, ledger: Ledger, gateway: Gateway) -> None:
        self._engine = engine
        self._ledger = ledger
        self._gateway = gateway

    async def collect(
        self, client_no: int, orders: Sequence[CollectionOrder]
    ) -> dict[int, CollectionOutcome]:
        """Collect for each order; the outcomes by account. An account is ordered once in a call."""
        acct_nos = [order.acct_no for order in orders]
        assert len(set(acct_nos)) == len(acct_nos), "an account is ordered twice"
        resolved = await self._resolve(client_no, acct_nos)
        balances = await self._ledger.balances(client_no, acct_nos)
        async with self._engine.connect() as connection:
            # Also where none was open before: the balances were read since, and may be of before an attempt
            # that another process has begun.
            open_attempts = await store_payments.open_attempts(connection, client_no, acct_nos)
            known = await store_payments.attempts_for(connection, client_no, [order.fact for order in orders])
            methods = await store_payments.find_methods(connection, client_no, acct_nos)
        still_open = {attempt.acct_no for attempt in open_attempts}
        resent = [
            _again(attempt, methods.get(attempt.acct_no), balances.get(attempt.acct_no))
            for attempt in resolved.absent
            if attempt.acct_no in still_open
        ]
        lapsed = {attempt.acct_no for attempt in resent if attempt.status is AttemptStatus.LAPSED}
        new = [
            attempt
            for order in orders
            if (order.acct_no not in still_open or order.acct_no in lapsed)
            and (attempt := _attempt_for(order, methods, known, balances.get(order.acct_no))) is not None
        ]
        sent = await self._send(client_no, resent, new)
        # What was posted for an order just now is its outcome; for the others it is looked up.
        facts = {order.fact for order in orders}
        outcomes = {
            each.acct_no: CollectionOutcome(collected=each.amount)
            for each in sent.posted
            if each.fact in facts
        }
        outcomes |= await self._outcomes(
            client_no,
            [order for order in orders if order.acct_no not in outcomes],
            resent,
            {**resolved.refusals, **sent.refusals},
        )
        strangers = [acct_no for acct_no in acct_nos if acct_no not in balances]
        return outcomes | dict.fromkeys(strangers, _NOT_IN_THE_LEDGER)

    async def _resolve(self, client_no: int, acct_nos: Sequence[int]) -> _Resolved:
        """Ask for what is unresolved, and post what was approved."""
        async with self._engine.connect() as connection:
            attempts = await store_payments.open_attempts(connection, client_no, acct_nos)
        unresolved = [attempt for attempt in attempts if attempt.status in UNRESOLVED]
        answers = await self._gateway.ask(client_no, [each.attempt_id for each in unresolved])
        answered = [_answered(*pair) for pair in zip(unresolved, answers, strict=True)]
        await self._save(client_no, answered)
        approved = [each for each in attempts if each.status is AttemptStatus.APPROVED]
        told = await self._post(client_no, [*approved, *answered])
        absent = [
            attempt
            for attempt, answer in zip(answered, answers, strict=True)
            if answer.answer is GatewayAnswer.ABSENT
        ]
        return _Resolved(absent, told.refusals)

    async def _send(
        self, client_no: int, resent: Sequence[PaymentAttempt], new: Sequence[PaymentAttempt]
    ) -> _Told:
        """Store, charge, store, post."""
        async with self._engine.begin() as connection:
            await store_payments.save_attempts(connection, client_no, resent)
            stored = await store_payments.add_attempts(connection, client_no, new)
        to_charge = [each for each in resent if each.status in UNRESOLVED]
        to_charge += [each for each in new if each.attempt_id in stored]
        answers = await self._charge(client_no, to_charge)
        charged = [_answered(*pair) for pair in zip(to_charge, answers, strict=True)]
        await self._save(client_no, charged)
        return await self._post(client_no, charged)

    async def _charge(self, client_no: int, attempts: Sequence[PaymentAttempt]) -> list[ChargeAnswer]:
        answers = await self._gateway.charge(client_no, [_order(attempt) for attempt in attempts])
        # Silence is no decline: ask once, now. If that does not help, the next run asks.
        silent = [place for place, each in enumerate(answers) if each.answer is GatewayAnswer.NO_ANSWER]
        asked = await self._gateway.ask(client_no, [attempts[place].attempt_id for place in silent])
        for place, answer in zip(silent, asked, strict=True):
            answers[place] = answer
        return answers

    async def _save(self, client_no: int, attempts: Sequence[PaymentAttempt]) -> set[str]:
        if not attempts:
            return set()
        async with self._engine.begin() as connection:
            return await store_payments.save_attempts(connection, client_no, attempts)

    async def _post(self, client_no: int, attempts: Iterable[PaymentAttempt]) -> _Told:
        approved = [attempt for attempt in attempts if attempt.status is AttemptStatus.APPROVED]
        answers = await self._ledger.post_payments(client_no, [_draft(attempt) for attempt in approved])
        posted, refusals = [], {}
        for attempt, answer in zip(approved, answers, strict=True):
            if isinstance(answer, Posted):
                posted.append(attempt._replace(status=AttemptStatus.POSTED, event_no=answer.event_no))
            elif answer.reason == "GATEWAY_REFERENCE_TAKEN":
                # This very payment is in the ledger, recorded by another hand: it must not be there twice.
                event_no = answer.metadata.get("event_no", "")
                posted.append(
                    attempt._replace(
                        status=AttemptStatus.POSTED,
                        event_no=int(event_no) if event_no.isdecimal() else None,
                    )
                )
            else:
                refusals[attempt.attempt_id] = FailureReason(
                    answer.reason, f"the gateway took {attempt.amount}, but the ledger says: {answer.message}"
                )
        saved = await self._save(client_no, posted)
        return _Told([attempt for attempt in posted if attempt.attempt_id in saved], refusals)

    async def _outcomes(
        self,
        client_no: int,
        orders: Sequence[CollectionOrder],
        resent: Sequence[PaymentAttempt],
        refusals: Mapping[str, FailureReason],
    ) -> dict[int, CollectionOutcome]:
        """What the attempts say now: an open one of the account, else the latest for the fact, else the one
        of an earlier day that was sent again.
        """
        if not orders:
            return {}
        facts = [order.fact for order in orders]
        resent_facts = {attempt.acct_no: attempt.fact for attempt in resent}
        async with self._engine.connect() as connection:
            acct_nos = [order.acct_no for order in orders]
            still_open = {
                attempt.acct_no: attempt
                for attempt in await store_payments.open_attempts(connection, client_no, acct_nos)
            }
            known = await store_payments.attempts_for(connection, client_no, [*facts, *resent_facts.values()])
        return {
            order.acct_no: _outcome(
                still_open.get(order.acct_no),
                known.get(order.fact) or known.get(resent_facts.get(order.acct_no, ""), []),
                refusals,
            )
            for order in orders
        }


def _outcome(
    still_open: PaymentAttempt | None,
    known: Sequence[PaymentAttempt],
    refusals: Mapping[str, FailureReason],
) -> CollectionOutcome:
    if still_open is not None and still_open.attempt_id in refusals:
        return CollectionOutcome(failure=refusals[still_open.attempt_id])
    posted = next((each for each in known if each.status is AttemptStatus.POSTED), None)
    if posted is not None and still_open is None:
        return CollectionOutcome(collected=posted.amount)
    last = still_open or (known[-1] if known else None)
    if last is None:
        return CollectionOutcome()
    return CollectionOutcome(failure=failure_of(last.status, last.decline_code))


def _attempt_for(
    order: CollectionOrder,
    methods: dict[int, PaymentMethod],
    known: dict[str, list[PaymentAttempt]],
    balance: Money | None,
) -> PaymentAttempt | None:
    """The new attempt that an order needs; None when it has had its own, or nothing is due or allowed."""
    method = methods.get(order.acct_no)
    due = amount_to_collect(balance) if balance is not None else None
    if method is None or not method.collectable or due is None:
        return None
    identifier = attempt_id(order.fact, method.version)
    earlier = known.get(order.fact, [])
    if any(each.status is AttemptStatus.POSTED or each.attempt_id == identifier for each in earlier):
        return None
    return PaymentAttempt(
        attempt_id=identifier,
        fact=order.fact,
        acct_no=order.acct_no,
        business_date=order.business_date,
        method_kind=method.kind,
        method_version=method.version,
        payment_token=method.payment_token,
        amount=due,
        status=AttemptStatus.NEW,
    )


def _again(attempt: PaymentAttempt, method: PaymentMethod | None, balance: Money | None) -> PaymentAttempt:
    """An attempt that never arrived took nothing: it is for what is due now, by the method that it was for.
    It lapses when nothing is due, or when the account pays in another way by now.
    """
    due = amount_to_collect(balance) if balance is not None else None
    unchanged = method is not None and method.collectable and method.version == attempt.method_version
    if due is None or not unchanged:
        return attempt._replace(status=AttemptStatus.LAPSED)
    return attempt._replace(amount=due, status=AttemptStatus.NEW)


def _answered(attempt: PaymentAttempt, answer: ChargeAnswer) -> PaymentAttempt:
    taken = answer.amount if answer.answer is GatewayAnswer.APPROVED and answer.amount else attempt.amount
    return attempt._replace(
        status=STATUS_AFTER[answer.answer],
        gateway_reference=answer.gateway_reference,
        decline_code=answer.decline_code,
        amount=taken,
    )


def _order(attempt: PaymentAttempt) -> ChargeOrder:
    return ChargeOrder(attempt.attempt_id, attempt.payment_token, attempt.amount)


def _draft(attempt: PaymentAttempt) -> ElectronicPaymentDraft:
    return ElectronicPaymentDraft(
        key=attempt.attempt_id,
        acct_no=attempt.acct_no,
        amount=attempt.amount,
        effective_date=attempt.business_date,
        kind=attempt.method_kind,
        gateway_reference=attempt.gateway_reference,
    )
