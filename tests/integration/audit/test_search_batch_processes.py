"""SearchBatchProcesses (rule 35)."""

from datetime import date, timedelta
from typing import Any

import grpc
import pytest

from tallybook.batch.v1.batch_pb2 import BatchSession
from tallybook.batch.v1.batch_status_pb2 import (
    BATCH_STATUS_NEW,
    BATCH_STATUS_OK,
    BATCH_STATUS_PARTIAL,
    BATCH_STATUS_RUNNING,
)
from tests.integration.audit.caller import AuditCaller, Refused
from tests.unit.audit.events import TODAY, session, session_event

YESTERDAY = TODAY - timedelta(days=1)


async def tell(audit: AuditCaller, *sessions: BatchSession) -> None:
    await audit.write(*(session_event(each) for each in sessions))


@pytest.fixture
async def week(audit: AuditCaller, client_no: int) -> int:
    """Sessions 1 to 6 of a client of its own; its number."""
    await tell(
        audit,
        session(client_no=client_no, session_no=1, business_date=YESTERDAY, status=BATCH_STATUS_OK),
        session(client_no=client_no, session_no=2, status=BATCH_STATUS_NEW),
        session(
            client_no=client_no,
            session_no=3,
            status=BATCH_STATUS_PARTIAL,
            batch_no=23,
            name="Billing Manager",
        ),
        session(
            client_no=client_no,
            session_no=4,
            status=BATCH_STATUS_OK,
            batch_no=0,
            name="100% of a_b\\c Loader",
        ),
        session(client_no=client_no, session_no=5, business_date=TODAY + timedelta(days=5), name="ÜBERTRAG"),
        session(client_no=client_no, session_no=6, business_date=YESTERDAY, status=BATCH_STATUS_RUNNING),
    )
    return client_no


@pytest.mark.parametrize(
    ("first", "last", "filters", "found"),
    [
        (TODAY, TODAY, {}, [4, 3, 2]),
        (YESTERDAY, TODAY, {}, [4, 3, 2, 6, 1]),
        (YESTERDAY, TODAY + timedelta(days=5), {}, [5, 4, 3, 2, 6, 1]),
        (TODAY + timedelta(days=6), TODAY + timedelta(days=12), {}, []),
        (YESTERDAY, TODAY, {"statuses": [BATCH_STATUS_NEW]}, [2]),
        (YESTERDAY, TODAY, {"statuses": [BATCH_STATUS_OK, BATCH_STATUS_PARTIAL]}, [4, 3, 1]),
        (YESTERDAY, TODAY, {"batch_nos": [23]}, [3]),
        (YESTERDAY, TODAY, {"batch_nos": [0, 23]}, [4, 3]),
        (YESTERDAY, TODAY, {"statuses": [BATCH_STATUS_OK], "batch_nos": [22]}, [1]),
        (YESTERDAY, TODAY, {"name_contains": "bILLING m"}, [3]),
        (YESTERDAY, TODAY, {"name_contains": "%"}, [4]),
        (YESTERDAY, TODAY, {"name_contains": "_"}, [4]),
        (YESTERDAY, TODAY, {"name_contains": "\\"}, [4]),
        (YESTERDAY, TODAY, {"name_contains": "Inv%er"}, []),
        (YESTERDAY, TODAY, {"name_contains": "\0"}, []),
        (YESTERDAY, TODAY, {"name_contains": "invoicer", "statuses": [BATCH_STATUS_RUNNING]}, [6]),
        (YESTERDAY, TODAY + timedelta(days=5), {"name_contains": "über"}, [5]),
    ],
)
async def test_filters_combine_with_and_and_their_values_with_or(
    audit: AuditCaller, week: int, first: date, last: date, filters: dict[str, Any], found: list[int]
) -> None:
    assert await audit.found_sessions(first, last, client_nos=[week], **filters) == found


async def test_a_row_is_the_newest_state_without_jobs(audit: AuditCaller, client_no: int) -> None:
    newest = session(client_no=client_no, version=3, status=BATCH_STATUS_OK, message="12 invoices")
    await tell(audit, newest, session(client_no=client_no, version=2, status=BATCH_STATUS_RUNNING))
    (row,) = (await audit.search_processes(client_nos=[client_no])).sessions
    newest.ClearField("jobs")
    assert row == newest


async def test_a_session_leaves_the_old_status_when_a_newer_event_comes(
    audit: AuditCaller, client_no: int
) -> None:
    await tell(audit, session(client_no=client_no, version=1, status=BATCH_STATUS_NEW))
    await tell(audit, session(client_no=client_no, version=2, status=BATCH_STATUS_RUNNING))
    assert await audit.found_sessions(client_nos=[client_no], statuses=[BATCH_STATUS_NEW]) == []
    assert await audit.found_sessions(client_nos=[client_no], statuses=[BATCH_STATUS_RUNNING]) == [1]


async def test_pages_stay_stable_while_sessions_are_added(audit: AuditCaller, client_no: int) -> None:
    await tell(audit, *(session(client_no=client_no, session_no=number) for number in range(1, 8)))
    filters: dict[str, Any] = {"client_nos": [client_no], "page_size": 3}
    first = await audit.search_processes(**filters)
    await tell(audit, *(session(client_no=client_no, session_no=number) for number in range(8, 12)))
    second = await audit.search_processes(**filters, page_token=first.next_page_token)
    # Another page size is no other filter.
    filters["page_size"] = 2
    third = await audit.search_processes(**filters, page_token=second.next_page_token)
    pages = [[each.session_no for each in page.sessions] for page in (first, second, third)]
    assert pages == [[7, 6, 5], [4, 3, 2], [1]]
    assert not third.next_page_token


async def test_sessions_of_several_clients_with_one_number_are_paged_each(
    audit: AuditCaller, client_no: int, other_client_no: int
) -> None:
    clients = [client_no, other_client_no]
    await tell(audit, *(session(client_no=each, session_no=5) for each in clients))
    first = await audit.search_processes(client_nos=clients, page_size=1)
    second = await audit.search_processes(client_nos=clients, page_size=1, page_token=first.next_page_token)
    assert {each.client_no for page in (first, second) for each in page.sessions} == set(clients)


async def test_a_page_token_belongs_to_its_filters(audit: AuditCaller, week: int) -> None:
    page = await audit.search_processes(client_nos=[week], page_size=1)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await audit.search_processes(
            client_nos=[week], page_size=1, statuses=[BATCH_STATUS_OK], page_token=page.next_page_token
        )
    assert Refused(caught.value).reason == "INVALID_PAGE_TOKEN"


@pytest.mark.parametrize(
    ("first", "last", "reason"),
    [
        (TODAY, TODAY + timedelta(days=7), "DATE_RANGE_TOO_WIDE"),
        (TODAY, YESTERDAY, "DATE_RANGE_REVERSED"),
    ],
)
async def test_more_than_seven_days_or_reversed_dates_are_refused_with_both_dates(
    audit: AuditCaller, first: date, last: date, reason: str
) -> None:
    for search in (audit.search_processes, audit.search_events):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await search(first, last)
        refused = Refused(caught.value)
        assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
        assert refused.domain == "audit.tallybook"
        assert refused.fields == ["from_date", "to_date"]
        assert str(first) in refused.message
        assert str(last) in refused.message


async def test_a_negative_page_size_is_refused(audit: AuditCaller) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await audit.search_processes(page_size=-1)
    assert Refused(caught.value).fields == ["page_size"]
