"""Suspending, interrupting, resuming, retrying (rules 24 and 25)."""

import pytest

from tests.integration.batch.refusals import refused
from tests.integration.batch.stage import Stage, status_name
from tests.integration.batch.staged_processes import Deed


async def test_a_suspended_process_waits_until_it_is_resumed(stage: Stage) -> None:
    suspended = await stage.suspend("second", "the tax table is wrong")
    assert suspended.process.suspended
    first, second, third = await stage.run_cycle()
    assert status_name(second) == "SUSPENDED"
    assert status_name(await stage.ended(first)) == "OK"
    resumed = await stage.lift("second")
    assert [session.session_no for session in resumed.sessions] == [second.session_no]
    assert status_name(resumed.sessions[0]) == "NEW"
    assert status_name(await stage.ended(second)) == "OK"
    assert status_name(await stage.ended(third)) == "OK"


async def test_suspending_takes_queued_sessions_and_leaves_running_ones(stage: Stage) -> None:
    await stage.records("first", [Deed.GATE])
    first, second, _ = await stage.run_cycle()
    await stage.until_marked("at the gate%")
    assert (await stage.suspend("first")).sessions == []
    (suspended,) = (await stage.suspend("second", "later")).sessions
    assert (suspended.session_no, status_name(suspended)) == (second.session_no, "SUSPENDED")
    assert suspended.message == "suspended by developer: later"
    assert status_name(await stage.session(first.session_no)) == "RUNNING"
    await stage.mark("open")
    assert status_name(await stage.ended(first)) == "OK"


async def test_a_process_is_suspended_or_not(stage: Stage) -> None:
    await stage.suspend("first")
    with refused("ALREADY_SUSPENDED"):
        await stage.suspend("first")
    await stage.lift("first")
    with refused("NOT_SUSPENDED"):
        await stage.lift("first")
    with refused("PROCESS_NOT_FOUND"):
        await stage.suspend("nothing")


async def test_an_interrupted_session_stops_within_one_chunk_and_goes_on_with_what_is_left(
    stage: Stage,
) -> None:
    await stage.records("first", [Deed.GATE] * 50)
    session = await stage.run("first")
    await stage.until_marked("at the gate%")
    interrupted = await stage.interrupt(session, "too early")
    assert (status_name(interrupted), interrupted.message) == (
        "RUNNING",
        "interrupted by developer: too early",
    )
    await stage.mark("open")
    ended = await stage.ended(session)
    assert (status_name(ended), ended.actor) == ("INCOMPLETE", "developer")
    assert ended.message == "interrupted by developer: too early"
    assert ended.records_ok <= 10, "two workers had a chunk of five each"
    assert len(await stage.effects("first")) == ended.records_ok, "what was committed stays"
    resumed = await stage.resume(session)
    assert status_name(resumed) == "NEW"
    done = await stage.ended(session)
    assert (status_name(done), done.records_ok, done.attempt) == ("OK", 50, 1)
    assert set((await stage.effects("first")).values()) == {1}, "nothing was worked twice"


async def test_a_session_that_is_interrupted_in_its_set_up_selects_again(stage: Stage) -> None:
    await stage.records("first", [Deed.OK] * 7)
    await stage.step("first", "select", Deed.GATE)
    session = await stage.run("first")
    await stage.until_marked("at the gate%")
    await stage.interrupt(session)
    await stage.mark("open")
    assert status_name(await stage.ended(session)) == "INCOMPLETE"
    await stage.resume(session)
    done = await stage.ended(session)
    assert (status_name(done), done.records_total, done.records_ok) == ("OK", 7, 7)


async def test_a_queued_session_that_is_interrupted_is_incomplete_at_once(stage: Stage) -> None:
    await stage.records("first", [Deed.GATE])
    first, second, third = await stage.run_cycle()
    await stage.until_marked("at the gate%")
    interrupted = await stage.interrupt(second)
    assert status_name(interrupted) == "INCOMPLETE"
    await stage.mark("open")
    assert status_name(await stage.ended(first)) == "OK"
    assert status_name(await stage.session(third.session_no)) == "NEW"
    await stage.resume(second)
    assert status_name(await stage.ended(third)) == "OK"


async def test_what_has_ended_can_not_be_interrupted_and_what_runs_can_not_be_resumed(stage: Stage) -> None:
    await stage.records("first", [Deed.GATE])
    session = await stage.run("first")
    await stage.until_marked("at the gate%")
    for change in (stage.resume, stage.retry):
        with refused("STATUS_CONFLICT"):
            await change(session)
    with refused("STATUS_CONFLICT"):
        await stage.run("first", rerun=True)
    await stage.mark("open")
    await stage.ended(session)
    for wish in (stage.interrupt, stage.resume):
        with refused("STATUS_CONFLICT"):
            await wish(session)


async def test_a_suspended_session_is_resumed_with_its_process(stage: Stage) -> None:
    await stage.suspend("first")
    session = await stage.run("first")
    with refused("STATUS_CONFLICT"):
        await stage.interrupt(session)
    with refused("STATUS_CONFLICT"):
        await stage.resume(session)


