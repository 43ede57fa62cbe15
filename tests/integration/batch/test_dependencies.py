"""When sessions start (rule 23)."""

import asyncio
from datetime import date
from itertools import pairwise

import pytest

from batch_service.coordinator import Coordinator
from tests.integration.batch.conftest import NewStage
from tests.integration.batch.stage import MARCH_1, Stage, status_name, until
from tests.integration.batch.staged_processes import Deed


async def test_the_daily_cycle_runs_its_processes_one_after_the_other(stage: Stage) -> None:
    for code in ("first", "second", "third"):
        await stage.records(code, [Deed.OK] * 3)
    sessions = await stage.run_cycle()
    assert [session.process_code for session in sessions] == ["first", "second", "third"]
    assert [session.batch_no for session in sessions] == [3, 22, 23]
    ended = [await stage.ended(session) for session in sessions]
    assert [status_name(session) for session in ended] == ["OK", "OK", "OK"]
    for upstream, downstream in pairwise(ended):
        assert upstream.ended_at.ToNanoseconds() <= downstream.started_at.ToNanoseconds()


async def test_a_daily_cycle_that_is_run_again_changes_nothing(stage: Stage) -> None:
    sessions = [await stage.ended(session) for session in await stage.run_cycle()]
    assert await stage.run_cycle() == sessions
    assert len(await stage.run_cycle(date(2026, 3, 2))) == 3


async def test_a_client_whose_sessions_can_not_be_started_holds_up_no_other(
    new_stage: NewStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = Coordinator.start_ready_sessions

    async def start_unless_broken(self: Coordinator, client_no: int) -> None:
        if client_no != 5:
            raise RuntimeError("staged")
        await start(self, client_no)

    monkeypatch.setattr(Coordinator, "start_ready_sessions", start_unless_broken)
    monkeypatch.setattr(Coordinator, "look_at", lambda _self, _client_no: None)  # the sweep finds them
    stage = await new_stage()
    sessions = [await stage.run("first", client_no=client_no) for client_no in range(1, 10)]
    assert status_name(await stage.ended(sessions[4])) == "OK"


async def test_an_error_upstream_keeps_everything_behind_it_from_running(stage: Stage) -> None:
    await stage.step("first", "prepare", Deed.FAULT)
    await stage.records("second", [Deed.OK])
    sessions = [await stage.ended(session) for session in await stage.run_cycle()]
    assert [status_name(session) for session in sessions] == ["ERROR", "WARNING", "WARNING"]
    assert [session.blocked_by for session in sessions] == ["", "first", "second"]
    assert "First process" in sessions[1].message
    assert "first kept it from running" in sessions[2].message
    assert await stage.effects("second") == {}
    assert not sessions[1].HasField("started_at")
    assert [job.status for job in sessions[1].jobs] == [0, 0, 0, 0]


async def test_failed_records_upstream_hold_nobody_up(stage: Stage) -> None:
    await stage.records("first", [Deed.FAIL])
    sessions = [await stage.ended(session) for session in await stage.run_cycle()]
    assert [status_name(session) for session in sessions] == ["PARTIAL", "OK", "OK"]


async def test_who_depends_on_an_interrupted_session_waits_until_it_is_resumed(stage: Stage) -> None:
    await stage.records("first", [Deed.GATE])
    first, second, _ = await stage.run_cycle()
    await stage.until_marked("at the gate%")
    await stage.interrupt(first)
    await stage.mark("open")
    await stage.ended(first)

    async def waits() -> bool:
        return "is Incomplete" in (await stage.session(second.session_no)).message

    await until(waits)
    waiting = await stage.session(second.session_no)
    assert (status_name(waiting), waiting.blocked_by) == ("NEW", "first")
    await stage.resume(first)
    assert status_name(await stage.ended(second)) == "OK"


async def test_a_process_that_is_run_alone_does_not_wait_for_sessions_that_do_not_exist(stage: Stage) -> None:
    assert status_name(await stage.ended(await stage.run("third"))) == "OK"


async def test_a_dependency_counts_for_its_own_business_date_and_client(stage: Stage) -> None:
    await stage.step("first", "prepare", Deed.FAULT)
    await stage.ended(await stage.run("first"))
    assert status_name(await stage.ended(await stage.run("second", business_date=date(2026, 3, 2)))) == "OK"
    assert status_name(await stage.ended(await stage.run("second", client_no=2))) == "OK"
    assert status_name(await stage.ended(await stage.run("second"))) == "WARNING"


async def test_the_latest_attempt_counts_and_warnings_are_run_again_by_hand(stage: Stage) -> None:
    await stage.step("first", "prepare", Deed.FAULT)
    first, second, _ = [await stage.ended(session) for session in await stage.run_cycle()]
    await stage.step("first", "prepare", Deed.OK)
    again = await stage.ended(await stage.run("first", rerun=True))
    assert (status_name(again), again.attempt) == ("OK", 2)
    assert status_name(await stage.session(second.session_no)) == "WARNING", "it stays as it was"
    assert status_name(await stage.ended(await stage.run("second", rerun=True))) == "OK"
    assert status_name(await stage.session(first.session_no)) == "ERROR"


async def test_one_session_of_a_process_runs_at_a_time(stage: Stage) -> None:
    await stage.records("first", [Deed.GATE])
    earlier = await stage.run("first")
    await stage.until_marked("at the gate%")
    later = await stage.run("first", business_date=date(2026, 3, 2))

    async def waits() -> bool:
        return (await stage.session(later.session_no)).blocked_by == "first"

    await until(waits)
    await stage.mark("open")
    assert status_name(await stage.ended(earlier)) == "OK"
    assert status_name(await stage.ended(later)) == "OK"


async def test_clients_do_not_wait_for_each_other(stage: Stage) -> None:
    await stage.records("first", [Deed.GATE])
    waiting = await stage.run("first", client_no=1)
    await stage.until_marked("at the gate%")
    assert status_name(await stage.ended(await stage.run("second", client_no=2))) == "OK"
    await stage.mark("open")
    await stage.ended(waiting)


async def test_of_many_calls_for_the_same_date_one_makes_the_session(stage: Stage) -> None:
    sessions = await asyncio.gather(*(stage.run("first", business_date=MARCH_1) for _ in range(8)))
    assert len({session.session_no for session in sessions}) == 1
