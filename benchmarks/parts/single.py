"""Single calls: one check a call, against an empty gRPC service; and, one at a time, against one that only
writes the rows of a check. That one tells how much of the way to the limit is physical.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Final

from google.protobuf.empty_pb2 import Empty

from benchmarks import echo
from benchmarks.figures import Measurement, Outcome, Sample, ratio, ratio_mark
from benchmarks.postings import single_round
from benchmarks.requests import single_checks
from benchmarks.rounds import Subject, take_turns
from benchmarks.scale import Scale
from benchmarks.stand import Books, Stand, open_channel, send

# What part of the echo's rate is wanted.
_WANTED_ONE: Final = 0.5
_WANTED_MANY: Final = 0.65


async def measure(stand: Stand, scale: Scale) -> Outcome:
    """Measure calls one at a time, and 64 at a time."""
    books, sample = await stand.open_books(scale.accounts), await stand.open_books(1)
    await stand.ledger.transactions.RecordExternalPayment(single_checks(sample, 1)[0])
    async with _echo(stand) as empty, _writing_echo(stand, books, sample) as writing:

        async def in_turns(in_flight: int, calls: int, *others: Subject) -> list[Measurement]:
            payments = single_round(stand.meter, stand.ledger, books, calls, in_flight)
            product = Subject(f"RecordExternalPayment, {in_flight} in flight", "calls", payments)
            limit = Subject(f"empty echo, {in_flight} in flight", "calls", partial(empty, calls, in_flight))
            return await take_turns([product, limit, *others], scale.rounds)

        calls = scale.calls // 4
        only_written = Subject(
            "a check written and no more, 1 in flight", "calls", partial(writing, calls, 1)
        )
        one, one_limit, least = await in_turns(1, calls, only_written)
        many, many_limit = await in_turns(64, scale.calls)
    return Outcome(
        [one, one_limit, least, many, many_limit],
        [ratio_mark(one, one_limit, _WANTED_ONE), ratio_mark(many, many_limit, _WANTED_MANY)],
        [
            f"one at a time, a call that only writes a check reaches {ratio(least, one_limit):.2f} of the"
            f" echo, and RecordExternalPayment {ratio(one, least):.2f} of that"
        ],
    )


@asynccontextmanager
async def _echo(stand: Stand, *command: str) -> AsyncIterator[Callable[[int, int], Awaitable[Sample]]]:
    """Measures so many calls of an echo service, so many of them in flight."""
    with echo.running_echo(*command) as (target, pid):
        async with open_channel(target) as channel:
            call = channel.unary_unary(
                echo.METHOD,
                request_serializer=Empty.SerializeToString,
                response_deserializer=Empty.FromString,
            )

            async def measured(calls: int, in_flight: int) -> Sample:
                requests = [Empty()] * calls
                sample, answers = await stand.meter_of(pid).measure(calls, send(call, requests, in_flight))
                assert len(answers) == calls
                return sample

            yield measured


def _writing_echo(
    stand: Stand, books: Books, sample: Books
) -> AbstractAsyncContextManager[Callable[[int, int], Awaitable[Sample]]]:
    """The same of one that writes a check like the one of the sample."""
    clients = (str(books.client_no), str(sample.client_no))
    return _echo(stand, "benchmarks.writing_echo", stand.postgres.url("tallybook_ledger"), *clients)
