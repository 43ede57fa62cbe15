"""Which credit paid which charge, through the contract: what is applied, what is open, what is proven."""

import asyncio
import importlib
from datetime import date, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import asyncpg
import grpc
import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection

from ledger_service.tables import metadata
from service_kit import migrations
from service_kit.database import engine_on
from service_kit.dates import date_to_proto
from tallybook.ledger.v1 import (
    application_pb2,
    ledger_pb2,
    transaction_pb2,
)
from tests.integration.ledger.applications import FIRST_DUE, NONE, Applications, directed
from tests.integration.ledger.caller import (
    FEBRUARY,
    JANUARY,
    REASON,
    Ledger,
    RefusedError,
    check,
    credit,
    electronic_refund,
    external_charge,
    key,
    memo_line,
    number,
    payment,
    refusal_of_call,
    reversal,
    transfer,
    usd,
    void,
    write_off,
)
from tests.integration.ledger.conftest import Serve
from tests.support.databases import FreshDatabase

if TYPE_CHECKING:
    pass

TODAY = date(2026, 3, 1)


@pytest.fixture
async def applications(serve: Serve) -> Applications:
    """The ledger, for client 1."""
    return Applications(Ledger(await serve(), client_no=1))


async def test_a_payment_pays_charges_in_its_own_commit_and_both_sides_can_be_listed(
    applications: Applications,
) -> None:
    ledger = applications.ledger
    acct = await ledger.account(payment_term_days=14)
    first = await ledger.invoice(acct, (1, 1_000), (3, 100), invoice_date=TODAY, period=JANUARY)
    second = await ledger.invoice(acct, (1, 500), invoice_date=TODAY, period=FEBRUARY)
    later = date_to_proto(TODAY + timedelta(days=1))
    (paid,) = await ledger.posted(payment(acct, 1_200, effective_date=later))

    (item,) = await applications.open(acct)
    assert (item.charge, item.open_amount, item.held) == (True, usd(200), False)
    assert item.invoice_no == second.invoice_no
    assert item.due_date == date_to_proto(TODAY + timedelta(days=14))

    of_credit = await applications.made(credit_event_no=paid)
    assert [(each.amount.minor_units, each.by_event_no) for each in of_credit] == [(900, paid), (300, paid)]
    assert all(each.effective_date == later and each.created_at.seconds for each in of_credit)
    charge = (await ledger.get_invoice(first.invoice_no)).lines[0].event_no
    of_charge = await applications.made(charge_event_no=charge)
    assert [each.amount.minor_units for each in of_charge] == [100, 900]
    of_account = await applications.made(acct_no=acct, page_size=1)
    assert len(of_account) == 3
    assert [each.application_no for each in of_account] == sorted(each.application_no for each in of_account)
    assert await ledger.findings() == []


async def test_a_payment_says_what_it_pays(applications: Applications) -> None:
    ledger = applications.ledger
    acct = await ledger.account()
    oldest, named = await ledger.posted(external_charge(acct, 100), external_charge(acct, 100))
    billed = await ledger.invoice(acct, (1, 100), invoice_date=TODAY - timedelta(days=9))
    (line,) = (await ledger.get_invoice(billed.invoice_no)).lines

    response = await ledger.ledger.RecordExternalPayment(
        ledger_pb2.RecordExternalPaymentRequest(
            client_no=1,
            request_id=key(),
            acct_no=acct,
            amount=usd(120),
            external_payment=transaction_pb2.ExternalPayment(reference_code=f"check {number()}"),
            application=directed(named),
        )
    )
    made = await applications.made(credit_event_no=response.transaction.event_no)
    assert [(each.charge_event_no, each.amount.minor_units) for each in made] == [
        (named, 100),
        (line.event_no, 20),
    ]

    (held,) = await ledger.posted(check(acct, 150, application=NONE))
    assert await applications.amounts(acct) == [(line.event_no, 80), (oldest, 100), (held, 150)]
    assert (await applications.open(acct, page_size=1))[-1].held
    assert await ledger.balance(acct) == 30

    assert await applications.apply(held, application=directed(oldest)) == [
        (oldest, 100),
        (line.event_no, 50),
    ]
    assert await applications.apply(held) == []
    assert await applications.amounts(acct) == [(line.event_no, 30)]
    assert await ledger.findings() == []


