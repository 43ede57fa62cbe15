"""The contract of BatchService: request ids, refusals, lists, watching, the client's own day."""

import asyncio
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import grpc
import pytest
from google.type.date_pb2 import Date

from tallybook.batch.v1 import batch_pb2
from tests.integration.batch.refusals import refused
from tests.integration.batch.stage import CLIENT, Stage, key, status_name
from tests.integration.batch.staged_processes import Deed

INVALID = grpc.StatusCode.INVALID_ARGUMENT


def march(day: int) -> Date:
    return Date(year=2026, month=3, day=day)


async def test_the_processes_are_listed_in_the_order_in_which_they_run(stage: Stage) -> None:
    await stage.suspend("second")
    response = await stage.stub.ListBatchProcesses(batch_pb2.ListBatchProcessesRequest(client_no=CLIENT))
    assert [process.process_code for process in response.processes] == ["first", "second", "third", "loader"]
    assert [process.batch_no for process in response.processes] == [3, 22, 23, 0]
    assert [list(process.depends_on) for process in response.processes] == [[], ["first"], ["second"], []]
    assert [process.suspended for process in response.processes] == [False, True, False, False]
    assert [process.in_daily_cycle for process in response.processes] == [True, True, True, False]
    other = await stage.stub.ListBatchProcesses(batch_pb2.ListBatchProcessesRequest(client_no=2))
    assert not any(process.suspended for process in other.processes)


async def test_a_request_that_is_sent_twice_is_answered_twice_and_done_once(stage: Stage) -> None:
    request = batch_pb2.RunBatchProcessRequest(
        client_no=CLIENT, request_id=key(), process_code="first", business_date=march(1), rerun=True
    )
    answers = await asyncio.gather(*(stage.stub.RunBatchProcess(request) for _ in range(5)))
    assert len({answer.session.session_no for answer in answers}) == 1
    await stage.ended(answers[0].session)
    assert await stage.stub.RunBatchProcess(request) == answers[0], "the first answer, word for word"
    assert await stage.admin.fetchval("SELECT count(*) FROM batch_session") == 1


async def test_a_request_id_is_not_used_for_another_request(stage: Stage) -> None:
    request = batch_pb2.RunBatchProcessRequest(
        client_no=CLIENT, request_id=key(), process_code="first", business_date=march(1)
    )
    await stage.stub.RunBatchProcess(request)
    request.process_code = "second"
    with refused("REQUEST_ID_REUSED", INVALID):
        await stage.stub.RunBatchProcess(request)
    with refused("REQUEST_ID_REUSED", INVALID):
        await stage.stub.RunDailyCycle(
            batch_pb2.RunDailyCycleRequest(client_no=CLIENT, request_id=request.request_id)
        )
    request.client_no = 2
    await stage.stub.RunBatchProcess(request)  # another client's keys are its own


async def test_a_refused_request_does_not_use_up_its_key(stage: Stage) -> None:
    session = await stage.run("first")
    await stage.ended(session)
    request = batch_pb2.RunBatchProcessRequest(client_no=CLIENT, request_id=key(), process_code="nothing")
    with refused("PROCESS_NOT_FOUND", grpc.StatusCode.NOT_FOUND):
        await stage.stub.RunBatchProcess(request)
    request.process_code = "first"
    await stage.stub.RunBatchProcess(request)


async def test_a_process_that_loads_files_needs_one(stage: Stage) -> None:
    with refused("PROCESS_NEEDS_FILE", grpc.StatusCode.FAILED_PRECONDITION):
        await stage.run("loader")


@pytest.mark.parametrize("day", [Date(year=2026, month=2, day=29), Date(year=2026, month=3), Date()])
async def test_a_business_date_is_a_day_of_the_calendar(stage: Stage, day: Date) -> None:
    with refused("DATE_INVALID", INVALID):
        await stage.stub.RunDailyCycle(
            batch_pb2.RunDailyCycleRequest(client_no=CLIENT, request_id=key(), business_date=day)
        )


async def test_the_business_date_is_today_where_the_client_lives(stage: Stage) -> None:
    # Two zones whose days differ at any moment.
    for client_no, zone in ((1, "Pacific/Kiritimati"), (2, "Pacific/Pago_Pago")):
        await stage.admin.execute(
            "INSERT INTO client_profile (client_no, name, time_zone) VALUES ($1, 'x', $2)", client_no, zone
        )
    days = []
    for client_no, zone in ((1, "Pacific/Kiritimati"), (2, "Pacific/Pago_Pago"), (3, "UTC")):
        before = datetime.now(UTC).astimezone(ZoneInfo(zone)).date()
        response = await stage.stub.RunBatchProcess(
            batch_pb2.RunBatchProcessRequest(client_no=client_no, request_id=key(), process_code="first")
        )
        after = datetime.now(UTC).astimezone(ZoneInfo(zone)).date()
        day = response.session.business_date
        days.append(date(day.year, day.month, day.day))
        assert before <= days[-1] <= after
    assert days[0] > days[1]


