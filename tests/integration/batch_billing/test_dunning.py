"""Dunning Manager: each step once, in order, until nothing is overdue."""

import itertools
import json
from contextlib import suppress
from types import ModuleType

import pytest

from batch_service import store_dunning, store_payments, store_plans
from batch_service.gateway_client import Gateway
from batch_service.ledger_client import Ledger
from tallybook.batch.v1 import billing_setup_pb2 as setup
from tests.integration.batch_billing.books import OpenedAccount
from tests.integration.batch_billing.caller import as_text, plan, usd
from tests.integration.batch_billing.conftest import NewNight
from tests.integration.batch_billing.night import Night
from tests.integration.batch_billing.scissors import CutOffError, Scissors

DUE = "2026-01-01"
DUNNING_CHARGE = 15
ELECTRONIC_PAYMENT = 3

STEPS = [
    setup.DunningStep(step_no=1, days_past_due=3, action=setup.DUNNING_ACTION_NOTICE),
    setup.DunningStep(step_no=2, days_past_due=7, action=setup.DUNNING_ACTION_RETRY_PAYMENT),
    setup.DunningStep(
        step_no=3, days_past_due=14, action=setup.DUNNING_ACTION_FIXED_CHARGE, fixed_charge=usd(500)
    ),
    setup.DunningStep(step_no=4, days_past_due=20, action=setup.DUNNING_ACTION_PERCENT_CHARGE, percent="1.5"),
    setup.DunningStep(step_no=5, days_past_due=30, action=setup.DUNNING_ACTION_SUSPENSION),
]

WATCHED: list[tuple[ModuleType | type, list[str]]] = [
    (store_dunning, ["enter", "step_taken", "freeze_charges", "queue_mail", "thaw_charges"]),
    (store_payments, ["add_attempts", "save_attempts"]),
    (store_plans, ["suspend_accounts"]),
    (Gateway, ["charge"]),
    (Ledger, ["post_payments", "post_dunning_charges"]),
]


async def overdue(night: Night, token: str = "") -> OpenedAccount:
    account = await night.books.owing(10_000, DUE)
    await night.caller.set_plans(plan(acct_no=account.acct_no, plan_instance_no=account.plan_instance_no))
    if token:
        await night.caller.set_methods(
            setup.PaymentMethod(
                acct_no=account.acct_no, kind=setup.ACCOUNT_PAYMENT_KIND_CARD, payment_token=token
            )
        )
    return account


async def mails(night: Night) -> list[tuple[int, int]]:
    rows = await night.admin.fetch(
        "SELECT content, acct_no FROM outgoing_mail WHERE client_no = $1 ORDER BY mail_no", night.client_no
    )
    return [(json.loads(row["content"])["step_no"], row["acct_no"]) for row in rows]


async def position(night: Night) -> tuple[str, int, str] | None:
    positions = await night.caller.positions()
    if not positions:
        return None
    (at,) = positions
    return as_text(at.entered_on), at.last_step_no, as_text(at.last_step_on)


async def test_nobody_is_dunned_before_the_first_step_or_without_steps(night: Night) -> None:
    await overdue(night)
    assert await night.run("dunning_manager", "2026-01-20") == {}
    await night.caller.set_steps(*STEPS)
    assert await night.run("dunning_manager", "2026-01-03") == {}
    assert await position(night) is None


async def test_an_account_goes_through_all_steps_each_on_its_day(night: Night) -> None:
    account = await overdue(night)
    await night.caller.set_steps(*STEPS)
    await night.run("dunning_manager", "2026-01-04")
    assert await position(night) == ("2026-01-04", 1, "2026-01-04")
    assert await mails(night) == [(1, account.acct_no)]
    await night.run("dunning_manager", "2026-01-07")
    assert (await position(night)) == ("2026-01-04", 1, "2026-01-04")
    await night.run("dunning_manager", "2026-01-08")
    assert (await position(night)) == ("2026-01-04", 2, "2026-01-08")
    await night.run("dunning_manager", "2026-01-15")
    await night.run("dunning_manager", "2026-01-21")
    await night.run("dunning_manager", "2026-01-31")
    assert (await position(night)) == ("2026-01-04", 5, "2026-01-31")
    assert (await night.books.transactions(account))[1:] == [
        (DUNNING_CHARGE, 500, "2026-01-15"),
        (DUNNING_CHARGE, 150, "2026-01-21"),
    ]
    assert (await night.caller.plans())[0].status == setup.RECURRING_PLAN_STATUS_SUSPENDED


