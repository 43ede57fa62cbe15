"""Single calls: one check a call, against an empty gRPC service; and against one that only writes the rows of
a check: one at a time, also with a question for the balance before, and many at a time, those that wait
together. Those tell how much of the way to the limit is physical. And many at a time, each on an account of
its own, of which the ledger can remember nothing.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Final, TypeAlias

from google.protobuf.empty_pb2 import Empty

from benchmarks import echo
from benchmarks.figures import Measurement, Outcome, Sample, ratio, ratio_mark
from benchmarks.postings import single_round
from benchmarks.requests import single_checks
from benchmarks.rounds import Subject, take_turns
from benchmarks.scale import Scale
from benchmarks.stand import Books, Stand, open_channel, send
from benchmarks.writing_echo import ASK_AND_WRITE, WRITE, WRITE_TOGETHER

_Measured: TypeAlias = Callable[[str, int, int], Awaitable[Sample]]

# What part of the echo's rate is wanted.
_WANTED_ONE: Final = 0.5
_WANTED_MANY: Final = 0.65


async def measure(stand: Stand, scale: Scale) -> Outcome:
    """Measure calls one at a time, and 64 at a time."""
    books, sample = await stand.open_books(scale.accounts), await stand.open_books(1)
    await stand.ledger.transactions.RecordExternalPayment(single_checks(sample, 1)[0])
    async with _echo(stand) as echoing, _writing_echo(stand, books, sample) as writing:
        empty = partial(echoing, echo.ECHO)

        async def in_turns(in_flight: int, calls: int, *others: Subject) -> list[Measurement]:
            payments = single_round(stand.meter, stand.ledger, books, calls, in_flight)
            product = Subject(f"RecordExternalPayment, {in_flight} in flight", "calls", payments)
            limit = Subject(f"empty echo, {in_flight} in flight", "calls", partial(empty, calls, in_flight))
            return await take_turns([product, limit, *others], scale.rounds)

        calls = scale.calls // 4
        only_written = Subject(
            "a check written and no more, 1 in flight", "calls", partial(writing, WRITE, calls, 1)
        )
        asked_for = Subject(
            "a balance asked for and a check written, 1 in flight",
            "calls",
            partial(writing, ASK_AND_WRITE, calls, 1),
        )
        one, one_limit, least, least_asked = await in_turns(1, calls, only_written, asked_for)
        written_together = Subject(
            "checks written together and no more, 64 in flight",
            "calls",
            partial(writing, WRITE_TOGETHER, scale.calls, 64),
        )
        first = Subject(
            "RecordExternalPayment, each the first on its account, 64 in flight",
            "calls",
            partial(_on_new_accounts, stand, scale.calls, 64),
        )
        many, many_limit, least_many, many_first = await in_turns(64, scale.calls, written_together, first)
    return Outcome(
        [one, one_limit, least, least_asked, many, many_limit, least_many, many_first],
        [ratio_mark(one, one_limit, _WANTED_ONE), ratio_mark(many, many_limit, _WANTED_MANY)],
        [
            f"one at a time, a call that only writes a check reaches {ratio(least, one_limit):.2f} of the"
            f" echo, one that asks for the balance before {ratio(least_asked, one_limit):.2f}, and"
            f" RecordExternalPayment {ratio(one, least_asked):.2f} of that",
            f"64 in flight, calls whose checks are only written, together, reach"
            f" {ratio(least_many, many_limit):.2f} of the echo, and RecordExternalPayment"
            f" {ratio(many, least_many):.2f} of that",
            f"64 in flight, calls that are each the first on their account reach"
            f" {ratio(many_first, many_limit):.2f} of the echo",
        ],
    )


async def _on_new_accounts(stand: Stand, calls: int, in_flight: int) -> Sample:
    """Post one check a call, each on an account that was opened for it."""
    return await single_round(stand.meter, stand.ledger, await stand.open_books(calls), calls, in_flight)()


@asynccontextmanager
async def _echo(stand: Stand, *command: str) -> AsyncIterator[_Measured]:
    """Measures so many calls of a method of an echo service, so many of them in flight."""
    with echo.running_service(*command) as (target, pid):
        async with open_channel(target) as channel:

            async def measured(method: str, calls: int, in_flight: int) -> Sample:
                call = echo.call_of(channel, method)
                requests = [Empty()] * calls
                sample, answers = await stand.meter_of(pid).measure(calls, send(call, requests, in_flight))
                assert len(answers) == calls
                return sample

            yield measured


def _writing_echo(stand: Stand, books: Books, sample: Books) -> AbstractAsyncContextManager[_Measured]:
    """The same of one that writes a check like the one of the sample."""
    clients = (str(books.client_no), str(sample.client_no))
    return _echo(stand, "benchmarks.writing_echo", stand.postgres.url("tallybook_ledger"), *clients)
