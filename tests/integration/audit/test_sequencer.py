"""One sequence without gaps, whoever writes."""

import asyncio
import random
from dataclasses import replace

import asyncpg
import grpc
import pytest

from audit_service.events import read_event
from audit_service.rules.placement import Placing
from audit_service.sequencer import running_sequencer
from service_kit.database import engine_on
from tallybook.audit.v1.audit_event_pb2 import AuditEvent
from tallybook.audit.v1.audit_pb2 import WRITE_OUTCOME_APPENDED, WRITE_OUTCOME_DUPLICATE
from tests.integration.audit.caller import AuditCaller, Refused
from tests.integration.audit.log import AuditLog
from tests.unit.audit.events import plain_event

WRITERS = 20
CALLS = 10


async def test_twenty_writers_in_two_processes_make_one_sequence_without_gaps(
    audit: AuditCaller, other_audit: AuditCaller, log: AuditLog
) -> None:
    chance = random.Random(20)
    # Each writer shares some of its events with the next one: both processes race for the same identifiers.
    shared = [[plain_event() for _ in range(CALLS)] for _ in range(WRITERS)]
    appended: dict[str, int] = {}
    duplicates: list[tuple[str, int]] = []

    async def write(writer: int) -> None:
        caller = (audit, other_audit)[writer % 2]
        for call in range(CALLS):
            own: list[AuditEvent] = [plain_event() for _ in range(chance.randint(0, 20))]
            events = [*own, shared[writer][call], shared[(writer + 1) % WRITERS][call]]
            for result in await caller.write(*events):
                if result.outcome == WRITE_OUTCOME_APPENDED:
                    assert appended.setdefault(result.event_id, result.log_index) == result.log_index
                else:
                    assert result.outcome == WRITE_OUTCOME_DUPLICATE
                    duplicates.append((result.event_id, result.log_index))

    await asyncio.gather(*(write(writer) for writer in range(WRITERS)))

    assert len(duplicates) == WRITERS * CALLS
    assert all(appended[event_id] == log_index for event_id, log_index in duplicates)
    rows = await log.rows()
    assert [row.log_index for row in rows] == list(range(len(rows)))
    assert {str(row.event_id): row.log_index for row in rows}.items() >= appended.items()
    assert [row.logged_at for row in rows] == sorted(row.logged_at for row in rows)


async def test_a_caller_that_does_not_wait_leaves_no_gap(audit: AuditCaller, log: AuditLog) -> None:
    abandoned = [asyncio.create_task(audit.write(plain_event())) for _ in range(20)]
    await asyncio.sleep(0.01)
    for call in abandoned:
        call.cancel()
    await audit.write(plain_event())
    await asyncio.gather(*abandoned, return_exceptions=True)
    rows = await log.rows()
    assert [row.log_index for row in rows] == list(range(len(rows)))


async def test_an_event_that_the_database_refuses_does_not_harm_the_calls_it_waits_with(
    environment: dict[str, str],
) -> None:
    engine = engine_on(environment["TALLYBOOK_AUDIT_DATABASE_URL"], name="test")
    events = [
        read_event(event.event_id, event.SerializeToString()) for event in (plain_event(), plain_event())
    ]
    # The border lets no such text through; what it does not foresee must harm only its own caller all the
    # same.
    refused = replace(events[0], actor="\0")
    async with running_sequencer(engine) as sequencer:
        outcomes = await asyncio.gather(
            *(sequencer.append([event]) for event in (refused, events[1])), return_exceptions=True
        )
    await engine.dispose()
    assert isinstance(outcomes[0], Exception)
    assert isinstance(outcomes[1], list)
    assert outcomes[1][0].placing is Placing.APPENDED


@pytest.mark.parametrize("blocked", ["SELECT pg_advisory_xact_lock(1953263463)", "LOCK TABLE audit_event"])
async def test_a_connection_that_breaks_is_told_and_the_next_try_succeeds(
    audit: AuditCaller, log: AuditLog, blocked: str
) -> None:
    event = plain_event()
    blocker = await asyncpg.connect(log.owner_url)
    async with blocker.transaction():
        await blocker.execute(blocked)
        write = asyncio.create_task(audit.write(event))
        await _break_connection_that_waits(log)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await write
    await blocker.close()
    refused = Refused(caught.value)
    assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")
    (again,) = await audit.write(event)
    assert again.outcome == WRITE_OUTCOME_APPENDED


async def _break_connection_that_waits(log: AuditLog) -> None:
    async with asyncio.timeout(30):
        broken: list[object] = []
        while not broken:
            broken = await log.execute(
                "SELECT pg_terminate_backend(pid), pg_sleep(0.01) FROM pg_stat_activity "
                "WHERE application_name = 'audit' AND wait_event_type = 'Lock'"
            )
