"""Single calls: one check a call, against an empty gRPC service."""

from functools import partial
from typing import Final

import grpc
from google.protobuf.empty_pb2 import Empty

from benchmarks import echo
from benchmarks.figures import Outcome, Sample, ratio_mark
from benchmarks.meter import Meter
from benchmarks.postings import single_round
from benchmarks.rounds import Subject, take_turns
from benchmarks.scale import Scale
from benchmarks.stand import Stand, open_channel, send

_ONE_AT_A_TIME: Final = 1
_MANY_AT_A_TIME: Final = 64
# What part of the echo's rate is wanted.
_WANTED: Final = {_ONE_AT_A_TIME: 0.5, _MANY_AT_A_TIME: 0.65}


async def measure(stand: Stand, scale: Scale) -> Outcome:
    """Measure calls one at a time, and 64 at a time."""
    books = await stand.open_books(scale.accounts)
    measurements, marks = [], []
    with echo.running_echo() as (target, pid):
        async with open_channel(target) as channel:
            for in_flight, calls in ((_ONE_AT_A_TIME, scale.calls // 4), (_MANY_AT_A_TIME, scale.calls)):
                product, limit = await take_turns(
                    [
                        Subject(
                            f"RecordExternalPayment, {in_flight} in flight",
                            "calls",
                            single_round(stand.meter, stand.ledger, books, calls, in_flight),
                        ),
                        Subject(
                            f"empty echo, {in_flight} in flight",
                            "calls",
                            partial(_echo, stand.meter_of(pid), channel, calls, in_flight),
                        ),
                    ],
                    scale.rounds,
                )
                measurements += [product, limit]
                marks.append(ratio_mark(product, limit, _WANTED[in_flight]))
    return Outcome(measurements, marks)


async def _echo(meter: Meter, channel: grpc.aio.Channel, calls: int, in_flight: int) -> Sample:
    call = channel.unary_unary(
        echo.METHOD, request_serializer=Empty.SerializeToString, response_deserializer=Empty.FromString
    )
    sample, answers = await meter.measure(calls, send(call, [Empty()] * calls, in_flight))
    assert len(answers) == calls
    return sample
