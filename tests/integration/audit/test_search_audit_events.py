"""SearchAuditEvents: what happened between two days, newest first."""

from datetime import date, datetime, time, timedelta
from hashlib import sha256
from typing import Any

import grpc
import pytest

from tests.integration.audit.caller import AuditCaller, Refused
from tests.unit.audit.events import NOON, TODAY, plain_event

YESTERDAY = TODAY - timedelta(days=1)


@pytest.fixture
async def days(audit: AuditCaller, client_no: int) -> int:
    """Events a to e of a client of its own; its number."""
    midnight = datetime.combine(TODAY, time(), tzinfo=NOON.tzinfo)
    told = [
        plain_event(client_no=client_no, summary="a", occurred_at=NOON, actor="anna"),
        # An event may come late: the log's order is not that of the days.
        plain_event(client_no=client_no, summary="b", occurred_at=midnight - timedelta(microseconds=1)),
        plain_event(
            client_no=client_no,
            summary="c",
            occurred_at=midnight,
            producer="batch",
            event_type="batch.session",
        ),
        plain_event(client_no=client_no, summary="d", occurred_at=midnight + timedelta(days=1), actor="anna"),
        plain_event(client_no=client_no, summary="e", occurred_at=NOON, event_type="ledger.account_group"),
    ]
    await audit.write(*told)
    return client_no


@pytest.mark.parametrize(
    ("first", "last", "filters", "found"),
    [
        (TODAY, TODAY, {}, "eca"),
        (YESTERDAY, TODAY, {}, "ecba"),
        (YESTERDAY, YESTERDAY + timedelta(days=6), {}, "edcba"),
        (TODAY, TODAY, {"producers": ["batch"]}, "c"),
        (TODAY, TODAY, {"producers": ["batch", "ledger"]}, "eca"),
        (YESTERDAY, TODAY, {"event_types": ["ledger.account"]}, "ba"),
        (YESTERDAY, TODAY, {"event_types": ["ledger.account", "batch.session"]}, "cba"),
        (YESTERDAY, YESTERDAY + timedelta(days=6), {"actors": ["anna"]}, "da"),
        (TODAY, TODAY, {"actors": ["anna"], "producers": ["batch"]}, ""),
    ],
)
async def test_filters_combine_with_and_and_their_values_with_or(
    audit: AuditCaller, days: int, first: date, last: date, filters: dict[str, Any], found: str
) -> None:
    assert await audit.found_events(first, last, client_nos=[days], **filters) == list(found)


async def test_an_event_is_shown_with_its_place_its_hash_and_when_the_log_took_it(
    audit: AuditCaller, client_no: int
) -> None:
    event = plain_event(client_no=client_no, summary="seen")
    (result,) = await audit.write(event)
    (logged,) = (await audit.search_events(client_nos=[client_no])).events
    assert logged.event == event
    assert logged.log_index == result.log_index
    assert logged.leaf_hash == sha256(b"\x00" + event.SerializeToString()).digest()
    assert logged.logged_at.seconds > 0


async def test_pages_stay_stable_while_events_are_added(
    audit: AuditCaller, client_no: int, other_client_no: int
) -> None:
    clients = [client_no, other_client_no]

    async def write(letters: str) -> None:
        await audit.write(
            *(
                plain_event(
                    client_no=clients[n % 2], summary=letter, occurred_at=NOON - timedelta(days=n % 3)
                )
                for n, letter in enumerate(letters)
            )
        )

    await write("abcdefg")
    search: dict[str, Any] = {"client_nos": clients, "page_size": 3}
    pages = [await audit.search_events(TODAY - timedelta(days=6), TODAY, **search)]
    await write("hijk")
    while pages[-1].next_page_token:
        search["page_token"] = pages[-1].next_page_token
        pages.append(await audit.search_events(TODAY - timedelta(days=6), TODAY, **search))
    assert ["".join(logged.event.summary for logged in page.events) for page in pages] == ["gfe", "dcb", "a"]


async def test_a_page_of_large_events_is_shorter_and_none_is_left_out(
    audit: AuditCaller, client_no: int
) -> None:
    large = 1_000_000
    for letter in "abcdefg":
        await audit.write(plain_event(client_no=client_no, summary=letter * large))
    # A client takes 4 MiB at most, unless it is told otherwise.
    pages = [await audit.search_events(client_nos=[client_no])]
    while pages[-1].next_page_token:
        pages.append(await audit.search_events(client_nos=[client_no], page_token=pages[-1].next_page_token))
    assert ["".join(logged.event.summary[0] for logged in page.events) for page in pages] == [
        "gfe",
        "dcb",
        "a",
    ]


async def test_a_page_token_belongs_to_its_filters(audit: AuditCaller, days: int) -> None:
    page = await audit.search_events(client_nos=[days], page_size=1)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await audit.search_events(client_nos=[days], actors=["anna"], page_token=page.next_page_token)
    assert Refused(caught.value).reason == "INVALID_PAGE_TOKEN"
