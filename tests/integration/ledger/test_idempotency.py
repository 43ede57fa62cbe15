"""The same key with the same request posts once and is answered the same; with another it is refused."""

import asyncio

import asyncpg
import pytest

from tallybook.ledger.v1 import ledger_pb2
from tests.integration.ledger.caller import (
    Ledger,
    RefusedError,
    check,
    check_refund,
    credit,
    external_charge,
    payment,
    reversal,
)
from tests.integration.ledger.conftest import Serve


async def test_a_retried_call_gets_the_first_answer_byte_for_byte(ledger: Ledger) -> None:
    acct = await ledger.account(100)
    drafts = [check(acct, 10), credit(acct, 5_000), payment(acct, 20)]
    first = await ledger.post(*drafts, request_id="once")
    again = await ledger.post(*drafts, request_id="once")
    assert first.SerializeToString(deterministic=True) == again.SerializeToString(deterministic=True)
    assert [len(result.transactions) for result in first.results] == [1, 0, 1]
    assert await ledger.balance(acct) == 70


async def test_every_kind_of_call_answers_a_retry_as_it_did_first(ledger: Ledger) -> None:
    acct = await ledger.account(100)
    invoice = await ledger.invoice(acct, (1, 10))
    (paid,) = await ledger.posted(check(acct, 10))
    opened = await ledger.open_account(7, request_id="open", external_id="x-1", plans=["p", "q"])
    voided = await ledger.void(paid, request_id="void")
    voided_invoice = await ledger.void_invoice(invoice.invoice_no, request_id="void-i")

    assert await ledger.open_account(7, request_id="open", external_id="x-1", plans=["p", "q"]) == opened
    assert await ledger.void(paid, request_id="void") == voided
    assert await ledger.void_invoice(invoice.invoice_no, request_id="void-i") == voided_invoice


async def test_a_key_with_another_request_is_refused(ledger: Ledger) -> None:
    acct = await ledger.account(100)
    await ledger.post(check(acct, 10, "a"), request_id="once")
    for attempt in (
        ledger.post(check(acct, 11, "a"), request_id="once"),
        ledger.void(1, request_id="once"),
        ledger.open_account(request_id="once"),
    ):
        with pytest.raises(RefusedError) as refusal:
            await attempt
        assert refusal.value.refusal.reason == "REQUEST_ID_REUSED"
        assert refusal.value.refusal.fields == ("request_id",)
    assert await ledger.balance(acct) == 90


async def test_a_refused_request_does_not_use_up_its_key(ledger: Ledger) -> None:
    acct = await ledger.account()
    refused = await ledger.post(credit(acct, 10), request_id="once")
    assert refused.results[0].HasField("error")
    with pytest.raises(RefusedError):
        await ledger.post(credit(acct, 10), all_or_nothing=True, request_id="once")
    await ledger.posted(external_charge(acct, 10))
    posted = await ledger.post(credit(acct, 10), request_id="once")
    assert posted.results[0].transactions


async def test_keys_belong_to_their_client(serve: Serve) -> None:
    channel = await serve()
    one, two = Ledger(channel, 1), Ledger(channel, 2)
    first = await one.open_account(request_id="open")
    second = await two.open_account(request_id="open")
    assert first.account.acct_no != second.account.acct_no


async def test_the_same_key_ten_times_at_once_through_two_services_posts_once(
    serve: Serve, sql: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    ledgers = [Ledger(await serve(), 1), Ledger(await serve(), 1)]
    acct = await ledgers[0].account(100)
    calls = [ledgers[each % 2].post(check(acct, 10, "c"), request_id="once") for each in range(10)]
    opens = [ledgers[each % 2].open_account(5, request_id="open") for each in range(10)]
    posted = await asyncio.gather(*calls)
    opened = await asyncio.gather(*opens)
    assert len({response.SerializeToString() for response in posted}) == 1
    assert len({response.SerializeToString() for response in opened}) == 1
    assert await sql.fetchval("SELECT count(*) FROM acct_transaction") == 3
    assert await sql.fetchval("SELECT count(*) FROM account") == 2


async def test_a_draft_with_a_key_is_known_again_in_another_call(ledger: Ledger) -> None:
    acct = await ledger.account(100)
    one, two = check(acct, 10, "1", request_id="d1"), check(acct, 10, "2", request_id="d2")
    first = await ledger.post(one, two)
    again = await ledger.post(two, check(acct, 1), one)
    assert again.results[0] == first.results[1]
    assert again.results[2] == first.results[0]
    assert await ledger.balance(acct) == 79

    other = ledger_pb2.TransactionDraft()
    other.CopyFrom(one)
    other.amount.minor_units = 11
    assert await ledger.refusals(other, two) == ["REQUEST_ID_REUSED", ""]


async def test_a_document_with_a_key_is_known_again_whatever_its_label(ledger: Ledger) -> None:
    acct = await ledger.account()
    (charge,) = await ledger.posted(external_charge(acct, 50))
    (paid,) = await ledger.posted(check(acct, 50))
    refund, back = check_refund(acct, paid, 20, request_id="r"), reversal(acct, charge, 20)

    def labelled(label: str) -> list[ledger_pb2.TransactionDraft]:
        drafts = []
        for each in (refund, back):
            copy = ledger_pb2.TransactionDraft()
            copy.CopyFrom(each)
            copy.document = label
            drafts.append(copy)
        return drafts

    first = await ledger.post(*labelled("a"))
    again = await ledger.post(check(acct, 1), *labelled("b"))
    assert list(again.results)[1:] == list(first.results)


async def test_one_key_twice_in_a_call_posts_once(ledger: Ledger) -> None:
    acct = await ledger.account(100)
    one = check(acct, 10, "1", request_id="d")
    other = check(acct, 11, "2", request_id="d")
    response = await ledger.post(one, one, other)
    assert response.results[0] == response.results[1]
    assert response.results[2].HasField("error")
    assert await ledger.balance(acct) == 90