async def test_who_owes_nothing_is_not_dunned_and_nothing_is_collected_though_a_charge_is_open(
    night: Night,
) -> None:
    account = await overdue(night, "tok_approve")
    await night.caller.set_steps(*STEPS)
    await night.run("dunning_manager", "2026-01-04")
    assert await position(night) == ("2026-01-04", 1, "2026-01-04")

    # 10,000 are open beside the check, but only 1,000 are owed: the retry collects no more.
    await night.books.pay_by_check(account, 9_000, "2026-01-05", held=True)
    await night.run("dunning_manager", "2026-01-21")
    assert (await night.books.transactions(account))[2:] == [(ELECTRONIC_PAYMENT, 1_000, "2026-01-21")]
    assert await night.books.balance(account) == 0
    assert await position(night) is None

    # 9,000 are still open beside it, and nothing is owed.
    assert await night.run("billing_manager", "2026-01-22") == {}
    assert await night.run("dunning_manager", "2026-02-15") == {}
    assert len(await night.books.transactions(account)) == 3


async def test_steps_whose_days_were_missed_come_all_at_once_and_in_order(night: Night) -> None:
    account = await overdue(night)
    await night.caller.set_steps(*STEPS)
    outcomes = await night.run("dunning_manager", "2026-02-15")
    message = outcomes[f"account:{account.acct_no}"].message
    places = [message.index(f"step {number}") for number in range(1, 6)]
    assert places == sorted(places)
    assert (await position(night)) == ("2026-02-15", 5, "2026-02-15")
    # The charge in percent is of what was overdue without the fixed charge of the same night.
    assert [each[:2] for each in (await night.books.transactions(account))[1:]] == [
        (DUNNING_CHARGE, 500),
        (DUNNING_CHARGE, 150),
    ]


async def test_a_second_run_of_the_day_changes_nothing(night: Night) -> None:
    account = await overdue(night)
    await night.caller.set_steps(*STEPS)
    await night.run("dunning_manager", "2026-02-15")
    before = await night.books.transactions(account)
    outcomes = await night.run("dunning_manager", "2026-02-15")
    assert outcomes[f"account:{account.acct_no}"].message == "no step is due"
    assert await night.books.transactions(account) == before
    assert len(await mails(night)) == 1


async def test_a_plan_that_somebody_resumed_is_not_suspended_again_in_the_cycle(night: Night) -> None:
    account = await overdue(night)
    await night.caller.set_steps(*STEPS)
    await night.run("dunning_manager", "2026-02-15")
    await night.caller.set_plans(plan(acct_no=account.acct_no, plan_instance_no=account.plan_instance_no))
    await night.run("dunning_manager", "2026-02-16")
    assert (await night.caller.plans())[0].status == setup.RECURRING_PLAN_STATUS_ACTIVE


async def test_a_retry_that_succeeds_ends_dunning_and_the_later_steps_are_not_taken(night: Night) -> None:
    account = await overdue(night, "tok_approve")
    await night.caller.set_steps(*STEPS)
    outcomes = await night.run("dunning_manager", "2026-02-15")
    assert outcomes[f"account:{account.acct_no}"].ok
    assert await position(night) is None
    assert (await night.books.transactions(account))[1:] == [(3, 10_000, "2026-02-15")]
    assert (await night.caller.plans())[0].status == setup.RECURRING_PLAN_STATUS_ACTIVE


async def test_a_retry_that_is_declined_is_taken_and_the_next_step_follows(night: Night) -> None:
    account = await overdue(night, "tok_soft_decline")
    await night.caller.set_steps(*STEPS)
    outcomes = await night.run("dunning_manager", "2026-01-15")
    assert outcomes[f"account:{account.acct_no}"].ok
    assert "PAYMENT_DECLINED_SOFT" in outcomes[f"account:{account.acct_no}"].message
    assert (await position(night)) == ("2026-01-15", 3, "2026-01-15")


