"""How sessions end (rules 22 and 28)."""

from tallybook.batch.v1 import batch_pb2
from tests.integration.batch.conftest import NewStage
from tests.integration.batch.stage import Stage, status_name, until
from tests.integration.batch.staged_processes import Deed


def job_statuses(session: batch_pb2.BatchSession) -> list[int]:
    return [job.status for job in session.jobs]


async def test_a_session_whose_records_all_succeed_is_ok(stage: Stage) -> None:
    await stage.records("first", [Deed.OK] * 12)
    session = await stage.ended(await stage.run("first"))
    assert status_name(session) == "OK"
    assert (session.records_total, session.records_ok, session.records_failed) == (12, 12, 0)
    assert session.message == "12 of 12 records succeeded"
    assert await stage.effects("first") == {f"account:{number}": 1 for number in range(1, 13)}
    assert job_statuses(session) == [2, 2, 2, 2]
    assert [job.name for job in session.jobs] == [
        "Prepare",
        "Select what was staged",
        "Work the records",
        "Finish",
    ]
    instants = [
        session.queued_at,
        session.started_at,
        *(job.ended_at for job in session.jobs),
        session.ended_at,
    ]
    assert [instant.ToNanoseconds() for instant in instants] == sorted(i.ToNanoseconds() for i in instants)


async def test_a_session_with_nothing_to_do_is_ok(stage: Stage) -> None:
    session = await stage.ended(await stage.run("first"))
    assert status_name(session) == "OK"
    assert (session.records_total, session.message) == (0, "there was nothing to do")


async def test_a_session_with_some_failed_records_is_partial(stage: Stage) -> None:
    await stage.records("first", ([Deed.FAIL] + [Deed.OK] * 3) * 5)
    session = await stage.ended(await stage.run("first"))
    assert status_name(session) == "PARTIAL"
    assert (session.records_total, session.records_ok, session.records_failed) == (20, 15, 5)
    failed = [record for record in await stage.outcomes(session) if record.outcome == 2]
    assert [record.record_no for record in failed] == [1, 5, 9, 13, 17]
    assert {(record.reason, record.tries) for record in failed} == {("STAGED", 1)}
    assert failed[0].message == "account:1 was staged to fail"


async def test_a_session_whose_records_all_failed_is_partial_too(stage: Stage) -> None:
    await stage.records("first", [Deed.FAIL] * 7)
    session = await stage.ended(await stage.run("first"))
    assert (status_name(session), session.records_failed) == ("PARTIAL", 7)


async def test_a_record_that_raises_fails_alone(stage: Stage) -> None:
    await stage.records("first", [Deed.OK, Deed.OK, Deed.RAISE, Deed.OK, Deed.OK, Deed.OK])
    session = await stage.ended(await stage.run("first"))
    assert (status_name(session), session.records_ok, session.records_failed) == ("PARTIAL", 5, 1)
    (failed,) = [record for record in await stage.outcomes(session) if record.outcome == 2]
    assert (failed.record_key, failed.reason) == ("account:3", "RECORD_FAULT")
    assert "staged to raise" not in failed.message, "the text of an unforeseen exception stays in the log"
    assert set(await stage.effects("first")) == {f"account:{number}" for number in (1, 2, 4, 5, 6)}


async def test_a_process_that_raises_on_every_record_of_a_large_chunk_is_at_fault_itself(
    stage: Stage,
) -> None:
    await stage.records("second", [Deed.RAISE] * 15)
    session = await stage.ended(await stage.run("second"))
    assert status_name(session) == "ERROR"
    assert "all 15 records of a chunk failed unexpectedly" in session.message


async def test_a_fault_of_any_step_ends_the_session_in_error(stage: Stage) -> None:
    await stage.records("first", [Deed.OK] * 3)
    for step, place in (("prepare", 0), ("select", 1), ("finish", 3)):
        for deed in (Deed.FAULT, Deed.RAISE):
            await stage.step("first", step, deed)
            session = await stage.ended(await stage.run("first", rerun=True))
            assert status_name(session) == "ERROR"
            assert job_statuses(session)[place] == 4
            told = f"first {step} was staged to be a fault"
            assert session.message == session.jobs[place].message
            assert (session.message == told) is (deed is Deed.FAULT)
            await stage.step("first", step, Deed.OK)
    assert (await stage.run("first")).attempt == 6


async def test_a_fault_of_the_process_in_the_middle_of_the_work_stops_the_session_in_error(
    stage: Stage,
) -> None:
    await stage.records("first", [Deed.OK] * 10 + [Deed.FAULT] + [Deed.OK] * 200)
    session = await stage.ended(await stage.run("first"))
    assert status_name(session) == "ERROR"
    assert session.message == "account:11 was staged to be a fault"
    assert session.records_ok + session.records_failed < session.records_total
    assert len(await stage.effects("first")) >= session.records_ok, "what was committed stays"


async def test_work_waits_for_what_can_not_be_reached(stage: Stage) -> None:
    await stage.records("first", [Deed.OK] * 5 + [Deed.AWAY] * 5)
    session = await stage.run("first")
    await stage.until_counted(session, ok=5)

    async def tells() -> bool:
        return "was staged to be away" in (await stage.session(session.session_no)).message

    await until(tells)
    await stage.mark("back")
    ended = await stage.ended(session)
    assert (status_name(ended), ended.records_ok) == ("OK", 10)


async def test_a_session_that_waited_long_enough_ends_in_error(new_stage: NewStage) -> None:
    stage = await new_stage(transient_seconds=0.5)
    await stage.records("first", [Deed.AWAY])
    session = await stage.ended(await stage.run("first"))
    assert status_name(session) == "ERROR"
    assert session.message.endswith("account:1 was staged to be away")
    assert session.message.startswith("gave up after")


async def test_a_set_up_waits_for_what_can_not_be_reached(stage: Stage) -> None:
    await stage.step("first", "prepare", Deed.AWAY)
    session = await stage.until_status(await stage.run("first"), {1})
    await stage.mark("back")
    assert status_name(await stage.ended(session)) == "OK"
