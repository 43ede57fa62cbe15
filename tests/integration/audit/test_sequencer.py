"""One sequence without gaps, whoever writes."""

import asyncio
import random

from tallybook.audit.v1.audit_event_pb2 import AuditEvent
from tallybook.audit.v1.audit_pb2 import WRITE_OUTCOME_APPENDED, WRITE_OUTCOME_DUPLICATE
from tests.integration.audit.caller import AuditCaller
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
