"""Workers that are killed, frozen, stopped, many (rules 27 and 28). The service itself has none: they are
processes.
"""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Sequence
from typing import Any

import grpc
import pytest

from batch_service import store_chunks
from batch_service.chunks import ChunkTicket
from batch_service.delivery_procrastinate import ProcrastinateDelivery
from tallybook.batch.v1 import batch_pb2
from tests.integration.batch.conftest import NewStage
from tests.integration.batch.stage import ENDED, Stage, status_name, until
from tests.integration.batch.staged_processes import Deed

pytestmark = pytest.mark.chaos


@pytest.fixture
async def workerless(new_stage: NewStage) -> Stage:
    """A service that works no chunks."""
    return await new_stage(workers=0)


async def pids(stage: Stage) -> Counter[int]:
    """How many effects each worker process had."""
    rows = await stage.admin.fetch("SELECT pid, count(*) AS effects FROM stage_effect GROUP BY pid")
    return Counter({row["pid"]: row["effects"] for row in rows})


async def test_two_workers_share_the_chunks_and_each_record_is_worked_once(workerless: Stage) -> None:
    await workerless.records("first", [Deed.SLOW] * 100)
    workerless.start_worker()
    workerless.start_worker()
    session = await workerless.ended(await workerless.run("first"), seconds=60)
    assert (status_name(session), session.records_ok) == ("OK", 100)
    assert len(await pids(workerless)) == 2
    assert set((await workerless.effects("first")).values()) == {1}


async def test_the_chunks_of_a_killed_worker_are_done_by_another(workerless: Stage) -> None:
    await workerless.records("first", [Deed.SLOW] * 100)
    victim = workerless.start_worker()
    session = await workerless.run("first")
    await workerless.until_counted(session, ok=10)
    other = workerless.start_worker()
    victim.send_signal(signal.SIGKILL)
    ended = await workerless.ended(session, seconds=60)
    assert (status_name(ended), ended.records_ok) == ("OK", 100)
    assert len(await workerless.effects("first")) == 100
    assert (await pids(workerless))[other.pid] > 0


async def test_a_worker_that_dies_on_a_record_once_does_no_harm(workerless: Stage) -> None:
    await workerless.records("first", [Deed.OK] * 7 + [Deed.KILL_ONCE] + [Deed.OK] * 12)
    workerless.start_worker()
    session = await workerless.run("first")
    await workerless.until_marked("killed%")
    workerless.start_worker()
    ended = await workerless.ended(session, seconds=60)
    assert (status_name(ended), ended.records_ok) == ("OK", 20)


async def test_a_worker_that_dies_in_the_set_up_does_no_harm(workerless: Stage) -> None:
    await workerless.records("first", [Deed.OK] * 6)
    await workerless.step("first", "select", Deed.KILL_ONCE)
    workerless.start_worker()
    session = await workerless.run("first")
    await workerless.until_marked("killed%")
    workerless.start_worker()
    ended = await workerless.ended(session, seconds=60)
    assert (status_name(ended), ended.records_total, ended.records_ok) == ("OK", 6, 6)


@pytest.mark.slow
async def test_a_record_that_kills_every_worker_fails_alone(workerless: Stage) -> None:
    """A supervisor starts a new worker for each that dies, as it would on a host."""
    await workerless.records("first", [Deed.OK] * 8 + [Deed.KILL] + [Deed.OK] * 4)
    session = await workerless.run("first")
    ended = await supervised(workerless, session.session_no)
    assert status_name(ended) == "PARTIAL"
    assert (ended.records_ok, ended.records_failed) == (12, 1)
    (failed,) = [record for record in await workerless.outcomes(session) if record.outcome == 2]
    assert (failed.record_key, failed.reason) == ("account:9", "WORKER_LOST")


@pytest.mark.slow
async def test_a_record_that_kills_every_worker_does_not_take_its_neighbours_along(workerless: Stage) -> None:
    """What shares a process with the poison loses its lease each time too, and is not to blame."""
    await workerless.records("first", [Deed.SLOW] * 8 + [Deed.KILL] + [Deed.SLOW] * 11)
    session = await workerless.run("first")
    ended = await supervised(workerless, session.session_no, chunks_at_once=4)
    assert (ended.records_ok, ended.records_failed) == (19, 1)


@pytest.mark.slow
async def test_a_set_up_that_kills_every_worker_ends_the_session_in_error(workerless: Stage) -> None:
    await workerless.step("first", "prepare", Deed.KILL)
    session = await workerless.run("first")
    ended = await supervised(workerless, session.session_no)
    assert status_name(ended) == "ERROR"
    assert "took its worker down 3 times" in ended.message


async def supervised(stage: Stage, session_no: int, *, chunks_at_once: int = 1) -> batch_pb2.BatchSession:
    """The session when it has ended, with one worker process kept alive until then."""
    worker = stage.start_worker(TALLYBOOK_BATCH_WORKERS=str(chunks_at_once))

    async def has_ended() -> bool:
        nonlocal worker
        if worker.poll() is not None:
            worker = stage.start_worker(TALLYBOOK_BATCH_WORKERS=str(chunks_at_once))
        return (await stage.session(session_no)).status in ENDED

    await until(has_ended, seconds=100)
    return await stage.session(session_no)


