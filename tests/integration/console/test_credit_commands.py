"""`tallybook credits`, on a ledger with books in it."""

import json

from tallybook.ledger.v1 import application_pb2
from tests.integration.console.conftest import AddressedLedger, OnLedger
from tests.integration.ledger.caller import check, external_charge

HELD = application_pb2.ApplicationInstruction(method=application_pb2.APPLICATION_METHOD_NONE)


async def test_a_held_credit_is_seen_applied_to_what_is_named_and_seen_again(
    ledger: AddressedLedger, on_ledger: OnLedger
) -> None:
    acct = await ledger.account()
    older, newer = await ledger.posted(external_charge(acct, 700), external_charge(acct, 300))
    draft = check(acct, 500)
    draft.application.CopyFrom(HELD)
    (held,) = await ledger.posted(draft)

    ran = await on_ledger("credits", "open", str(acct))
    assert ran.exit_code == 0
    lines = ran.out.splitlines()
    assert [str(each) in line for each, line in zip((older, newer, held), lines[-3:], strict=True)] == [
        True
    ] * 3
    assert "held" in lines[-1]
    assert "Nothing is applied." in (await on_ledger("credits", "applied", str(acct))).out

    ran = await on_ledger("credits", "apply", str(held), "--charge", str(newer))
    assert ran.exit_code == 0
    assert ran.out.count("by hand") == 2

    open_items = json.loads((await on_ledger("credits", "open", str(acct), "--json")).out)["openItems"]
    assert [(int(item["eventNo"]), int(item["openAmount"]["minorUnits"])) for item in open_items] == [
        (older, 500)
    ]
    applied = json.loads((await on_ledger("credits", "applied", str(acct), "--json")).out)["applications"]
    assert [(int(each["chargeEventNo"]), int(each["amount"]["minorUnits"])) for each in applied] == [
        (newer, 300),
        (older, 200),
    ]
    ran = await on_ledger("credits", "apply", str(older))
    assert (ran.exit_code, ran.out) == (65, "")
    assert "which is no credit" in ran.err
