"""BatchWriteAuditEvents: each event has its own result, and the log keeps it once."""

from uuid import uuid4

import grpc
import pytest

from tallybook.audit.v1.audit_pb2 import (
    WRITE_OUTCOME_APPENDED,
    WRITE_OUTCOME_DUPLICATE,
    WRITE_OUTCOME_REFUSED,
    AuditEventRecord,
)
from tests.integration.audit.caller import AuditCaller, Refused
from tests.unit.audit.events import as_record, plain_event, session, session_event


async def test_events_stand_in_the_log_in_the_order_of_the_call(audit: AuditCaller) -> None:
    results = await audit.write(*(plain_event() for _ in range(5)))
    indexes = [result.log_index for result in results]
    assert indexes == list(range(indexes[0], indexes[0] + 5))
    assert {result.outcome for result in results} == {WRITE_OUTCOME_APPENDED}
    assert not any(result.reason or result.message for result in results)


async def test_the_same_event_is_accepted_again_at_its_place(audit: AuditCaller) -> None:
    event = plain_event()
    (first,) = await audit.write(event)
    (again,) = await audit.write(event)
    assert again.outcome == WRITE_OUTCOME_DUPLICATE
    assert again.log_index == first.log_index


async def test_an_identifier_with_other_bytes_is_refused_and_the_log_keeps_the_first(
    audit: AuditCaller, client_no: int
) -> None:
    event = plain_event(client_no=client_no, summary="first")
    await audit.write(event)
    event.summary = "second"
    (result,) = await audit.write(event)
    assert (result.outcome, result.log_index) == (WRITE_OUTCOME_REFUSED, -1)
    assert result.reason == "EVENT_ID_REUSED"
    assert event.event_id in result.message
    assert await audit.found_events(client_nos=[client_no]) == ["first"]


async def test_an_event_twice_in_one_call_is_appended_once(audit: AuditCaller) -> None:
    event, other = plain_event(), plain_event()
    other_bytes = plain_event(summary="other")
    other_bytes.event_id = event.event_id
    results = await audit.write(event, other, event, other_bytes)
    assert [result.outcome for result in results] == [
        WRITE_OUTCOME_APPENDED,
        WRITE_OUTCOME_APPENDED,
        WRITE_OUTCOME_DUPLICATE,
        WRITE_OUTCOME_REFUSED,
    ]
    assert results[2].log_index == results[0].log_index
    assert results[1].log_index == results[0].log_index + 1


async def test_bad_events_never_block_their_neighbours(audit: AuditCaller) -> None:
    no_producer = plain_event(producer="")
    no_time = plain_event()
    no_time.ClearField("occurred_at")
    bad = [
        AuditEventRecord(event_id=str(uuid4()), event=b"\xff\xff"),
        AuditEventRecord(event_id=str(uuid4()), event=plain_event().SerializeToString()),
        as_record(no_producer),
        as_record(no_time),
        as_record(session_event(session(session_no=0))),
    ]
    good = [as_record(plain_event()) for _ in range(len(bad) + 1)]
    mixed = [good[0]]
    for spoilt, sound in zip(bad, good[1:], strict=True):
        mixed += [spoilt, sound]
    results = await audit.write_records(*mixed)
    assert [result.event_id for result in results] == [record.event_id for record in mixed]
    refused, appended = results[1::2], results[0::2]
    assert {(result.outcome, result.reason, result.log_index) for result in refused} == {
        (WRITE_OUTCOME_REFUSED, "EVENT_INVALID", -1)
    }
    assert all(result.message for result in refused)
    first = appended[0].log_index
    assert [result.log_index for result in appended] == list(range(first, first + len(good)))


async def test_a_refused_identifier_is_free_for_a_sound_event(audit: AuditCaller) -> None:
    event = plain_event()
    spoilt = AuditEventRecord(event_id=event.event_id, event=b"\xff")
    refused, appended = await audit.write_records(spoilt, as_record(event))
    assert refused.reason == "EVENT_INVALID"
    assert appended.outcome == WRITE_OUTCOME_APPENDED


async def test_text_that_the_database_can_not_hold_is_kept_all_the_same(
    audit: AuditCaller, client_no: int
) -> None:
    await audit.write(plain_event(client_no=client_no, actor="a\0b", summary="x\0y"))
    response = await audit.search_events(client_nos=[client_no], actors=["a\0b"])
    assert [logged.event.summary for logged in response.events] == ["x\0y"]


@pytest.mark.parametrize(
    ("records", "field"),
    [
        ([], "events"),
        ([AuditEventRecord(event_id="not-a-uuid", event=b"x")], "events[0].event_id"),
        ([AuditEventRecord(event_id=str(uuid4()))], "events[0].event"),
    ],
)
async def test_a_call_that_breaks_the_contract_is_refused_as_a_whole(
    audit: AuditCaller, records: list[AuditEventRecord], field: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await audit.write_records(*records)
    refused = Refused(caught.value)
    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.fields == [field]
