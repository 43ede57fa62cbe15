"""Rounds of postings through the contract: made before the clock starts, and checked when it has stopped."""

from collections.abc import Awaitable, Callable, Sequence

from benchmarks.figures import Sample
from benchmarks.meter import Meter
from benchmarks.requests import single_checks
from benchmarks.stand import Books, Ledger, send
from tallybook.ledger.v1.ledger_pb2 import PostTransactionsRequest

Round = Callable[[], Awaitable[Sample]]


def bulk_round(
    meter: Meter, ledger: Ledger, make_calls: Callable[[], Sequence[PostTransactionsRequest]], in_flight: int
) -> Round:
    """Post calls of many drafts, so many calls at a time; an item is a draft."""

    async def post() -> Sample:
        calls = make_calls()
        drafts = sum(len(call.drafts) for call in calls)
        posting = send(ledger.transactions.PostTransactions, calls, in_flight)
        sample, answers = await meter.measure(drafts, posting)
        refused = [result.error for answer in answers for result in answer.results if not result.transactions]
        assert not refused, f"{len(refused)} drafts were refused, the first with {refused[0]}"
        assert sum(len(answer.results) for answer in answers) == drafts
        return sample

    return post


def single_round(meter: Meter, ledger: Ledger, books: Books, calls: int, in_flight: int) -> Round:
    """Post one check a call, so many calls at a time."""

    async def post() -> Sample:
        requests = single_checks(books, calls)
        posting = send(ledger.transactions.RecordExternalPayment, requests, in_flight)
        sample, answers = await meter.measure(calls, posting)
        assert len({answer.transaction.event_no for answer in answers}) == calls
        return sample

    return post
