"""`tallybook ledger close-statements` and `disputes`, `tallybook account statements`, on a real ledger."""

import json
from datetime import date

from tests.integration.console.conftest import OnLedger
from tests.integration.ledger.caller import REASON, Ledger, check, day, external_charge, usd

IN_MARCH = date(2026, 3, 10)


async def test_statements_are_closed_once_listed_and_shown_with_their_adjustments(
    ledger: Ledger, on_ledger: OnLedger
) -> None:
    acct, _ = await ledger.account(), await ledger.account()
    await ledger.posted(external_charge(acct, 100_00, effective_date=day(IN_MARCH)))

    closed = await on_ledger("ledger", "close-statements", "--to", "2026-03-31")
    again = await on_ledger("ledger", "close-statements", "--to", "2026-03-31")
    await ledger.posted(check(acct, 30_00, "4711", effective_date=day(IN_MARCH)))
    april = json.loads((await on_ledger("ledger", "close-statements", "--to", "2026-04-30", "--json")).out)
    listed = await on_ledger("account", "statements", str(acct))
    number = april["results"][0]["statement"]["statementNo"]
    shown = await on_ledger("account", "closed-statement", number)

    assert "✔ up to 2026-03-31: 2 statements closed, 0 closed before, 0 refused" in closed.out
    assert "✔ up to 2026-03-31: 0 statements closed, 2 closed before, 0 refused" in again.out
    assert closed.exit_code == again.exit_code == 0
    assert "100.00 USD" in listed.out
    assert "70.00 USD" in listed.out
    assert "Check 4711  (adjustment)" in shown.out
    assert "70.00" in shown.out


async def test_a_day_in_a_closed_period_is_refused_account_by_account(
    ledger: Ledger, on_ledger: OnLedger
) -> None:
    acct = await ledger.account()
    await on_ledger("ledger", "close-statements", "--to", "2026-03-31")

    ran = await on_ledger("ledger", "close-statements", "--to", "2026-03-15")

    assert ran.exit_code == 1
    assert f"account {acct} is closed until 2026-03-31" in " ".join(ran.out.split())


async def test_disputes_that_are_to_be_settled_are_listed(ledger: Ledger, on_ledger: OnLedger) -> None:
    acct = await ledger.account()
    invoice = await ledger.invoice(acct, (1, 50_00))
    await ledger.operate(
        "CreateDispute",
        invoice_no=invoice.invoice_no,
        amount=usd(20_00),
        effective_date=day(IN_MARCH),
        expires_on=day(date(2026, 4, 9)),
        **REASON,
    )

    due = await on_ledger("ledger", "disputes", "--to", "2026-04-09")
    early = await on_ledger("ledger", "disputes", "--to", "2026-04-08")

    assert "2026-04-09" in due.out
    assert "20.00 USD" in due.out
    assert "No disputes." in early.out
