"""What the audit log is told (rule 36)."""

from tallybook.batch.v1 import batch_pb2
from tests.integration.batch.stage import Stage, status_name
from tests.integration.batch.staged_processes import Deed


def statuses(sessions: list[batch_pb2.BatchSession]) -> list[str]:
    """The statuses in order, each once in a row."""
    names = [status_name(session) for session in sessions]
    return [name for place, name in enumerate(names) if place == 0 or names[place - 1] != name]


async def told(stage: Stage, session: batch_pb2.BatchSession) -> list[batch_pb2.BatchSession]:
    return [
        event.batch_session_changed.session
        for event in await stage.events("batch.session")
        if event.batch_session_changed.session.session_no == session.session_no
    ]


async def test_every_change_of_status_is_told_with_its_actor_and_version(stage: Stage) -> None:
    await stage.records("first", [Deed.GATE] * 11)
    session = await stage.run("first")
    await stage.until_marked("at the gate%")
    await stage.interrupt(session, "stop it")
    await stage.mark("open")
    await stage.ended(session)
    await stage.resume(session)
    ended = await stage.ended(session)
    snapshots = await told(stage, session)
    assert statuses(snapshots) == ["NEW", "RUNNING", "INCOMPLETE", "NEW", "RUNNING", "OK"]
    versions = [snapshot.version for snapshot in snapshots]
    assert versions == sorted(set(versions))
    assert snapshots[-1] == ended, "the last one is what a caller sees"
    actors = {status_name(snapshot): snapshot.actor for snapshot in snapshots}
    assert actors["NEW"] == actors["INCOMPLETE"] == "developer"
    assert actors["RUNNING"] == "batch"
    assert actors["OK"].startswith("batch:")


async def test_each_settled_chunk_tells_what_failed_and_what_recovered(stage: Stage) -> None:
    await stage.records("first", [Deed.OK, Deed.FAIL, Deed.OK, Deed.OK, Deed.OK, Deed.OK, Deed.FAIL])
    session = await stage.ended(await stage.run("first"))
    chunks = [event.batch_chunk_settled for event in await stage.events("batch.chunk")]
    assert {chunk.chunk_no: chunk.records_ok for chunk in chunks} == {1: 4, 2: 1}
    failed = sorted(record.record_no for chunk in chunks for record in chunk.failed_records)
    assert failed == [2, 7]
    assert all(chunk.session_no == session.session_no for chunk in chunks)
    assert all((chunk.business_date.month, chunk.business_date.day) == (3, 1) for chunk in chunks)
    await stage.restage(Deed.FAIL, Deed.OK)
    await stage.retry(session)
    await stage.ended(session)
    retried = [event.batch_chunk_settled for event in await stage.events("batch.chunk")][2:]
    recovered = [record for chunk in retried for record in chunk.recovered_records]
    assert [(record.record_no, record.outcome, record.tries) for record in recovered] == [
        (2, 1, 2),
        (7, 1, 2),
    ]
    assert not any(chunk.failed_records for chunk in retried)


async def test_a_session_that_did_not_run_is_told_as_a_warning_of_the_engine(stage: Stage) -> None:
    await stage.step("first", "prepare", Deed.FAULT)
    first, second, _ = [await stage.ended(session) for session in await stage.run_cycle()]
    assert statuses(await told(stage, first)) == ["NEW", "RUNNING", "ERROR"]
    snapshots = await told(stage, second)
    assert statuses(snapshots) == ["NEW", "WARNING"]
    assert (snapshots[-1].actor, snapshots[-1].blocked_by) == ("batch", "first")


async def test_suspending_and_resuming_a_process_is_told(stage: Stage) -> None:
    await stage.suspend("first", "quarter end")
    await stage.lift("first")
    events = await stage.events("batch.batch_process")
    assert [(event.entity_changed.entity_id, event.entity_changed.action) for event in events] == [
        ("first", "suspended"),
        ("first", "resumed"),
    ]
    assert events[0].actor == "developer"
    assert "quarter end" in events[0].summary


async def test_events_have_ids_of_their_own_and_name_their_producer(stage: Stage) -> None:
    await stage.ended(await stage.run("first"))
    events = await stage.events("batch.session")
    assert len({event.event_id for event in events}) == len(events)
    assert {event.producer for event in events} == {"batch"}
    assert {event.client_no for event in events} == {1}
