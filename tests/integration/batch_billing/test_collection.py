"""Billing Manager: what is due is collected once, whatever the gateway does."""

import itertools
from contextlib import suppress
from types import ModuleType

import pytest

from batch_service import store_payments
from batch_service.gateway_client import Gateway
from batch_service.ledger_client import Ledger
from batch_service.processes.contract import ProcessFault
from batch_service.rules.collection import AttemptStatus
from tallybook.batch.v1 import billing_setup_pb2 as setup
from tests.integration.batch_billing.books import OpenedAccount
from tests.integration.batch_billing.conftest import NewNight
from tests.integration.batch_billing.night import Night
from tests.integration.batch_billing.scissors import CutOffError, Scissors

DAY = "2026-01-01"
NEXT_DAY = "2026-01-02"
PAID = (3, 3100, DAY)
OWED = (9, 3100, DAY)
LAPSED, POSTED = AttemptStatus.LAPSED, AttemptStatus.POSTED

STEPS: list[tuple[ModuleType | type, list[str]]] = [
    (store_payments, ["open_attempts", "add_attempts", "save_attempts"]),
    (Gateway, ["charge", "ask"]),
    (Ledger, ["balances", "post_payments"]),
]


async def owing_with(night: Night, token: str) -> OpenedAccount:
    account = await night.books.owing(3100, DAY)
    await pays_with(night, account, token)
    return account


async def pays_with(night: Night, account: OpenedAccount, token: str) -> None:
    await night.caller.set_methods(
        setup.PaymentMethod(
            acct_no=account.acct_no, kind=setup.ACCOUNT_PAYMENT_KIND_CARD, payment_token=token
        )
    )


async def money_taken(night: Night) -> int:
    taken: int = await night.admin.fetchval(
        "SELECT coalesce(sum(amount_minor), 0)::bigint FROM sandbox_charge"
        " WHERE client_no = $1 AND outcome = 1",
        night.client_no,
    )
    return taken


async def outage(night: Night, *, begins: bool) -> None:
    if begins:
        await night.admin.execute("INSERT INTO sandbox_outage VALUES ($1)", night.client_no)
    else:
        await night.admin.execute("DELETE FROM sandbox_outage WHERE client_no = $1", night.client_no)


async def test_what_is_due_is_collected_in_one_payment(night: Night) -> None:
    account = await owing_with(night, "tok_approve")
    outcomes = await night.run("billing_manager", DAY)
    assert outcomes[f"account:{account.acct_no}"].message == "collected 31.00 USD"
    assert await night.books.transactions(account) == [OWED, PAID]
    assert await night.books.balance(account) == 0


async def test_a_second_run_of_the_day_changes_nothing(night: Night) -> None:
    account = await owing_with(night, "tok_approve")
    declined = await owing_with(night, "tok_soft_decline")
    first = await night.run("billing_manager", DAY)
    still_owing = f"account:{declined.acct_no}"
    assert await night.run("billing_manager", DAY) == {still_owing: first[still_owing]}
    assert await night.books.transactions(account) == [OWED, PAID]
    assert await night.books.transactions(declined) == [OWED]
    assert await money_taken(night) == 3100


async def test_nothing_is_collected_where_nothing_is_due(night: Night) -> None:
    credit = await night.books.owing(-500, DAY)
    await pays_with(night, credit, "tok_approve")
    zero = await night.books.open_account()
    await pays_with(night, zero, "tok_approve")
    assert await night.run("billing_manager", DAY) == {}
    assert await money_taken(night) == 0


async def test_external_payers_are_left_alone(night: Night) -> None:
    account = await night.books.owing(3100, DAY)
    await night.caller.set_methods(
        setup.PaymentMethod(acct_no=account.acct_no, kind=setup.ACCOUNT_PAYMENT_KIND_EXTERNAL)
    )
    assert await night.run("billing_manager", DAY) == {}


async def test_a_soft_decline_posts_nothing_and_is_tried_again_on_the_next_day(night: Night) -> None:
    account = await owing_with(night, "tok_soft_decline")
    assert await night.reasons("billing_manager", DAY) == ["PAYMENT_DECLINED_SOFT"]
    assert await night.books.transactions(account) == [OWED]
    assert not (await night.caller.methods())[0].declined_for_good
    await pays_with(night, account, "tok_approve")
    assert await night.reasons("billing_manager", NEXT_DAY) == [""]
    assert await night.books.balance(account) == 0


async def test_a_method_set_anew_after_a_decline_is_tried_on_the_same_day(night: Night) -> None:
    account = await owing_with(night, "tok_soft_decline")
    await night.run("billing_manager", DAY)
    await pays_with(night, account, "tok_approve")
    assert await night.reasons("billing_manager", DAY) == [""]
    assert await night.books.transactions(account) == [OWED, PAID]


async def test_a_hard_decline_ends_the_method_until_it_is_set_anew(night: Night) -> None:
    account = await owing_with(night, "tok_hard_decline")
    assert await night.reasons("billing_manager", DAY) == ["PAYMENT_DECLINED_HARD"]
    assert (await night.caller.methods())[0].declined_for_good
    assert await night.run("billing_manager", NEXT_DAY) == {}
    await pays_with(night, account, "tok_approve")
    assert await night.reasons("billing_manager", NEXT_DAY) == [""]
    assert await night.books.balance(account) == 0


