"""Invoicer: every due period once, whatever happens in between."""

import asyncio
import itertools
from datetime import date
from types import ModuleType

import pytest

from batch_service import store_invoicing
from batch_service.ledger_client import Ledger
from batch_service.rules.invoicing import InvoiceComposition, compose
from tallybook.batch.v1 import billing_setup_pb2 as setup
from tallybook.type.v1 import money_pb2
from tests.integration.batch_billing.books import BookedInvoice, OpenedAccount
from tests.integration.batch_billing.caller import as_text, day, plan, usd
from tests.integration.batch_billing.conftest import NewNight
from tests.integration.batch_billing.night import Night
from tests.integration.batch_billing.scissors import CutOffError, Scissors

STEPS: list[tuple[ModuleType | type, list[str]]] = [
    (store_invoicing, ["lock_due_plans", "move_on", "add_intents", "open_intents", "settle_intents"]),
    (Ledger, ["create_invoices", "invoice_has_lines"]),
]


def plan_of(account: OpenedAccount, **changes: object) -> setup.RecurringPlan:
    return plan(acct_no=account.acct_no, plan_instance_no=account.plan_instance_no, **changes)


def line(
    line_id: str, account: OpenedAccount, kind: setup.PendingLineKind.ValueType, minor_units: int
) -> setup.PendingLine:
    return setup.PendingLine(
        line_id=line_id,
        acct_no=account.acct_no,
        plan_instance_no=account.plan_instance_no,
        kind=kind,
        description="extra",
        amount=usd(minor_units),
    )


async def next_bill_date(night: Night) -> str:
    (stored,) = await night.caller.plans()
    return as_text(stored.next_bill_date) if stored.HasField("next_bill_date") else ""


async def unsettled(night: Night) -> tuple[int, int]:
    """Open intents, and pending lines without an invoice."""
    row = await night.admin.fetchrow(
        "SELECT (SELECT count(*) FROM invoice_intent WHERE client_no = $1),"
        " (SELECT count(*) FROM pending_line WHERE client_no = $1 AND invoice_no IS NULL)",
        night.client_no,
    )
    assert row is not None
    return row[0], row[1]


async def test_a_plan_in_advance_is_invoiced_on_its_day_and_moves_on(night: Night) -> None:
    account = await night.books.open_account()
    await night.caller.set_plans(plan_of(account, start_date=day("2026-01-10")))
    assert await night.run("invoicer", "2026-01-09") == {}
    outcomes = await night.run("invoicer", "2026-01-10")
    assert outcomes[f"plan_instance:{account.plan_instance_no}"].message.startswith("invoice ")
    assert await night.books.invoices(account) == [
        BookedInvoice(("2026-01-10", "2026-01-31"), "2026-01-10", ((1, 2200),))
    ]
    assert await next_bill_date(night) == "2026-02-01"
    assert await night.books.balance(account) == 2200


async def test_a_second_run_of_the_day_changes_nothing(night: Night) -> None:
    account = await night.books.open_account()
    await night.caller.set_plans(plan_of(account))
    await night.run("invoicer", "2026-01-01")
    before = await night.books.transactions(account)
    assert await night.run("invoicer", "2026-01-01") == {}
    assert await night.books.transactions(account) == before


async def test_a_plan_in_arrears_is_invoiced_after_its_period(night: Night) -> None:
    account = await night.books.open_account()
    arrears = setup.BILLING_TIMING_IN_ARREARS
    await night.caller.set_plans(
        plan_of(account, timing=arrears, anchor_day=31, start_date=day("2026-01-31"))
    )
    assert await night.run("invoicer", "2026-02-27") == {}
    await night.run("invoicer", "2026-02-28")
    await night.run("invoicer", "2026-03-31")
    assert await night.books.invoices(account) == [
        BookedInvoice(("2026-01-31", "2026-02-27"), "2026-02-28", ((7, 3100),)),
        BookedInvoice(("2026-02-28", "2026-03-30"), "2026-03-31", ((7, 3100),)),
    ]


async def test_missed_periods_are_invoiced_one_by_one_in_order(night: Night) -> None:
    account = await night.books.open_account()
    await night.caller.set_plans(plan_of(account, activation_charge=usd(500)))
    await night.run("invoicer", "2026-03-15")
    assert await night.books.invoices(account) == [
        BookedInvoice(("2026-01-01", "2026-01-31"), "2026-03-15", ((1, 3100), (5, 500))),
        BookedInvoice(("2026-02-01", "2026-02-28"), "2026-03-15", ((1, 3100),)),
        BookedInvoice(("2026-03-01", "2026-03-31"), "2026-03-15", ((1, 3100),)),
    ]
    assert await next_bill_date(night) == "2026-04-01"


