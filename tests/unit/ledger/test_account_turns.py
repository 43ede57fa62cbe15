"""Who waits for whom among the groups of one poster."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from ledger_service.account_turns import AccountTurns, Turn

X, Y = (1, 1), (1, 2)


async def is_waiting(task: "asyncio.Task[object]") -> bool:
    """Whether it still waits after everything else had its turn."""
    for _ in range(10):
        await asyncio.sleep(0)
    return not task.done()


@asynccontextmanager
async def ahead(turns: AccountTurns, *accounts: tuple[int, int], names: str = "") -> AsyncIterator[Turn]:
    async with turns.turn(set(accounts), [set(names)], is_ahead=True) as turn:
        yield turn


async def takes(turns: AccountTurns, *accounts: tuple[int, int], names: str = "", is_ahead: bool) -> None:
    async with turns.turn(set(accounts), [set(names)], is_ahead=is_ahead):
        pass


async def test_two_that_write_ahead_number_and_hold_one_after_the_other() -> None:
    turns = AccountTurns()
    async with AsyncExitStack() as first_under_way:
        first = await first_under_way.enter_async_context(ahead(turns, X))
        async with ahead(turns, X, Y) as second:
            numbering = asyncio.create_task(second.to_number())
            holding = asyncio.create_task(second.to_hold())
            assert await is_waiting(numbering)
            first.is_numbered.set()
            assert not await is_waiting(numbering)
            assert await is_waiting(holding)
            await first_under_way.aclose()
            assert not await is_waiting(holding)


async def test_who_has_nothing_in_common_waits_for_nobody() -> None:
    turns = AccountTurns()
    async with ahead(turns, X, names="a"), ahead(turns, Y, names="b") as second:
        await second.to_number()
        await second.to_hold()


async def test_who_shares_an_account_or_a_name_with_one_that_writes_ahead_waits_for_its_end() -> None:
    turns = AccountTurns()
    async with ahead(turns, X, names="a"):
        waiting = [
            asyncio.create_task(takes(turns, Y, names="a", is_ahead=True)),
            asyncio.create_task(takes(turns, Y, names="a", is_ahead=False)),
            asyncio.create_task(takes(turns, X, is_ahead=False)),
        ]
        assert [await is_waiting(each) for each in waiting] == [True, True, True]
    assert [await is_waiting(each) for each in waiting] == [False, False, False]


async def test_who_writes_ahead_waits_for_who_holds_and_they_meet_each_other_in_the_database() -> None:
    turns = AccountTurns()
    async with turns.turn({X}, [{"a"}], is_ahead=False):
        await takes(turns, X, names="a", is_ahead=False)
        waiting = [
            asyncio.create_task(takes(turns, X, is_ahead=True)),
            asyncio.create_task(takes(turns, Y, names="a", is_ahead=True)),
        ]
        assert [await is_waiting(each) for each in waiting] == [True, True]
    assert [await is_waiting(each) for each in waiting] == [False, False]


async def test_who_gave_up_waiting_holds_up_nobody() -> None:
    turns = AccountTurns()
    async with turns.turn({X}, [set()], is_ahead=False):
        second = asyncio.create_task(takes(turns, X, Y, is_ahead=True))
        third = asyncio.create_task(takes(turns, Y, is_ahead=False))
        assert [await is_waiting(second), await is_waiting(third)] == [True, True]
        second.cancel()
        assert not await is_waiting(third)


async def test_nothing_is_kept_of_a_turn_that_has_ended_however_long_others_overlap() -> None:
    turns = AccountTurns()
    before = AsyncExitStack()
    for _ in range(20):
        under_way = AsyncExitStack()
        await under_way.enter_async_context(ahead(turns, X))
        await before.aclose()
        before = under_way
    gc.collect()
    kept = sum(isinstance(each, Turn) for each in gc.get_objects())
    await before.aclose()
    assert kept <= 2