async def test_a_session_of_a_suspended_process_that_is_resumed_waits_as_suspended(stage: Stage) -> None:
    await stage.records("first", [Deed.GATE] * 11)
    session = await stage.run("first")
    await stage.until_marked("at the gate%")
    await stage.interrupt(session)
    await stage.mark("open")
    await stage.ended(session)
    await stage.suspend("first")
    resumed = await stage.resume(session)
    assert (status_name(resumed), resumed.message) == ("SUSPENDED", "the process is suspended")
    await stage.lift("first")
    assert status_name(await stage.ended(session)) == "OK"


async def test_a_retry_works_only_the_failed_records(stage: Stage) -> None:
    await stage.records("first", [Deed.OK, Deed.FAIL, Deed.OK, Deed.FAIL, Deed.RAISE] * 4)
    session = await stage.ended(await stage.run("first"))
    assert (session.records_ok, session.records_failed) == (8, 12)
    await stage.restage(Deed.RAISE, Deed.OK)
    await stage.retry(session)
    again = await stage.ended(session)
    assert (status_name(again), again.records_ok, again.records_failed) == ("PARTIAL", 12, 8)
    tries = {record.record_no: record.tries for record in await stage.outcomes(session)}
    assert {tries[number] for number in (1, 3, 6)} == {1}
    assert {tries[number] for number in (2, 4, 5)} == {2}
    await stage.restage(Deed.FAIL, Deed.OK)
    await stage.retry(session)
    done = await stage.ended(session)
    assert (status_name(done), done.records_ok, done.records_failed, done.attempt) == ("OK", 20, 0, 1)
    assert len(await stage.effects("first")) == 20
    recovered = [record for record in await stage.outcomes(session) if record.record_no == 2]
    assert (recovered[0].outcome, recovered[0].reason, recovered[0].tries) == (1, "", 3)
    with refused("NO_FAILED_RECORDS"):
        await stage.retry(session)


async def test_a_retry_of_an_interrupted_session_leaves_what_was_never_worked(stage: Stage) -> None:
    await stage.records("first", [Deed.FAIL] + [Deed.GATE] * 30)
    session = await stage.run("first")
    await stage.until_marked("at the gate%")
    await stage.interrupt(session)
    await stage.mark("open")
    interrupted = await stage.ended(session)
    await stage.restage(Deed.FAIL, Deed.OK)
    await stage.retry(session)
    retried = await stage.ended(session)
    assert (status_name(retried), retried.records_failed) == ("INCOMPLETE", 0)
    assert retried.records_ok == interrupted.records_ok + 1
    assert "resume the session" in retried.message
    await stage.resume(session)
    done = await stage.ended(session)
    assert (status_name(done), done.records_ok) == ("OK", 31)


async def test_a_retry_of_an_interrupted_retry_leaves_no_empty_chunk_behind(stage: Stage) -> None:
    await stage.records("first", [Deed.FAIL] * 20)
    session = await stage.ended(await stage.run("first"))
    await stage.restage(Deed.FAIL, Deed.GATE)
    await stage.retry(session)
    await stage.until_marked("at the gate%")
    await stage.interrupt(session)
    await stage.mark("open")
    interrupted = await stage.ended(session)
    assert (status_name(interrupted), interrupted.records_ok > 0) == ("INCOMPLETE", True)
    await stage.retry(session)
    done = await stage.ended(session)
    assert (status_name(done), done.records_ok) == ("OK", 20)
    assert await stage.admin.fetchval("SELECT count(*) FROM batch_chunk WHERE state NOT IN (2, 4)") == 0


async def test_a_session_in_error_can_have_its_failed_records_retried(stage: Stage) -> None:
    await stage.records("first", [Deed.FAIL, Deed.OK])
    await stage.step("first", "finish", Deed.FAULT)
    session = await stage.ended(await stage.run("first"))
    assert status_name(session) == "ERROR"
    await stage.step("first", "finish", Deed.OK)
    await stage.restage(Deed.FAIL, Deed.OK)
    await stage.retry(session)
    assert status_name(await stage.ended(session)) == "OK"


async def test_who_has_begun_its_work_goes_on_with_it_whatever_became_of_the_others(stage: Stage) -> None:
    await stage.records("second", [Deed.GATE] * 50)
    first, second, _ = await stage.run_cycle()
    await stage.until_marked("at the gate%")
    await stage.interrupt(second)
    await stage.mark("open")
    assert 0 < (await stage.ended(second)).records_ok < 50
    await stage.step("first", "prepare", Deed.FAULT)
    assert status_name(await stage.ended(await stage.run("first", rerun=True))) == "ERROR"
    await stage.resume(second)
    assert status_name(await stage.ended(second)) == "OK"
    assert status_name(await stage.session(first.session_no)) == "OK"


async def test_an_older_attempt_stays_as_it_was(stage: Stage) -> None:
    await stage.records("first", [Deed.FAIL])
    old = await stage.ended(await stage.run("first"))
    new = await stage.ended(await stage.run("first", rerun=True))
    assert (new.attempt, status_name(new)) == (2, "PARTIAL")
    with refused("SESSION_SUPERSEDED"):
        await stage.retry(old)
    assert await stage.session(old.session_no) == old


@pytest.mark.parametrize("wish", ["interrupt", "resume", "retry"])
async def test_a_session_of_another_client_does_not_exist(stage: Stage, wish: str) -> None:
    session = await stage.ended(await stage.run("first"))
    session.client_no = 2
    with refused("SESSION_NOT_FOUND"):
        await getattr(stage, wish)(session)