async def test_sessions_are_listed_newest_first_and_filtered(stage: Stage) -> None:
    await stage.records("first", [Deed.FAIL])
    for day in (1, 2, 3):
        for session in await stage.run_cycle(date(2026, 3, day)):
            await stage.ended(session)

    async def listed(**filters: object) -> list[tuple[str, int]]:
        request = batch_pb2.ListBatchSessionsRequest(client_no=CLIENT, **filters)  # type: ignore[arg-type]
        response = await stage.stub.ListBatchSessions(request)
        return [(session.process_code, session.business_date.day) for session in response.sessions]

    assert await listed() == [(code, day) for day in (3, 2, 1) for code in ("third", "second", "first")]
    assert await listed(business_date_from=march(2), business_date_to=march(2), process_codes=["first"]) == [
        ("first", 2)
    ]
    assert await listed(statuses=[5]) == [("first", 3), ("first", 2), ("first", 1)]
    assert await listed(statuses=[5, 2], business_date_to=march(1)) == [
        ("third", 1),
        ("second", 1),
        ("first", 1),
    ]
    assert await listed(statuses=[0]) == [], "New is a filter like any other"
    with refused("INVALID_REQUEST", INVALID):
        await listed(business_date_from=march(2), business_date_to=march(1))


async def test_sessions_come_in_pages(stage: Stage) -> None:
    for day in (1, 2, 3, 4):
        await stage.ended(await stage.run("first", business_date=date(2026, 3, day)))
    request = batch_pb2.ListBatchSessionsRequest(client_no=CLIENT, page_size=3)
    page = await stage.stub.ListBatchSessions(request)
    assert [session.business_date.day for session in page.sessions] == [4, 3, 2]
    assert all(len(session.jobs) == 4 for session in page.sessions)
    request.page_token = page.next_page_token
    last = await stage.stub.ListBatchSessions(request)
    assert [session.business_date.day for session in last.sessions] == [1]
    assert last.next_page_token == ""
    request.process_codes.append("first")
    with refused("INVALID_PAGE_TOKEN", INVALID):
        await stage.stub.ListBatchSessions(request)
    with refused("INVALID_REQUEST", INVALID):
        await stage.stub.ListBatchSessions(batch_pb2.ListBatchSessionsRequest(client_no=CLIENT, page_size=-1))


async def test_records_come_in_pages_and_by_outcome(stage: Stage) -> None:
    await stage.records("first", [Deed.OK, Deed.FAIL] * 4)
    session = await stage.ended(await stage.run("first"))
    request = batch_pb2.ListBatchRecordsRequest(
        client_no=CLIENT,
        session_no=session.session_no,
        outcomes=[batch_pb2.RECORD_OUTCOME_FAILED],
        page_size=3,
    )
    page = await stage.stub.ListBatchRecords(request)
    assert [record.record_key for record in page.records] == ["account:2", "account:4", "account:6"]
    request.page_token = page.next_page_token
    last = await stage.stub.ListBatchRecords(request)
    assert [record.record_no for record in last.records] == [8]
    assert last.next_page_token == ""


async def test_a_session_that_does_not_exist_is_not_found(stage: Stage) -> None:
    with refused("SESSION_NOT_FOUND", grpc.StatusCode.NOT_FOUND):
        await stage.session(4711)
    with refused("SESSION_NOT_FOUND", grpc.StatusCode.NOT_FOUND):
        await stage.stub.ListBatchRecords(batch_pb2.ListBatchRecordsRequest(client_no=1, session_no=4711))
    with refused("SESSION_NOT_FOUND", grpc.StatusCode.NOT_FOUND):
        async for _ in stage.stub.WatchBatchSession(
            batch_pb2.WatchBatchSessionRequest(client_no=CLIENT, session_no=4711)
        ):
            pass


async def test_a_watched_session_is_shown_until_it_ends(stage: Stage) -> None:
    await stage.records("first", [Deed.GATE] * 10)
    session = await stage.run("first")
    watch = stage.stub.WatchBatchSession(
        batch_pb2.WatchBatchSessionRequest(client_no=CLIENT, session_no=session.session_no)
    )
    seen = []
    async for response in watch:
        seen.append(response.session)
        if response.session.records_total:
            await stage.mark("open")
    assert [status_name(session) for session in seen][-1] == "OK"
    versions = [session.version for session in seen]
    assert versions == sorted(set(versions))
    assert seen[-1] == await stage.session(session.session_no)


async def test_watching_a_session_that_has_ended_shows_it_once(stage: Stage) -> None:
    session = await stage.ended(await stage.run("first"))
    watch = stage.stub.WatchBatchSession(
        batch_pb2.WatchBatchSessionRequest(client_no=CLIENT, session_no=session.session_no)
    )
    assert [response.session async for response in watch] == [session]