async def test_an_application_is_made_once_for_its_key(applications: Applications) -> None:
    ledger = applications.ledger
    acct = await ledger.account()
    (held,) = await ledger.posted(check(acct, 150, application=NONE))
    (charge,) = await ledger.posted(external_charge(acct, 100))
    first = await applications.apply(held, request_id="apply-1")
    (again,) = await ledger.posted(external_charge(acct, 100))

    assert first == [(charge, 100)] == await applications.apply(held, request_id="apply-1")
    assert await applications.amounts(acct) == [(again, 100), (held, 50)]


async def test_instructions_that_are_refused(applications: Applications) -> None:
    ledger = applications.ledger
    acct, other = await ledger.account(), await ledger.account()
    (charge, foreign, paid) = await ledger.posted(
        external_charge(acct, 10), external_charge(other, 10), check(acct, 1)
    )
    assert await ledger.refusals(
        check(acct, 1, application=directed(foreign)),
        check(acct, 1, application=directed(paid)),
        check(acct, 1, application=directed(987_654)),
        check(acct, 1, application=directed(invoices=(987_654,))),
        external_charge(acct, 1, application=FIRST_DUE),
    ) == [
        "SOURCE_MISMATCH",
        "SOURCE_MISMATCH",
        "TRANSACTION_NOT_FOUND",
        "INVOICE_NOT_FOUND",
        "SOURCE_MISMATCH",
    ]
    for event_no, reason in ((charge, "SOURCE_MISMATCH"), (987_654, "TRANSACTION_NOT_FOUND")):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await applications.apply(event_no)
        assert refusal_of_call(refused.value).reason == reason
    untargeted = application_pb2.ApplicationInstruction(method=application_pb2.APPLICATION_METHOD_DIRECTED)
    for instruction in (untargeted, NONE):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await applications.apply(paid, application=instruction)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(RefusedError):
        await ledger.post(check(acct, 1, application=untargeted))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await applications.open(987_654)
    assert refusal_of_call(refused.value).reason == "ACCOUNT_NOT_FOUND"


async def test_what_a_void_undoes_is_open_again(applications: Applications) -> None:
    ledger = applications.ledger
    acct = await ledger.account(payment_term_days=14)
    billed = await ledger.invoice(acct, (1, 1_000), invoice_date=TODAY)
    (line,) = (await ledger.get_invoice(billed.invoice_no)).lines
    (paid,) = await ledger.posted(payment(acct, 700))
    (voided,) = (await ledger.void(paid)).transactions

    (item,) = await applications.open(acct)
    assert (item.event_no, item.open_amount.minor_units) == (line.event_no, 1_000)
    assert item.due_date == date_to_proto(TODAY + timedelta(days=14))
    first, taken_back, of_void = await applications.made(credit_event_no=paid)
    assert taken_back.takes_back_application_no == first.application_no
    assert (taken_back.by_event_no, taken_back.amount) == (voided.event_no, usd(700))
    assert of_void.charge_event_no == voided.event_no

    (again,) = await ledger.posted(payment(acct, 400))
    (charge,) = await ledger.posted(external_charge(acct, 300))
    await ledger.void_invoice(billed.invoice_no)
    assert await applications.amounts(acct) == [(again, 100)]
    assert [each.charge_event_no for each in await applications.made(credit_event_no=again)] == [
        line.event_no,
        line.event_no,
        charge,
    ]
    assert await ledger.findings() == []


async def test_refunds_memos_write_offs_and_transfers_are_applied_to_what_they_are_for(
    applications: Applications,
) -> None:
    ledger = applications.ledger
    opened = date_to_proto(TODAY)
    acct, target = await ledger.account(5_000, effective_date=opened), await ledger.account()
    billed = await ledger.invoice(acct, (1, 1_000), invoice_date=TODAY + timedelta(days=9))
    (line,) = (await ledger.get_invoice(billed.invoice_no)).lines
    (memo, written_off) = await ledger.posted(
        memo_line(acct, line.event_no, 100), write_off(acct, billed.invoice_no, 50)
    )
    for event_no in (memo, written_off):
        (made,) = await applications.made(credit_event_no=event_no)
        assert made.charge_event_no == line.event_no
    (paid,) = await ledger.posted(payment(acct, 5_200))
    assert await applications.amounts(acct) == [(line.event_no, 650)]
    refund, reversed_ = await ledger.posted(
        electronic_refund(acct, paid, 300, document="r"), reversal(acct, line.event_no, 300, document="r")
    )
    assert sum(amount for _, amount in await applications.amounts(acct)) == 650 == await ledger.balance(acct)
    await ledger.void(refund)
    assert sum(amount for _, amount in await applications.amounts(acct)) == 650 == await ledger.balance(acct)
    assert (await applications.made(credit_event_no=reversed_))[-1].charge_event_no != line.event_no

    leg, other_leg = await ledger.posted(transfer(acct, target, 600))
    (made,) = await applications.made(credit_event_no=leg)
    assert made.amount == usd(600)
    assert await applications.amounts(target) == [(other_leg, 600)]
    await ledger.void(leg)
    assert await applications.amounts(target) == []
    (goodwill,) = await ledger.posted(credit(acct, 50, application=FIRST_DUE))
    assert len(await applications.made(credit_event_no=goodwill)) == 1
    assert await ledger.findings() == []