async def test_who_waited_for_another_worker_sees_what_that_one_wrote_down(night: Night) -> None:
    account = await night.books.open_account()
    await night.caller.set_plans(plan_of(account))
    plan_nos, business_date = [account.plan_instance_no], date(2026, 1, 1)
    async with night.engine.begin() as first, night.engine.begin() as second:
        (due,) = await store_invoicing.lock_due_plans(first, night.client_no, plan_nos, business_date)
        late = asyncio.create_task(
            store_invoicing.lock_due_plans(second, night.client_no, plan_nos, business_date)
        )
        await asyncio.sleep(0.2)
        assert not late.done()
        made = compose(due.plan, due.pending)
        assert isinstance(made, InvoiceComposition)
        await store_invoicing.add_intents(first, night.client_no, business_date, [(due.plan, made)])
        await first.commit()
        assert await late == []


async def test_everything_that_waits_is_on_the_invoice_with_its_tax(night: Night) -> None:
    account = await night.books.open_account()
    await night.caller.set_plans(plan_of(account, tax_percent="10", activation_charge=usd(500)))
    await night.caller.add_lines(
        line("a", account, setup.PENDING_LINE_KIND_SURCHARGE, 300),
        line("b", account, setup.PENDING_LINE_KIND_ORDER_CHARGE, 400),
        line("c", account, setup.PENDING_LINE_KIND_SERVICE_CREDIT, 200),
        line("d", account, setup.PENDING_LINE_KIND_COUPON_CREDIT, 100),
    )
    await night.run("invoicer", "2026-01-01")
    (invoice,) = await night.books.invoices(account)
    assert invoice.lines == ((1, 3100), (5, 500), (8, 400), (9, 300), (2, 430), (3, 200), (4, 100))
    assert await unsettled(night) == (0, 0)
    assert await night.books.balance(account) == 3100 + 500 + 400 + 300 + 430 - 200 - 100


async def test_a_plan_without_anything_to_bill_moves_on_without_an_invoice(night: Night) -> None:
    account = await night.books.open_account()
    await night.caller.set_plans(plan_of(account, price=usd(0)))
    assert await night.reasons("invoicer", "2026-01-01") == [""]
    assert await night.books.invoices(account) == []
    assert await next_bill_date(night) == "2026-02-01"


@pytest.mark.parametrize("status", ["suspended", "cancelled"])
async def test_a_plan_that_is_not_active_is_not_invoiced(night: Night, status: str) -> None:
    account = await night.books.open_account()
    value = setup.RecurringPlanStatus.Value(f"RECURRING_PLAN_STATUS_{status.upper()}")
    await night.caller.set_plans(plan_of(account, status=value))
    assert await night.run("invoicer", "2026-01-01") == {}


async def test_a_cancelled_plan_in_arrears_owes_its_last_days(night: Night) -> None:
    account = await night.books.open_account()
    await night.caller.set_plans(plan_of(account, timing=setup.BILLING_TIMING_IN_ARREARS))
    await night.caller.change(
        setup.PlanChange(
            plan_instance_no=account.plan_instance_no,
            kind=setup.PLAN_CHANGE_KIND_CANCEL,
            effective_date=day("2026-01-11"),
        )
    )
    await night.run("housekeeping", "2026-01-11")
    await night.run("invoicer", "2026-02-01")
    assert [invoice.lines for invoice in await night.books.invoices(account)] == [((7, 1000),)]
    assert await next_bill_date(night) == ""
    assert await night.run("invoicer", "2026-03-01") == {}


async def test_the_days_of_a_suspension_are_not_billed(night: Night) -> None:
    account = await night.books.open_account()
    await night.caller.set_plans(plan_of(account))
    number = account.plan_instance_no
    await night.caller.change(
        setup.PlanChange(
            plan_instance_no=number, kind=setup.PLAN_CHANGE_KIND_SUSPEND, effective_date=day("2026-01-01")
        ),
        setup.PlanChange(
            plan_instance_no=number, kind=setup.PLAN_CHANGE_KIND_RESUME, effective_date=day("2026-02-15")
        ),
    )
    await night.run("housekeeping", "2026-01-01")
    assert await night.run("invoicer", "2026-01-01") == {}
    await night.run("housekeeping", "2026-02-15")
    await night.run("invoicer", "2026-02-15")
    assert await night.books.invoices(account) == [
        BookedInvoice(("2026-02-01", "2026-02-28"), "2026-02-15", ((1, 1550),))
    ]


