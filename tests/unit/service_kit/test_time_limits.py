"""Calls that take too long are cut, each when it is due."""

import asyncio

import structlog

from service_kit.call_meters import MethodMeters
from service_kit.call_record import CallRecord
from service_kit.errors import DomainError, ErrorKind
from service_kit.time_limits import TimeLimit

TOO_LATE = DomainError(ErrorKind.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", "it took too long")
LIMIT_SECONDS = 0.2


class Calls:
    """Calls under one limit, which wait for ever or for so many seconds; and what became of them."""

    def __init__(self, seconds: float | None) -> None:
        self.limit = TimeLimit(seconds, TOO_LATE)
        self.cut_after: dict[str, float] = {}

    async def call(self, name: str, seconds: float = 60) -> None:
        record = CallRecord("/a.B/C", MethodMeters("/a.B/C"), structlog.get_logger(), "trace", quiet=False)
        began = asyncio.get_running_loop().time()
        self.limit.begin(record)
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            assert record.cut_for is TOO_LATE
            self.cut_after[name] = asyncio.get_running_loop().time() - began
        finally:
            self.limit.lift(record)


async def test_each_call_is_cut_when_it_is_due_and_none_that_has_ended() -> None:
    calls = Calls(LIMIT_SECONDS)
    first, short = asyncio.create_task(calls.call("first")), asyncio.create_task(calls.call("short", 0.01))
    await asyncio.sleep(LIMIT_SECONDS / 2)
    second = asyncio.create_task(calls.call("second"))
    await asyncio.gather(first, short, second)

    assert calls.cut_after.keys() == {"first", "second"}
    assert all(LIMIT_SECONDS - 0.01 <= after < 10 * LIMIT_SECONDS for after in calls.cut_after.values())


async def test_a_call_that_begins_when_all_others_have_ended_is_cut_too() -> None:
    calls = Calls(LIMIT_SECONDS)
    await calls.call("short", 0.01)
    await asyncio.sleep(2 * LIMIT_SECONDS)
    await calls.call("late")

    assert calls.cut_after.keys() == {"late"}


async def test_what_has_no_end_of_its_own_is_cut_when_all_are() -> None:
    calls = Calls(None)
    endless = asyncio.create_task(calls.call("endless"))
    await asyncio.sleep(2 * LIMIT_SECONDS)
    assert not calls.cut_after

    calls.limit.cut_all()
    await endless

    assert calls.cut_after.keys() == {"endless"}
