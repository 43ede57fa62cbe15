"""Who works beside whom."""

import asyncio

from batch_service.work_room import WorkRoom


class Visitors:
    """Those who want to enter a room, and who is inside."""

    def __init__(self) -> None:
        self.room = WorkRoom()
        self.inside: list[str] = []
        self._leave: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def comes(self, name: str, *, alone: bool = False) -> None:
        self._leave[name] = asyncio.Event()
        self._tasks[name] = asyncio.create_task(self._visit(name, alone))
        await self._settle()

    async def leaves(self, name: str) -> None:
        self._leave[name].set()
        await self._settle()

    async def gives_up(self, name: str) -> None:
        self._tasks[name].cancel()
        await self._settle()

    async def _visit(self, name: str, alone: bool) -> None:
        async with self.room.entered(alone=alone):
            self.inside.append(name)
            try:
                await self._leave[name].wait()
            finally:
                self.inside.remove(name)

    @staticmethod
    async def _settle() -> None:
        for _ in range(5):
            await asyncio.sleep(0)


async def test_any_number_is_inside_at_once() -> None:
    visitors = Visitors()
    await visitors.comes("a")
    await visitors.comes("b")
    assert visitors.inside == ["a", "b"]


async def test_who_has_to_be_alone_waits_for_all_others_and_lets_nobody_pass() -> None:
    visitors = Visitors()
    await visitors.comes("a")
    await visitors.comes("suspect", alone=True)
    await visitors.comes("late")
    assert visitors.inside == ["a"]
    await visitors.leaves("a")
    assert visitors.inside == ["suspect"]
    await visitors.leaves("suspect")
    assert visitors.inside == ["late"]


async def test_two_who_have_to_be_alone_go_one_after_the_other() -> None:
    visitors = Visitors()
    await visitors.comes("one", alone=True)
    await visitors.comes("two", alone=True)
    assert visitors.inside == ["one"]
    await visitors.leaves("one")
    assert visitors.inside == ["two"]


async def test_who_gives_up_waiting_holds_nobody_up() -> None:
    visitors = Visitors()
    await visitors.comes("a")
    await visitors.comes("suspect", alone=True)
    await visitors.comes("late")
    await visitors.gives_up("suspect")
    assert visitors.inside == ["a", "late"]