async def test_what_the_ledger_refuses_fails_its_record_only_and_is_invoiced_once_it_is_right(
    night: Night,
) -> None:
    good, bad = await night.books.open_account(), await night.books.open_account()
    euros = {"price": money_pb2.Money(currency_code="EUR", minor_units=3100)}
    await night.caller.set_plans(plan_of(good), plan_of(bad, **euros))
    await night.caller.add_lines(line("a", good, setup.PENDING_LINE_KIND_SURCHARGE, 300))
    outcomes = await night.run("invoicer", "2026-01-01")
    assert outcomes[f"plan_instance:{good.plan_instance_no}"].ok
    assert outcomes[f"plan_instance:{bad.plan_instance_no}"].reason == "CURRENCY_MISMATCH"
    assert await unsettled(night) == (0, 0)
    await night.caller.set_plans(plan_of(bad))
    assert await night.reasons("invoicer", "2026-01-01") == [""]
    assert [invoice.lines for invoice in await night.books.invoices(bad)] == [((1, 3100),)]


async def test_an_account_that_is_not_there_is_refused(night: Night) -> None:
    await night.caller.set_plans(plan(acct_no=987654321, plan_instance_no=987654321))
    assert await night.reasons("invoicer", "2026-01-01") == ["ACCOUNT_NOT_FOUND"]
    assert await next_bill_date(night) == "2026-01-01"


async def test_a_plan_whose_currency_changed_while_a_line_waited_fails_the_record(night: Night) -> None:
    account = await night.books.open_account()
    await night.caller.set_plans(plan_of(account))
    await night.caller.add_lines(line("a", account, setup.PENDING_LINE_KIND_SURCHARGE, 300))
    euros = money_pb2.Money(currency_code="EUR", minor_units=3100)
    await night.caller.set_plans(plan_of(account, price=euros))
    assert await night.reasons("invoicer", "2026-01-01") == ["CURRENCY_MISMATCH"]
    assert await night.books.invoices(account) == []


async def test_a_period_that_was_invoiced_by_hand_is_not_invoiced_again_and_keeps_its_lines_waiting(
    night: Night,
) -> None:
    account = await night.books.open_account()
    await night.caller.set_plans(plan_of(account, activation_charge=usd(500)))
    await night.books.create_invoice(account, ("2026-01-01", "2026-01-31"), 1)
    await night.caller.add_lines(line("a", account, setup.PENDING_LINE_KIND_SURCHARGE, 300))
    assert await night.reasons("invoicer", "2026-01-01") == [""]
    assert [invoice.lines for invoice in await night.books.invoices(account)] == [((1, 1),)]
    assert await unsettled(night) == (0, 1)
    await night.run("invoicer", "2026-02-01")
    assert (await night.books.invoices(account))[1].lines == ((1, 3100), (5, 500), (9, 300))


async def test_wherever_a_run_is_cut_off_the_next_one_makes_the_same_invoices(
    new_night: NewNight, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [
        BookedInvoice(("2026-01-01", "2026-01-31"), "2026-02-01", ((1, 3100), (5, 500), (9, 300), (3, 200))),
        BookedInvoice(("2026-02-01", "2026-02-28"), "2026-02-01", ((1, 3100),)),
    ]
    for cut_at in itertools.count(1):
        night = new_night()
        account = await night.books.open_account()
        await night.caller.set_plans(plan_of(account, activation_charge=usd(500)))
        await night.caller.add_lines(
            line("a", account, setup.PENDING_LINE_KIND_SURCHARGE, 300),
            line("b", account, setup.PENDING_LINE_KIND_SERVICE_CREDIT, 200),
        )
        scissors = Scissors(cut_at)
        with monkeypatch.context() as patches:
            for owner, steps in STEPS:
                scissors.watch(patches, owner, steps)
            try:
                await night.run("invoicer", "2026-02-01")
            except CutOffError:
                # Between the crash and the next run somebody goes on working.
                await night.caller.add_lines(line("c", account, setup.PENDING_LINE_KIND_SURCHARGE, 1))
        if not scissors.cut:
            break
        outcomes = await night.reasons("invoicer", "2026-02-01")
        assert set(outcomes) <= {""}, cut_at
        invoices = await night.books.invoices(account)
        late = [(9, 1) in invoice.lines for invoice in invoices]
        without_late = [
            BookedInvoice(
                each.period, each.invoice_date, tuple(part for part in each.lines if part != (9, 1))
            )
            for each in invoices
        ]
        assert without_late == expected, cut_at
        assert late.count(True) <= 1, cut_at
        assert await unsettled(night) == (0, 1 - late.count(True)), cut_at
    assert cut_at > 10