async def test_a_time_out_is_asked_for_and_charged_once(night: Night) -> None:
    account = await owing_with(night, "tok_timeout")
    assert await night.reasons("billing_manager", DAY) == [""]
    assert await night.books.transactions(account) == [OWED, PAID]
    assert await money_taken(night) == 3100


async def test_a_charge_that_got_lost_takes_nothing_and_blocks_nothing_but_itself(night: Night) -> None:
    account = await owing_with(night, "tok_lost")
    assert await night.reasons("billing_manager", DAY) == ["PAYMENT_UNKNOWN"]
    assert await night.reasons("billing_manager", NEXT_DAY) == ["PAYMENT_UNKNOWN"]
    assert await night.books.transactions(account) == [OWED]
    attempts = await night.admin.fetchval(
        "SELECT count(*) FROM payment_attempt WHERE client_no = $1", night.client_no
    )
    assert attempts == 1


async def test_a_lost_charge_whose_account_was_paid_otherwise_is_given_up(night: Night) -> None:
    account = await owing_with(night, "tok_lost")
    await night.run("billing_manager", DAY)
    await night.books.pay_by_check(account, 3100, DAY)
    assert await night.reasons("billing_manager", NEXT_DAY) == [""]
    assert await night.books.balance(account) == 0
    assert await money_taken(night) == 0


async def test_a_lost_charge_is_not_sent_again_to_a_method_that_was_replaced(night: Night) -> None:
    account = await owing_with(night, "tok_lost")
    await night.run("billing_manager", DAY)
    await pays_with(night, account, "tok_approve")
    assert await night.reasons("billing_manager", NEXT_DAY) == [""]
    assert await night.books.transactions(account) == [OWED, (3, 3100, NEXT_DAY)]
    tokens = await night.admin.fetch(
        "SELECT payment_token, status FROM payment_attempt WHERE client_no = $1 ORDER BY business_date",
        night.client_no,
    )
    assert [tuple(row) for row in tokens] == [("tok_lost", LAPSED), ("tok_approve", POSTED)]


async def test_a_lost_charge_is_given_up_when_the_account_pays_by_check_from_now_on(night: Night) -> None:
    account = await owing_with(night, "tok_lost")
    await night.run("billing_manager", DAY)
    await night.caller.set_methods(
        setup.PaymentMethod(acct_no=account.acct_no, kind=setup.ACCOUNT_PAYMENT_KIND_EXTERNAL)
    )
    assert await night.reasons("billing_manager", NEXT_DAY) == [""]
    assert await night.run("billing_manager", NEXT_DAY) == {}


async def test_a_charge_that_is_sent_again_and_declined_fails_the_record_of_that_day(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    await owing_with(night, "tok_soft_decline")
    scissors = Scissors(1)  # the attempt is stored, the gateway never hears of it
    with monkeypatch.context() as patches:
        scissors.watch(patches, Gateway, ["charge"])
        with pytest.raises(CutOffError):
            await night.run("billing_manager", DAY)
    assert await night.reasons("billing_manager", NEXT_DAY) == ["PAYMENT_DECLINED_SOFT"]


async def test_a_pending_charge_is_asked_for_by_the_next_run_before_anything_new(night: Night) -> None:
    account = await owing_with(night, "tok_pending")
    assert await night.reasons("billing_manager", DAY) == ["PAYMENT_PENDING"]
    assert await night.books.transactions(account) == [OWED]
    assert await night.reasons("billing_manager", NEXT_DAY) == [""]
    assert await night.books.transactions(account) == [OWED, PAID]
    assert await money_taken(night) == 3100


async def test_an_outage_stops_the_process_before_anything_is_collected(night: Night) -> None:
    account = await owing_with(night, "tok_approve")
    await outage(night, begins=True)
    with pytest.raises(ProcessFault, match=r"takes no charges \(UNAVAILABLE\)"):
        await night.run("billing_manager", DAY)
    await outage(night, begins=False)
    assert await night.reasons("billing_manager", DAY) == [""]
    assert await night.books.balance(account) == 0


async def test_a_payment_that_the_ledger_does_not_take_is_posted_when_it_does(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await owing_with(night, "tok_approve")
    scissors = Scissors(3)  # before the second call: the first one has nothing to post yet
    with monkeypatch.context() as patches:
        scissors.watch(patches, Ledger, ["post_payments"])
        with pytest.raises(CutOffError):
            await night.run("billing_manager", DAY)
    await night.caller.set_methods(
        setup.PaymentMethod(acct_no=account.acct_no, kind=setup.ACCOUNT_PAYMENT_KIND_EXTERNAL)
    )
    assert await night.reasons("billing_manager", NEXT_DAY) == [""]
    assert await night.books.transactions(account) == [OWED, PAID]


@pytest.mark.parametrize("token", ["tok_approve", "tok_timeout", "tok_pending"])
async def test_wherever_a_run_is_cut_off_the_money_is_taken_and_posted_once(
    new_night: NewNight, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    for cut_at in itertools.count(1):
        night = new_night()
        account = await owing_with(night, token)
        scissors = Scissors(cut_at)
        with monkeypatch.context() as patches:
            for owner, steps in STEPS:
                scissors.watch(patches, owner, steps)
            with suppress(CutOffError):
                await night.run("billing_manager", DAY)
        if not scissors.cut:
            break
        await night.run("billing_manager", DAY)
        await night.run("billing_manager", DAY)
        assert await night.books.transactions(account) == [OWED, PAID], cut_at
        assert await money_taken(night) == 3100, cut_at
    assert cut_at > 10
