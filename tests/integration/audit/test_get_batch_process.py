"""GetBatchProcess: a session in depth, in whatever order its events came (rule 36)."""

import random
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

import grpc
import pytest

from tallybook.audit.v1.audit_event_pb2 import AuditEvent
from tallybook.batch.v1.batch_status_pb2 import (
    BATCH_STATUS_NEW,
    BATCH_STATUS_OK,
    BATCH_STATUS_PARTIAL,
    BATCH_STATUS_RUNNING,
    BATCH_STATUS_SUSPENDED,
)
from tests.integration.audit.caller import AuditCaller, Refused
from tests.unit.audit.events import NOON, chunk_event, record, session, session_event

STATUSES = [
    BATCH_STATUS_NEW,
    BATCH_STATUS_SUSPENDED,
    BATCH_STATUS_NEW,
    BATCH_STATUS_RUNNING,
    BATCH_STATUS_RUNNING,
    BATCH_STATUS_PARTIAL,
    BATCH_STATUS_RUNNING,
    BATCH_STATUS_OK,
]


def story(client_no: int) -> list[AuditEvent]:
    """A session that fails partly and is retried, as its producer tells it."""
    changes = [
        session_event(
            session(
                client_no=client_no,
                version=version,
                status=status,
                actor="anna" if status == BATCH_STATUS_SUSPENDED else "scheduler",
                message=f"change {version}",
            ),
            occurred_at=NOON + timedelta(minutes=version),
        )
        for version, status in enumerate(STATUSES, start=1)
    ]
    chunks = [
        chunk_event(client_no=client_no, failed=[record(3), record(1)]),
        chunk_event(client_no=client_no, failed=[record(2)]),
        chunk_event(
            client_no=client_no,
            failed=[record(2, tries=2, reason="CARD_EXPIRED")],
            recovered=[record(3, tries=2)],
            occurred_at=NOON + timedelta(hours=1),
        ),
    ]
    return changes + chunks


async def observed(audit: AuditCaller, client_no: int) -> tuple[object, ...]:
    """What the service says of the session, without the places in the log."""
    answer = await audit.process(client_no, 1)
    return (
        (answer.session.version, answer.session.status, answer.session.message, len(answer.session.jobs)),
        [(failed.record_no, failed.tries, failed.reason) for failed in answer.failed_records],
        [
            (change.version, change.status, change.actor, change.message, change.occurred_at.ToJsonString())
            for change in answer.history
        ],
    )


def expected() -> tuple[object, ...]:
    # Version 5 left the status as it was.
    changed = [1, 2, 3, 4, 6, 7, 8]
    return (
        (8, BATCH_STATUS_OK, "change 8", 1),
        [(1, 1, "CARD_DECLINED"), (2, 2, "CARD_EXPIRED")],
        [
            (
                version,
                STATUSES[version - 1],
                "anna" if version == 2 else "scheduler",
                f"change {version}",
                f"2026-03-04T12:0{version}:00Z",
            )
            for version in changed
        ],
    )


@pytest.mark.parametrize("seed", range(8))
async def test_events_in_any_order_and_repeated_tell_the_same_story(
    audit: AuditCaller, client_no: int, seed: int
) -> None:
    chance = random.Random(seed)
    events = story(client_no)
    arrivals: list[AuditEvent] = events + chance.sample(events, 4)
    if seed:  # 0 is the producer's own order
        chance.shuffle(arrivals)
    for call in _cut(arrivals, chance):
        await audit.write(*call)
    assert await observed(audit, client_no) == expected()


def _cut(events: Sequence[AuditEvent], chance: random.Random) -> list[Sequence[AuditEvent]]:
    """The events in calls of random length."""
    cuts = [0, *sorted(chance.sample(range(1, len(events)), 3)), len(events)]
    return [events[start:end] for start, end in pairwise(cuts)]


async def test_a_record_that_recovered_is_not_reopened_by_a_late_event(
    audit: AuditCaller, client_no: int
) -> None:
    await audit.write(session_event(session(client_no=client_no)))
    await audit.write(chunk_event(client_no=client_no, recovered=[record(1, tries=2)]))
    await audit.write(chunk_event(client_no=client_no, failed=[record(1, tries=1)]))
    assert not (await audit.process(client_no, 1)).failed_records


async def test_the_history_says_where_in_the_log_each_change_stands(
    audit: AuditCaller, client_no: int
) -> None:
    events = [
        session_event(session(client_no=client_no, version=1, status=BATCH_STATUS_RUNNING)),
        session_event(session(client_no=client_no, version=2, status=BATCH_STATUS_OK)),
    ]
    results = await audit.write(*reversed(events))
    history = (await audit.process(client_no, 1)).history
    assert [change.log_index for change in history] == [result.log_index for result in reversed(results)]


async def test_at_most_a_thousand_failed_records_are_shown(audit: AuditCaller, client_no: int) -> None:
    await audit.write(session_event(session(client_no=client_no)))
    await audit.write(chunk_event(client_no=client_no, failed=[record(number) for number in range(1, 1200)]))
    shown = (await audit.process(client_no, 1)).failed_records
    assert [each.record_no for each in shown] == list(range(1, 1001))


async def test_a_session_that_no_event_told_of_is_not_found(audit: AuditCaller, client_no: int) -> None:
    await audit.write(chunk_event(client_no=client_no, failed=[record(1)]))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await audit.process(client_no, 1)
    refused = Refused(caught.value)
    assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")
    assert dict(refused.metadata) == {"client_no": str(client_no), "session_no": "1"}
