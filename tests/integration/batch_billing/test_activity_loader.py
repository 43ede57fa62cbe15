"""Universal Activity Loader: each line on its own, a file name once, thousands of lines in seconds."""

import time
from collections.abc import AsyncIterator, Iterable, Sequence

import asyncpg
import grpc
import pytest

from batch_service.service import BATCH
from tallybook.batch.v1 import batch_pb2, batch_pb2_grpc, batch_status_pb2
from tallybook.batch.v1 import billing_setup_pb2 as setup
from tests.integration.batch_billing.caller import CLIENT, Caller, batch_settings, day, key, plan, refusal
from tests.support.databases import FreshDatabase
from tests.support.servers import StartServer

HEADER = "usage_id,acct_no,plan_instance_no,usage_type,quantity,used_at"


class Loading:
    """Who loads files, and sees what became of them."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.caller = Caller(channel)
        self._batch: batch_pb2_grpc.BatchServiceAsyncStub = batch_pb2_grpc.BatchServiceStub(channel)

    async def send(self, parts: Iterable[setup.LoadActivitiesRequest]) -> batch_pb2.BatchSession:
        """Send a stream."""

        async def stream() -> AsyncIterator[setup.LoadActivitiesRequest]:
            for part in parts:
                yield part

        response = await self.caller.setup.LoadActivities(stream())
        return response.session

    async def load(self, file_name: str, lines: Sequence[str], **header: str) -> batch_pb2.BatchSession:
        """Send a file, and wait for the end of its session."""
        return await self._ended(await self.send([file(file_name, **header), *in_parts(lines)]))

    async def resume(self, session: batch_pb2.BatchSession) -> batch_pb2.BatchSession:
        """Resume a session, and wait for its end."""
        request = batch_pb2.ResumeBatchSessionRequest(
            client_no=CLIENT, request_id=key(), session_no=session.session_no
        )
        return await self._ended((await self._batch.ResumeBatchSession(request)).session)

    async def _ended(self, session: batch_pb2.BatchSession) -> batch_pb2.BatchSession:
        watched = self._batch.WatchBatchSession(
            batch_pb2.WatchBatchSessionRequest(client_no=CLIENT, session_no=session.session_no)
        )
        async for message in watched:
            session = message.session
        return session

    async def failures(self, session: batch_pb2.BatchSession) -> list[tuple[str, str]]:
        """The failed records: key and reason."""
        response = await self._batch.ListBatchRecords(
            batch_pb2.ListBatchRecordsRequest(
                client_no=CLIENT,
                session_no=session.session_no,
                outcomes=[batch_pb2.RECORD_OUTCOME_FAILED],
                page_size=1000,
            )
        )
        return [(record.record_key, record.reason) for record in response.records]


def file(file_name: str, request_id: str = "") -> setup.LoadActivitiesRequest:
    return setup.LoadActivitiesRequest(
        file=setup.ActivityFile(
            client_no=CLIENT,
            request_id=request_id or key(),
            file_name=file_name,
            business_date=day("2026-03-01"),
        )
    )


def in_parts(lines: Sequence[str]) -> list[setup.LoadActivitiesRequest]:
    return [
        setup.LoadActivitiesRequest(lines=setup.ActivityLines(lines=lines[start : start + 5000]))
        for start in range(0, len(lines), 5000)
    ]


def line(number: int, **changes: str) -> str:
    values = {
        "usage_id": f"u{number}",
        "acct_no": "7",
        "plan_instance_no": "70",
        "usage_type": "minutes",
        "quantity": "1.5",
        "used_at": "2026-02-15T10:00:00Z",
    }
    return ",".join({**values, **changes}.values())


@pytest.fixture
async def loading(batch_database: FreshDatabase, start_server: StartServer) -> Loading:
    """A batch service with workers, and a plan to load usage for."""
    loading = Loading(await start_server(BATCH, batch_settings(batch_database)))
    await loading.caller.set_plans(plan())
    return loading


async def test_each_line_is_loaded_on_its_own_and_failed_ones_say_why(loading: Loading) -> None:
    session = await loading.load(
        "march.csv",
        [
            HEADER,
            line(1),
            line(2, quantity="much"),
            line(3, used_at="yesterday"),
            "",
            line(4, plan_instance_no="71"),
            line(5, acct_no="8"),
            line(1),
            "what is this",
            line(6),
        ],
    )
    assert session.status == batch_status_pb2.BATCH_STATUS_PARTIAL
    assert (session.records_total, session.records_ok, session.records_failed) == (8, 2, 6)
    assert await loading.failures(session) == [
        ("line:3", "NUMBER_INVALID"),
        ("line:4", "DATE_INVALID"),
        ("line:6", "PLAN_INSTANCE_UNKNOWN"),
        ("line:7", "PLAN_INSTANCE_UNKNOWN"),
        ("line:8", "DUPLICATE_USAGE"),
        ("line:9", "LINE_MALFORMED"),
    ]
    assert {record.usage_id for record in (await loading.caller.usage()).records} == {"u1", "u6"}


async def test_a_file_name_is_loaded_once(loading: Loading) -> None:
    await loading.load("march.csv", [HEADER, line(1)])
    code, reason, _ = await refusal(loading.load("march.csv", [HEADER, line(2)]))
    assert (code, reason) == (grpc.StatusCode.ALREADY_EXISTS, "FILE_ALREADY_LOADED")
    again = await loading.load("march-2.csv", [HEADER, line(1), line(2)])
    assert await loading.failures(again) == [("line:2", "DUPLICATE_USAGE")]


async def test_a_file_whose_session_ended_in_error_is_loaded_once_that_is_put_right(
    loading: Loading, admin: asyncpg.Connection
) -> None:
    await admin.execute("ALTER TABLE usage_record RENAME TO hidden")
    lines = [HEADER, *(line(number) for number in range(1, 21))]
    session = await loading.load("march.csv", lines)
    assert session.status == batch_status_pb2.BATCH_STATUS_ERROR
    await admin.execute("ALTER TABLE hidden RENAME TO usage_record")
    assert (await refusal(loading.load("march.csv", lines)))[1] == "FILE_ALREADY_LOADED"
    resumed = await loading.resume(session)
    assert (resumed.status, resumed.records_ok) == (batch_status_pb2.BATCH_STATUS_OK, 20)


async def test_a_file_as_windows_writes_it_is_read(loading: Loading) -> None:
    session = await loading.load("windows.csv", [f"\ufeff{HEADER}\r", line(1) + "\r", "\r", "  "])
    assert (session.status, session.records_total) == (batch_status_pb2.BATCH_STATUS_OK, 1)


async def test_the_same_request_is_answered_again_and_loads_nothing(loading: Loading) -> None:
    lines = [HEADER, line(1)]
    first = await loading.load("march.csv", lines, request_id="once")
    again = await loading.send([file("march.csv", request_id="once"), *in_parts(lines)])
    assert again.session_no == first.session_no
    other = loading.send([file("march.csv", request_id="once"), *in_parts([HEADER, line(2)])])
    assert (await refusal(other))[1] == "REQUEST_ID_REUSED"


async def test_the_columns_may_come_in_any_order_with_others_between(loading: Loading) -> None:
    session = await loading.load(
        "odd.csv",
        [
            "note,used_at,quantity,usage_type,plan_instance_no,acct_no,usage_id",
            '"a, ""b""",2026-02-15T10:00:00Z,2,minutes,70,7,u1',
        ],
    )
    assert session.status == batch_status_pb2.BATCH_STATUS_OK


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([], "STREAM_INVALID"),
        (in_parts([HEADER]), "STREAM_INVALID"),
        ([file("a.csv"), file("a.csv")], "STREAM_INVALID"),
        ([file("a.csv")], "FILE_INVALID"),
        ([file("a.csv"), *in_parts(["usage_id,acct_no", "1,2"])], "FILE_INVALID"),
        ([file("a.csv"), *in_parts([HEADER, "nul\0"])], "FILE_INVALID"),
    ],
    ids=["empty", "no header", "two headers", "no lines", "no columns", "no text"],
)
async def test_a_stream_that_is_no_file_leaves_nothing_behind(
    loading: Loading, parts: list[setup.LoadActivitiesRequest], reason: str
) -> None:
    code, given, _ = await refusal(loading.send(parts))
    assert (code, given) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
    assert (await loading.load("a.csv", [HEADER])).status == batch_status_pb2.BATCH_STATUS_OK


async def test_ten_thousand_lines_are_loaded_in_seconds(loading: Loading) -> None:
    lines = [HEADER, *(line(number) for number in range(10_000))]
    started = time.monotonic()
    session = await loading.load("large.csv", lines)
    assert (session.records_ok, session.records_failed) == (10_000, 0)
    assert time.monotonic() - started < 60
