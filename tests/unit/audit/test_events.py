"""What the log takes for an event, and what it derives from one."""

from collections.abc import Callable
from datetime import date
from hashlib import sha256
from uuid import UUID

import pytest
from google.type.date_pb2 import Date
from hypothesis import given
from hypothesis import strategies as st

from audit_service.events import InvalidEventError, read_event
from audit_service.rules.projection import Recency
from tallybook.audit.v1.audit_event_pb2 import AuditEvent
from tallybook.batch.v1.batch_pb2 import BatchSession
from tallybook.batch.v1.batch_status_pb2 import BATCH_STATUS_PARTIAL
from tests.unit.audit.events import (
    NOON,
    TODAY,
    chunk_event,
    commit_group_event,
    plain_event,
    record,
    session,
    session_event,
)

ID = UUID("0195f3a0-0000-7000-8000-000000000001")


def test_the_exact_bytes_are_kept_and_hashed_as_a_leaf() -> None:
    content = plain_event(event_id=ID).SerializeToString() + b"\xf8\x07\x01"  # a field of a later version
    read = read_event(str(ID), content)
    assert read.event == content
    assert read.leaf_hash == sha256(b"\x00" + content).digest()


def test_an_event_is_filed_by_day_client_producer_type_and_actor() -> None:
    read = read_event(str(ID), plain_event(event_id=ID, client_no=7, actor="anna").SerializeToString())
    assert (read.occurred_on, read.client_no) == (NOON.date(), 7)
    assert (read.producer, read.event_type, read.actor) == ("ledger", "ledger.account", "anna")


def test_a_commit_group_is_filed_as_its_producer_says() -> None:
    one, several = commit_group_event(4), commit_group_event(4, 5)
    assert read_event(one.event_id, one.SerializeToString()).client_no == 4
    assert read_event(several.event_id, several.SerializeToString()).client_no == 0


def test_a_session_is_told_with_its_version() -> None:
    event = session_event(session(client_no=3, session_no=8, version=5, status=BATCH_STATUS_PARTIAL))
    told = read_event(event.event_id, event.SerializeToString()).snapshot
    assert told is not None
    assert told.key == (3, 8)
    assert told.recency == Recency(5, NOON, UUID(event.event_id))
    assert (told.status, told.business_date) == (5, TODAY)
    assert BatchSession.FromString(told.session) == event.batch_session_changed.session


def test_a_chunk_tells_of_the_records_that_failed_and_that_recovered() -> None:
    event = chunk_event(session_no=8, failed=[record(1)], recovered=[record(2, tries=2)])
    told = read_event(event.event_id, event.SerializeToString()).records
    assert [(each.key, each.recency.count, each.failed) for each in told] == [
        ((1, 8, 1), 1, True),
        ((1, 8, 2), 2, False),
    ]


def without(*fields: str) -> Callable[[AuditEvent], None]:
    """Takes fields out of an event."""

    def change(event: AuditEvent) -> None:
        for field in fields:
            event.ClearField(field)  # type: ignore[arg-type]  # the names are the contract's

    return change


def after_the_year_9999(event: AuditEvent) -> None:
    event.occurred_at.seconds = 2**40


def about_a_negative_client(event: AuditEvent) -> None:
    event.client_no = -1


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (without("event_id"), "the bytes hold event ''"),
        (without("producer"), "producer is missing"),
        (without("occurred_at"), "occurred_at is missing"),
        (after_the_year_9999, "not an instant"),
        (about_a_negative_client, "negative"),
    ],
)
def test_an_event_without_what_every_event_needs_is_refused(
    spoil: Callable[[AuditEvent], None], complaint: str
) -> None:
    event = plain_event(event_id=ID)
    spoil(event)
    with pytest.raises(InvalidEventError, match=complaint):
        read_event(str(ID), event.SerializeToString())


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        (session(session_no=0), "name no batch session"),
        (session(client_no=0), "name no batch session"),
        (session(version=0), "versions count from 1"),
    ],
)
def test_a_session_that_the_search_could_not_show_is_refused(changed: BatchSession, complaint: str) -> None:
    event = session_event(changed)
    with pytest.raises(InvalidEventError, match=complaint):
        read_event(event.event_id, event.SerializeToString())


def test_a_session_on_a_day_that_does_not_exist_is_refused() -> None:
    changed = session()
    changed.business_date.CopyFrom(Date(year=2026, month=2, day=30))
    event = session_event(changed)
    with pytest.raises(InvalidEventError, match="2026-02-30 is not a day"):
        read_event(event.event_id, event.SerializeToString())


def test_a_session_of_one_client_is_not_told_under_the_name_of_another() -> None:
    event = session_event(session(client_no=2))
    event.client_no = 1
    with pytest.raises(InvalidEventError, match="an event of client 1 tells of client 2"):
        read_event(event.event_id, event.SerializeToString())


def test_the_identifier_may_be_written_in_capitals() -> None:
    event = plain_event(event_id=ID)
    assert read_event(str(ID).upper(), event.SerializeToString()).event_id == ID


def test_text_that_the_database_can_not_hold_is_kept_in_the_bytes_and_marked_in_the_search() -> None:
    event = plain_event(event_id=ID, actor="a\0b")
    read = read_event(str(ID), event.SerializeToString())
    assert read.actor == "a\ufffdb"
    assert AuditEvent.FromString(read.event).actor == "a\0b"


@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_are_refused(content: bytes) -> None:
    try:
        read = read_event(str(ID), content)
    except InvalidEventError:
        return
    assert read.event_id == ID
    assert isinstance(read.occurred_on, date)