async def test_aging_reads_what_is_open_and_before_later_transactions_what_was(
    applications: Applications,
) -> None:
    ledger = applications.ledger
    acct = await ledger.account()
    days = [date_to_proto(TODAY + timedelta(days=day)) for day in range(3)]
    old, new = await ledger.posted(
        external_charge(acct, 100, effective_date=days[0]), external_charge(acct, 40, effective_date=days[1])
    )
    await ledger.posted(check(acct, 40, effective_date=days[2], application=directed(new)))

    assert await applications.amounts(acct) == [(old, 100)]
    assert (await ledger.aging(acct, TODAY + timedelta(days=9))).overdue.minor_units == 100
    assert (await ledger.aging(acct, TODAY + timedelta(days=1))).overdue.minor_units == 100
    assert (await ledger.aging(acct, TODAY)).overdue.minor_units == 0
    await ledger.posted(check(acct, 100, effective_date=days[2], application=NONE))
    assert await ledger.balance(acct) == 0
    assert (await ledger.aging(acct, TODAY + timedelta(days=9))).overdue.minor_units == 100


async def test_the_front_of_a_long_queue_is_paid_and_the_rest_is_left_alone(
    applications: Applications,
) -> None:
    ledger = applications.ledger
    acct = await ledger.account()
    charges = await ledger.posted(*(external_charge(acct, 10) for _ in range(300)))
    (paid,) = await ledger.posted(check(acct, 25))
    assert [each.charge_event_no for each in await applications.made(credit_event_no=paid)] == charges[:3]
    assert (await applications.amounts(acct))[:2] == [(charges[2], 5), (charges[3], 10)]

    await ledger.posted(*(check(acct, 30) for _ in range(100)))
    ((waiting, left),) = await applications.amounts(acct)
    assert left == 25
    charges = await ledger.posted(*(external_charge(acct, 1) for _ in range(30)))
    taken = [each.charge_event_no for each in await applications.made(credit_event_no=waiting)]
    assert taken[-25:] == charges[:25]
    assert await applications.amounts(acct) == [(charge, 1) for charge in charges[25:]]
    assert await ledger.findings() == []


async def test_many_at_once_through_two_services_leave_what_is_applied_whole(serve: Serve) -> None:
    both = [Applications(Ledger(await serve(), client_no=1)) for _ in range(2)]
    ledger = both[0].ledger
    accounts = [await ledger.account() for _ in range(4)]

    async def work(place: int) -> None:
        mine, acct = both[place % 2], accounts[place % 4]
        (charge, paid, _) = await mine.ledger.posted(
            external_charge(acct, 30 + place),
            check(acct, 20 + place, application=NONE if place % 5 == 0 else None),
            check(acct, 7),
        )
        await mine.apply(paid)
        if place % 3 == 0:
            await mine.ledger.void(paid)
        if place % 4 == 1:
            await mine.ledger.posted(void(acct, -14, charge))
        await mine.ledger.posted(external_charge(acct, 9))
        if place % 6 == 0:
            await mine.ledger.post(transfer(acct, accounts[(place + 1) % 4], 3))

    await asyncio.gather(*(work(place) for place in range(60)))

    assert await both[0].ledger.findings() == []
    for acct in accounts:
        items = await both[1].open(acct, page_size=7)
        balance = sum(
            item.open_amount.minor_units if item.charge else -item.open_amount.minor_units for item in items
        )
        assert balance == await ledger.balance(acct)


# What the migration to 0003 made, with what the one to 0008 made of it, and nothing of the others.
WITHOUT_APPLICATIONS = """
    DROP VIEW open_item;
    DROP TABLE application, application_instruction, item_balance;
    DROP SEQUENCE application_seq;
    ALTER TABLE account_balance DROP COLUMN last_effective_date, DROP COLUMN held, DROP COLUMN waiting_after
"""