async def test_nothing_is_retried_after_a_hard_decline(night: Night) -> None:
    account = await overdue(night, "tok_hard_decline")
    await night.caller.set_steps(*STEPS)
    await night.run("billing_manager", "2026-01-01")
    outcomes = await night.run("dunning_manager", "2026-01-08")
    assert "no payment could be tried" in outcomes[f"account:{account.acct_no}"].message
    attempts = await night.admin.fetchval(
        "SELECT count(*) FROM payment_attempt WHERE client_no = $1", night.client_no
    )
    assert attempts == 1


async def test_a_retry_without_an_answer_keeps_its_step_until_there_is_one(night: Night) -> None:
    account = await overdue(night, "tok_pending")
    await night.caller.set_steps(*STEPS)
    assert await night.reasons("dunning_manager", "2026-01-08") == ["PAYMENT_PENDING"]
    assert (await position(night)) == ("2026-01-08", 1, "2026-01-08")
    assert await night.reasons("dunning_manager", "2026-01-09") == [""]
    assert (await night.books.transactions(account))[1:] == [(3, 10_000, "2026-01-08")]
    assert await position(night) is None


async def test_who_pays_by_check_leaves_and_enters_a_new_cycle_later(night: Night) -> None:
    account = await overdue(night)
    await night.caller.set_steps(*STEPS)
    await night.run("dunning_manager", "2026-01-04")
    await night.books.pay_by_check(account, 10_000, "2026-01-05")
    outcomes = await night.run("dunning_manager", "2026-01-05")
    assert outcomes[f"account:{account.acct_no}"].message == "left dunning"
    await night.books.create_invoice(account, ("2026-03-01", "2026-03-31"), 700)
    await night.run("dunning_manager", "2026-03-05")
    assert (await position(night)) == ("2026-03-05", 1, "2026-03-05")
    assert len(await mails(night)) == 2


async def test_a_charge_that_the_ledger_refuses_fails_the_record_and_keeps_the_step(night: Night) -> None:
    account = await overdue(night)
    euros = setup.DunningStep(
        step_no=1, days_past_due=3, action=setup.DUNNING_ACTION_FIXED_CHARGE, fixed_charge=usd(500)
    )
    euros.fixed_charge.currency_code = "EUR"
    await night.caller.set_steps(euros)
    assert await night.reasons("dunning_manager", "2026-01-04") == ["CURRENCY_MISMATCH"]
    await night.caller.set_steps(
        setup.DunningStep(
            step_no=1, days_past_due=3, action=setup.DUNNING_ACTION_FIXED_CHARGE, fixed_charge=usd(500)
        )
    )
    assert await night.reasons("dunning_manager", "2026-01-05") == [""]
    assert (await night.books.transactions(account))[1:] == [(DUNNING_CHARGE, 500, "2026-01-05")]


async def test_wherever_a_run_is_cut_off_the_next_days_run_takes_each_step_once(
    new_night: NewNight, monkeypatch: pytest.MonkeyPatch
) -> None:
    for cut_at in itertools.count(1):
        night = new_night()
        account = await overdue(night, "tok_soft_decline")
        await night.caller.set_steps(*STEPS)
        scissors = Scissors(cut_at)
        with monkeypatch.context() as patches:
            for owner, steps in WATCHED:
                scissors.watch(patches, owner, steps)
            with suppress(CutOffError):
                await night.run("dunning_manager", "2026-02-15")
        if not scissors.cut:
            break
        await night.run("dunning_manager", "2026-02-16")
        charges = [each[:2] for each in (await night.books.transactions(account))[1:]]
        assert charges == [(DUNNING_CHARGE, 500), (DUNNING_CHARGE, 150)], cut_at
        assert len(await mails(night)) == 1, cut_at
        assert (await position(night) or ("", 0, ""))[1] == 5, cut_at
        assert (await night.caller.plans())[0].status == setup.RECURRING_PLAN_STATUS_SUSPENDED, cut_at
        attempts = await night.admin.fetchval(
            "SELECT count(*) FROM payment_attempt WHERE client_no = $1", night.client_no
        )
        assert attempts == 1, cut_at
    assert cut_at > 15
