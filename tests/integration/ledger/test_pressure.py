"""The rules under pressure: many connections, and two posters in processes of their own on one database.

Each race is run by callers of both processes at once, for a client of its own, whose books verify afterwards.
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import date
from functools import partial
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
import pytest_asyncio

from service_kit.launcher import LaunchedService, ServicePlan
from tallybook.ledger.v1.ledger_pb2 import TransactionDraft
from tests.integration.ledger.applications import NONE, Applications, directed
from tests.integration.ledger.caller import (
    REASON,
    Ledger,
    RefusedError,
    check,
    check_refund,
    credit,
    day,
    external_charge,
    invoice_draft,
    key,
    memo_line,
    payment,
    refusal_of,
    transfer,
    usd,
    write_off,
)
from tests.integration.ledger.statements import Statements
from tests.support.databases import Templates, fresh_databases
from tests.support.servers import free_port

PROCESSES: Final = 2
CONNECTIONS: Final = 4
"""To each process."""
CALLERS: Final = 16
_CLIENT_NOS: Final = count(1)


class Callers:
    """Callers of one client, who in turn go through connections to both processes."""

    def __init__(self, channels: Sequence[grpc.aio.Channel]) -> None:
        client_no = next(_CLIENT_NOS)
        self.ledgers = [Ledger(channel, client_no) for channel in channels]
        self.first = self.ledgers[0]

    async def race(self, *calls: Callable[[Ledger], Awaitable[Any]], each: int = CALLERS) -> Counter[str]:
        """Make each call so many times at once; how many ended with "" or with each reason."""
        ledgers = cycle(self.ledgers)
        wanted = list(islice(cycle(calls), each * len(calls)))
        outcomes = await asyncio.gather(*(_outcome(call(next(ledgers))) for call in wanted))
        return Counter(outcomes)


async def _outcome(call: Awaitable[Any]) -> str:
    """The reason of a refusal, "" without one. A call of one draft has that of the draft."""
    try:
        answer = await call
    except RefusedError as refused:
        return refused.refusal.reason
    for result in getattr(answer, "results", ()):
        if result.HasField("error"):
            return refusal_of(result.error).reason
    return ""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def channels(
    database_templates: Templates, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[list[grpc.aio.Channel]]:
    """Connections to two ledgers, each a process, on one database; those of the two alternate."""
    async with AsyncExitStack() as stack:
        new_database = await stack.enter_async_context(fresh_databases(database_templates))
        database = await new_database("ledger_service")
        logs: Path = tmp_path_factory.mktemp("ledgers")
        ledgers = [_ledger(database.url, logs / f"{number}.log") for number in range(PROCESSES)]
        for ledger in ledgers:
            await ledger.start()
            stack.push_async_callback(ledger.terminate)
        for ledger in ledgers:
            await ledger.wait_until_serving()
        # Channels to one address share a connection unless they are told not to.
        options = [("grpc.use_local_subchannel_pool", 1)]
        yield [
            await stack.enter_async_context(grpc.aio.insecure_channel(ledger.target, options=options))
            for _ in range(CONNECTIONS)
            for ledger in ledgers
        ]


def _ledger(database_url: str, log_file: Path) -> LaunchedService:
    plan = ServicePlan("ledger", "ledger_service", free_port())
    environment = {
        **os.environ,
        plan.variable("port"): str(plan.port),
        plan.variable("database_url"): database_url,
        plan.variable("development_principal"): "true",
        plan.variable("log_level"): "error",
    }
    return LaunchedService(plan, environment, log_file)


@pytest.fixture
async def callers(channels: list[grpc.aio.Channel]) -> AsyncIterator[Callers]:
    """Callers of a client that nobody else calls; the books verify after the race."""
    callers = Callers(channels)
    yield callers
    assert await callers.first.findings() == []


async def test_of_many_voids_of_one_transaction_exactly_one_succeeds(callers: Callers) -> None:
    acct = await callers.first.account(1_000)
    (credited,) = await callers.first.posted(credit(acct, 10))

    outcomes = await callers.race(lambda ledger: ledger.void(credited))

    assert outcomes == {"": 1, "ALREADY_VOIDED": CALLERS - 1}
    assert await callers.first.balance(acct) == 1_000


async def test_refunds_never_exceed_their_payment(callers: Callers) -> None:
    acct = await callers.first.account()
    (paid,) = await callers.first.posted(check(acct, 100))

    outcomes = await callers.race(lambda ledger: ledger.post(check_refund(acct, paid, 30)))

    assert outcomes == {"": 3, "REFUND_EXCEEDS_PAYMENT": CALLERS - 3}
    assert await callers.first.balance(acct) == -10


async def test_a_payment_is_refunded_or_voided_but_never_both(callers: Callers) -> None:
    for _ in range(4):
        acct = await callers.first.account()
        (paid,) = await callers.first.posted(check(acct, 100))

        outcomes = await callers.race(
            lambda ledger, acct=acct, paid=paid: ledger.post(check_refund(acct, paid, 100)),  # type: ignore[misc]
            lambda ledger, paid=paid: ledger.void(paid),  # type: ignore[misc]
            each=3,
        )

        assert outcomes in (
            {"": 1, "PAYMENT_NOT_REFUNDABLE": 3, "ALREADY_VOIDED": 2},
            {"": 1, "REFUND_EXCEEDS_PAYMENT": 2, "PAYMENT_REFUNDED": 3},
        )
        assert await callers.first.balance(acct) == 0


async def test_a_transfer_racing_payments_keeps_the_sum(callers: Callers) -> None:
    one, two = await callers.first.account(1_000), await callers.first.account(1_000)

    outcomes = await callers.race(
        lambda ledger: ledger.post(transfer(one, two)),
        lambda ledger: ledger.post(check(one, 10)),
        lambda ledger: ledger.post(transfer(two, one, 50)),
    )

    assert set(outcomes) <= {"", "TRANSFER_EXCEEDS_BALANCE"}
    left = [await callers.first.balance(acct) for acct in (one, two)]
    assert sum(left) == 2_000 - 10 * CALLERS


async def test_credits_never_exceed_the_balance(callers: Callers) -> None:
    acct = await callers.first.account(100)

    outcomes = await callers.race(lambda ledger: ledger.post(credit(acct, 30)))

    assert outcomes == {"": 3, "CREDIT_EXCEEDS_BALANCE": CALLERS - 3}


async def test_the_same_request_id_sent_ten_times_at_once_posts_once(callers: Callers) -> None:
    acct, again = await callers.first.account(), key()
    draft = check(acct, 7)
    ledgers = islice(cycle(callers.ledgers), 10)

    answers = await asyncio.gather(*(ledger.post(draft, request_id=again) for ledger in ledgers))

    assert len({answer.SerializeToString(deterministic=True) for answer in answers}) == 1
    assert await callers.first.balance(acct) == -7


async def test_a_gateway_reference_is_recorded_once_for_whatever_account(callers: Callers) -> None:
    accts = [await callers.first.account() for _ in range(4)]
    calls = [lambda ledger, acct=acct: ledger.post(payment(acct, 5, "gw")) for acct in accts]

    outcomes = await callers.race(*calls, each=4)

    assert outcomes == {"": 1, "GATEWAY_REFERENCE_TAKEN": 15}


async def test_a_billing_period_gets_one_invoice(callers: Callers) -> None:
    acct = await callers.first.account()

    outcomes = await callers.race(lambda ledger: ledger.create_invoices(invoice_draft(acct, (1, 9), (2, 1))))

    assert outcomes == {"": 1, "INVOICE_EXISTS": CALLERS - 1}
    assert await callers.first.balance(acct) == 10


async def test_an_invoice_has_a_memo_or_is_voided_but_never_both(callers: Callers) -> None:
    for _ in range(4):
        acct = await callers.first.account()
        invoice = await callers.first.invoice(acct, (1, 100))
        line = invoice.lines[0].event_no

        outcomes = await callers.race(
            lambda ledger, acct=acct, line=line: ledger.post(memo_line(acct, line, 100)),  # type: ignore[misc]
            lambda ledger, number=invoice.invoice_no: ledger.void_invoice(number),  # type: ignore[misc]
            each=3,
        )

        assert outcomes in (
            {"": 1, "MEMO_EXCEEDS_CHARGE": 3, "INVOICE_ALREADY_VOIDED": 2},
            {"": 1, "MEMO_EXCEEDS_CHARGE": 2, "INVOICE_HAS_CREDIT_MEMO": 3},
        )
        assert await callers.first.balance(acct) == 0


async def test_write_offs_and_memos_together_stay_within_their_invoice(callers: Callers) -> None:
    acct = await callers.first.account()
    invoice = await callers.first.invoice(acct, (1, 120), (3, 20))
    line = invoice.lines[0].event_no

    outcomes = await callers.race(
        lambda ledger: ledger.post(write_off(acct, invoice.invoice_no, 15)),
        lambda ledger: ledger.post(memo_line(acct, line, 15)),
        each=8,
    )

    assert outcomes[""] <= 8
    assert set(outcomes) <= {"", "WRITE_OFF_EXCEEDS_INVOICE", "MEMO_EXCEEDS_CHARGE"}
    left = await callers.first.balance(acct)
    # All memos may have come first: these are bounded by their line alone.
    assert left == 100 - 15 * outcomes[""]
    written_off = await callers.first.operate("ListTransactions", acct_no=acct, transaction_types=[6])
    assert left >= 0 or not written_off.transactions


async def test_a_dispute_is_settled_once(callers: Callers) -> None:
    acct = await callers.first.account()
    invoice = await callers.first.invoice(acct, (1, 100))
    dispute = await callers.first.operate(
        "CreateDispute", invoice_no=invoice.invoice_no, expires_on=day(date(2027, 1, 1)), **REASON
    )
    hold = dispute.transaction.event_no

    outcomes = await callers.race(
        lambda ledger: ledger.operate("SettleDispute", event_no=hold, resolution=1, **REASON),
        lambda ledger: ledger.operate("SettleDispute", event_no=hold, resolution=3, **REASON),
        lambda ledger: ledger.void(hold),
        each=5,
    )

    assert outcomes == {"": 1, "ALREADY_VOIDED": 14}
    assert await callers.first.balance(acct) in {0, 100}


async def test_what_is_posted_while_statements_are_closed_is_on_exactly_one(callers: Callers) -> None:
    acct = await callers.first.account(effective_date=day(date(2026, 1, 1)))
    ends = iter(date(2026, month, 28) for month in range(1, 13))

    async def post(ledger: Ledger) -> None:
        await ledger.posted(external_charge(acct, 1, effective_date=day(date(2026, 1, 15))))

    async def close(ledger: Ledger) -> Any:
        return await Statements(ledger).call(
            "CloseStatements", request_id=key(), acct_nos=[acct], period_end=day(next(ends))
        )

    outcomes = await callers.race(post, close, post, post, each=11)

    # A close of an earlier month may come after that of a later one.
    assert set(outcomes) <= {"", "STATEMENT_PERIOD_CLOSED"}
    statements = Statements(callers.first)
    await statements.closed(next(ends), acct)
    on_statements = [
        line.line.transaction.event_no
        for statement in await statements.all(acct)
        for line in await statements.lines(statement.statement_no)
    ]
    posted = await callers.first.operate("ListTransactions", acct_no=acct, page_size=1_000)
    assert sorted(on_statements) == sorted(each.event_no for each in posted.transactions)
    assert len(on_statements) == 33


async def test_the_same_statement_closed_by_many_is_closed_once(callers: Callers) -> None:
    acct = await callers.first.account()
    ledgers = islice(cycle(callers.ledgers), CALLERS)

    results = await asyncio.gather(*(Statements(ledger).close(date(2026, 3, 31), acct) for ledger in ledgers))

    assert sum(result.closed_now for (result,) in results) == 1
    assert len({result.statement.statement_no for (result,) in results}) == 1


async def test_an_amount_moves_in_circles_through_both_processes_without_a_deadlock(callers: Callers) -> None:
    accts = [await callers.first.account(100) for _ in range(3)]
    pairs = [(accts[place], accts[(place + 1) % 3]) for place in range(3)]

    outcomes = await callers.race(
        *(
            lambda ledger, pair=pair: ledger.operate(
                "TransferAccountBalance", from_acct_no=pair[0], to_acct_no=pair[1], amount=usd(1)
            )
            for pair in pairs
        ),
        each=10,
    )

    assert outcomes == {"": 30}
    assert sum([await callers.first.balance(acct) for acct in accts]) == 300


def applying(
    credit_event_no: int,
    *first: int,
    into: list[tuple[int, int]] | None = None,
) -> Callable[[Ledger], Awaitable[None]]:
    """A call that applies what is left of a credit, to these charges first; what it applied goes `into`."""

    async def apply(ledger: Ledger) -> None:
        instruction = directed(*first) if first else None
        applied = await Applications(ledger).apply(credit_event_no, application=instruction)
        if into is not None:
            into.extend(applied)

    return apply


def posting(make_draft: Callable[[], TransactionDraft]) -> Callable[[Ledger], Awaitable[list[int]]]:
    """A call that posts a draft, another one each time."""
    return lambda ledger: ledger.posted(make_draft())


async def open_is_the_balance(callers: Callers, acct_no: int) -> bool:
    """Whether the open charges less the open credits are the balance."""
    return await Applications(callers.first).open_balance(acct_no) == await callers.first.balance(acct_no)


async def test_a_held_credit_that_many_apply_at_once_pays_no_more_than_it_has(callers: Callers) -> None:
    for _ in range(4):
        acct = await callers.first.account()
        *charges, held = await callers.first.posted(
            *(external_charge(acct, 40) for _ in range(4)), check(acct, 100, application=NONE)
        )
        answered: list[tuple[int, int]] = []

        outcomes = await callers.race(
            applying(held, into=answered), applying(held, charges[-1], into=answered), each=4
        )

        assert outcomes == {"": 8}
        paid = await Applications(callers.first).paid(credit_event_no=held)
        assert sum(paid.values()) == 100
        assert paid == {(held, charge): amount for charge, amount in answered}
        assert max(paid.values()) == 40
        assert await open_is_the_balance(callers, acct)


async def test_a_held_credit_is_applied_once_for_the_same_request_id_sent_ten_times_at_once(
    callers: Callers,
) -> None:
    acct, again = await callers.first.account(), key()
    _, held = await callers.first.posted(external_charge(acct, 10), check(acct, 1_000, application=NONE))
    answers: list[list[tuple[int, int]]] = []

    async def apply(ledger: Ledger) -> None:
        answers.append(await Applications(ledger).apply(held, request_id=again))

    # Between the ten, charges are posted: what was applied twice would pay more of them.
    outcomes = await callers.race(apply, lambda ledger: ledger.posted(external_charge(acct, 10)), each=10)

    assert outcomes == {"": 20}
    assert answers == [answers[0]] * 10
    paid = await Applications(callers.first).paid(credit_event_no=held)
    assert paid == {(held, charge): amount for charge, amount in answers[0]}
    assert set(paid.values()) == {10}
    assert await open_is_the_balance(callers, acct)


async def test_a_held_credit_that_is_applied_and_voided_at_once_pays_nothing_but_its_void(
    callers: Callers,
) -> None:
    for _ in range(4):
        acct = await callers.first.account()
        *charges, held = await callers.first.posted(
            external_charge(acct, 60), external_charge(acct, 60), check(acct, 100, application=NONE)
        )

        outcomes = await callers.race(
            applying(held),
            lambda ledger, held=held: ledger.void(held),  # type: ignore[misc]
            each=3,
        )

        assert outcomes == {"": 4, "ALREADY_VOIDED": 2}
        voided = (await callers.first.transaction(held)).voided_by_event_no
        assert await Applications(callers.first).paid(acct_no=acct) == {(held, voided): 100}
        assert await Applications(callers.first).amounts(acct) == [(charge, 60) for charge in charges]
        assert await callers.first.balance(acct) == 120


async def test_a_charge_that_held_credits_and_payments_pay_at_once_is_paid_once(callers: Callers) -> None:
    for _ in range(4):
        acct = await callers.first.account()
        other, wanted, held = await callers.first.posted(
            external_charge(acct, 100), external_charge(acct, 100), check(acct, 150, application=NONE)
        )
        directly = partial(check, acct, 30, application=directed(wanted))
        calls = [applying(held, wanted), posting(directly), posting(partial(check, acct, 30))]

        assert await callers.race(*calls, each=4) == {"": 12}

        for charge in (other, wanted):
            paid = await Applications(callers.first).paid(charge_event_no=charge)
            assert sum(paid.values()) == 100
        assert sum((await Applications(callers.first).paid(acct_no=acct)).values()) == 200
        assert await Applications(callers.first).open_balance(acct) == 200 - 150 - 8 * 30
        assert await open_is_the_balance(callers, acct)