async def make_applications(url: str) -> None:
    """Run these two revisions alone, on a database that has all others."""
    versions = "ledger_service.migrations.versions"
    revisions = [
        importlib.import_module(f"{versions}.{name}")
        for name in ("0003_applications", "0008_waiting_in_turn")
    ]

    def upgrade(connection: Connection) -> None:
        with Operations.context(MigrationContext.configure(connection, opts={"target_metadata": metadata})):
            for revision in revisions:
                revision.upgrade()

    engine = engine_on(url, name="test", pool_size=1)
    async with engine.begin() as connection:
        await connection.run_sync(upgrade)
    await engine.dispose()


async def test_the_migration_applies_what_was_posted_before_oldest_first(
    applications: Applications,
    database: FreshDatabase,
    sql: "asyncpg.Connection[asyncpg.Record]",
    serve: Serve,
) -> None:
    ledger = applications.ledger
    acct, other, in_credit, empty = [await ledger.account(500), *[await ledger.account() for _ in range(3)]]
    billed = await ledger.invoice(acct, (3, 100), (1, 1_000), invoice_date=TODAY)
    (_, line) = (await ledger.get_invoice(billed.invoice_no)).lines
    (paid,) = await ledger.posted(payment(acct, 1_200))
    await ledger.posted(memo_line(acct, line.event_no, 100))
    await ledger.posted(
        electronic_refund(acct, paid, 300, document="r"), reversal(acct, line.event_no, 200, document="r")
    )
    (wrong,) = await ledger.posted(check(acct, 70))
    await ledger.void(wrong)
    await ledger.posted(*(external_charge(other, amount) for amount in (10, 20, 30)), check(other, 25))
    await ledger.posted(check(in_credit, 9), check(in_credit, 4), external_charge(in_credit, 11))
    accounts = (acct, other, in_credit, empty)
    open_before = [await applications.open(each) for each in accounts]
    others_before = [
        (made.credit_event_no, made.charge_event_no, made.amount.minor_units, made.by_event_no)
        for each in (other, in_credit)
        for made in await applications.made(acct_no=each)
    ]

    await sql.execute(WITHOUT_APPLICATIONS)
    await make_applications(database.owner_url)
    runtime_role = urlsplit(database.url).username
    await migrations.upgrade("ledger_service", database.owner_url, runtime_role)

    after = Applications(Ledger(await serve(), client_no=1))
    assert [await after.open(each) for each in accounts] == open_before
    assert others_before == [
        (made.credit_event_no, made.charge_event_no, made.amount.minor_units, made.by_event_no)
        for each in (other, in_credit)
        for made in await after.made(acct_no=each)
    ]
    assert await after.ledger.findings() == []
    made_before = await after.made(acct_no=acct)
    (charge, _) = await after.ledger.posted(external_charge(empty, 5), check(empty, 5))
    (made,) = await after.made(charge_event_no=charge)
    assert made.application_no > made_before[-1].application_no


async def test_a_settled_dispute_opens_its_invoice_again_with_the_due_date_that_it_is_given(
    applications: Applications,
) -> None:
    ledger = applications.ledger
    acct = await ledger.account(payment_term_days=14)
    billed = await ledger.invoice(acct, (1, 1_000), invoice_date=TODAY)
    disputed = await ledger.ledger.CreateDispute(
        ledger_pb2.CreateDisputeRequest(
            client_no=1,
            request_id=key(),
            invoice_no=billed.invoice_no,
            effective_date=date_to_proto(TODAY),
            expires_on=date_to_proto(TODAY + timedelta(days=30)),
            **REASON,  # type: ignore[arg-type]
        )
    )
    assert await applications.amounts(acct) == []
    await ledger.ledger.SettleDispute(
        ledger_pb2.SettleDisputeRequest(
            client_no=1,
            request_id=key(),
            event_no=disputed.transaction.event_no,
            resolution=ledger_pb2.DISPUTE_RESOLUTION_RE_AGE,
            effective_date=date_to_proto(TODAY + timedelta(days=20)),
            **REASON,
        )
    )
    due_date = date_to_proto(TODAY + timedelta(days=34))
    for _ in range(2):
        (item,) = await applications.open(acct)
        assert (item.open_amount.minor_units, item.due_date) == (1_000, due_date)
        # Closed by a payment, it is open again with that date when the payment is voided.
        (paid,) = await ledger.posted(payment(acct, 1_000))
        await ledger.void(paid)
    assert await ledger.findings() == []