async def test_a_frozen_worker_that_wakes_up_late_can_not_settle(workerless: Stage) -> None:
    await workerless.records("first", [Deed.GATE] * 5)
    frozen = workerless.start_worker()
    session = await workerless.run("first")
    await workerless.until_marked("at the gate: account%")
    frozen.send_signal(signal.SIGSTOP)
    other = workerless.start_worker()

    async def taken_over() -> bool:
        worker = await workerless.admin.fetchval(
            "SELECT worker FROM batch_chunk WHERE session_no = $1 AND chunk_no = 1 AND state = 1",
            session.session_no,
        )
        return f":{other.pid}:" in (worker or "")

    await until(taken_over)
    await workerless.mark("open")
    ended = await workerless.ended(session)
    epoch = await workerless.admin.fetchval("SELECT epoch FROM batch_chunk WHERE chunk_no = 1")
    frozen.send_signal(signal.SIGCONT)
    await asyncio.sleep(1.5)
    assert await workerless.session(session.session_no) == ended, "nothing changed after the end"
    assert (status_name(ended), ended.records_ok) == ("OK", 5)
    assert ended.actor == f"batch:{os.uname().nodename}:{other.pid}:{ended.actor.rpartition(':')[2]}"
    assert await workerless.admin.fetchval("SELECT epoch FROM batch_chunk WHERE chunk_no = 1") == epoch
    assert {record.tries for record in await workerless.outcomes(session)} == {1}
    assert frozen.poll() is None, "it goes on to work other chunks"


async def test_a_worker_that_is_told_to_stop_finishes_its_chunks_and_leaves_the_rest(
    workerless: Stage,
) -> None:
    await workerless.records("first", [Deed.SLOW] * 100)
    worker = workerless.start_worker()
    session = await workerless.run("first")
    await workerless.until_counted(session, ok=5)
    worker.terminate()
    assert await asyncio.to_thread(worker.wait, 20) == 0
    stopped = await workerless.session(session.session_no)
    assert status_name(stopped) == "RUNNING"
    effects = await workerless.effects("first")
    assert len(effects) == stopped.records_ok < 100
    assert await workerless.admin.fetchval("SELECT count(*) FROM batch_chunk WHERE state = 1") == 0
    workerless.start_worker()
    assert status_name(await workerless.ended(session, seconds=60)) == "OK"
    assert set((await workerless.effects("first")).values()) == {1}


async def test_a_worker_that_can_not_finish_in_time_gives_its_chunks_back(workerless: Stage) -> None:
    await workerless.records("first", [Deed.GATE] * 5)
    worker = workerless.start_worker(TALLYBOOK_BATCH_DRAIN_SECONDS="0.2", TALLYBOOK_BATCH_LEASE_SECONDS="60")
    session = await workerless.run("first")
    await workerless.until_marked("at the gate: account%")
    worker.terminate()
    assert await asyncio.to_thread(worker.wait, 20) == 0
    await workerless.mark("open")
    workerless.start_worker()
    # Long before a lease of 60 seconds would have run out.
    assert status_name(await workerless.ended(session, seconds=20)) == "OK"


async def test_chunks_that_the_queue_lost_are_delivered_again(workerless: Stage) -> None:
    await workerless.records("first", [Deed.OK] * 20)
    session = await workerless.until_status(await workerless.run("first"), {1})
    await workerless.admin.execute("DELETE FROM procrastinate_jobs")
    workerless.start_worker()
    assert status_name(await workerless.ended(session)) == "OK"


async def test_a_heartbeat_that_finds_a_chunk_settled_lets_its_worker_deliver_what_comes_next(
    new_stage: NewStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No claim is left on a settled chunk, and still nothing was lost."""
    stage = await new_stage(redelivery_seconds=1000.0)
    await stage.records("first", [Deed.OK] * 20)
    heartbeat = asyncio.Event()
    keep, defer = store_chunks.keep, ProcrastinateDelivery.defer

    async def keep_and_tell(*arguments: Any) -> dict[ChunkTicket, bool]:
        kept = await keep(*arguments)
        heartbeat.set()
        return kept

    async def defer_after_a_heartbeat(
        delivery: ProcrastinateDelivery, tickets: Sequence[ChunkTicket]
    ) -> None:
        if any(ticket.chunk_no for ticket in tickets):
            heartbeat.clear()
            await heartbeat.wait()
            await asyncio.sleep(0.05)
        await defer(delivery, tickets)

    monkeypatch.setattr(store_chunks, "keep", keep_and_tell)
    monkeypatch.setattr(ProcrastinateDelivery, "defer", defer_after_a_heartbeat)
    assert status_name(await stage.ended(await stage.run("first"), seconds=20)) == "OK"


async def test_work_goes_on_after_the_database_closed_all_connections(stage: Stage) -> None:
    await stage.records("first", [Deed.SLOW] * 60)
    session = await stage.run("first")
    await stage.until_counted(session, ok=5)
    for _ in range(3):
        await stage.admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await asyncio.sleep(0.3)

    async def has_ended() -> bool:
        try:
            return (await stage.session(session.session_no)).status in ENDED
        except grpc.aio.AioRpcError:
            return False

    await until(has_ended, seconds=60)
    ended = await stage.session(session.session_no)
    assert (status_name(ended), ended.records_ok) == ("OK", 60)
    assert len(await stage.effects("first")) == 60


async def test_sessions_of_several_services_on_one_database_run_once(new_stage: NewStage) -> None:
    """Two services coordinate, and a worker process too."""
    stage = await new_stage()
    stage.start_worker()
    other = stage.start_service()
    for code in ("first", "second", "third"):
        await stage.records(code, [Deed.OK] * 40)
    sessions = await asyncio.gather(*(stage.run_cycle(client_no=client_no) for client_no in range(1, 6)))
    for session in (session for cycle in sessions for session in cycle):
        ended = await stage.ended(session, seconds=60)
        assert (status_name(ended), ended.records_ok) == ("OK", 40)
    effects = await stage.admin.fetch("SELECT worked FROM stage_effect")
    assert Counter(row["worked"] for row in effects) == {1: 5 * 3 * 40}
    assert other.poll() is None
