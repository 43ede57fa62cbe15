"""Who sees and writes what."""

from collections.abc import Callable

import grpc
import pytest

from tests.integration.audit.caller import AuditCaller, Refused
from tests.unit.audit.events import commit_group_event, plain_event, session, session_event

MakeCaller = Callable[..., AuditCaller]


@pytest.fixture
async def told(audit: AuditCaller, client_no: int, other_client_no: int) -> tuple[int, int]:
    """Two clients with a session and an event each, and a commit group over both."""
    for each in (client_no, other_client_no):
        await audit.write(session_event(session(client_no=each, session_no=each)))
        await audit.write(plain_event(client_no=each, summary=f"of {each}"))
    group = commit_group_event(client_no, other_client_no)
    group.summary = f"over {client_no} and {other_client_no}"
    await audit.write(group)
    return client_no, other_client_no


async def test_a_search_without_clients_shows_those_of_the_principal(
    caller: MakeCaller, told: tuple[int, int]
) -> None:
    mine, other = told
    one = caller(roles=["auditor"], clients=[mine])
    both = caller(roles=["auditor"], clients=[mine, other])
    nobody = caller(roles=["auditor"], clients=[])
    assert await one.found_sessions() == [mine]
    assert sorted(await both.found_sessions()) == sorted(told)
    assert await nobody.found_sessions() == []
    assert await one.found_events(producers=["ledger"]) == [f"of {mine}"]
    assert await both.found_events(producers=["ledger"]) == [f"of {other}", f"of {mine}"]
    assert await nobody.found_events() == []


async def test_what_is_about_several_clients_is_for_who_may_act_for_all(
    audit: AuditCaller, caller: MakeCaller, told: tuple[int, int]
) -> None:
    over_both = f"over {told[0]} and {told[1]}"
    assert over_both in await audit.found_events()
    assert over_both not in await caller(roles=["auditor"], clients=list(told)).found_events()


async def test_a_commit_group_of_one_client_is_shown_to_its_principal(
    audit: AuditCaller, caller: MakeCaller, client_no: int
) -> None:
    await audit.write(commit_group_event(client_no))
    found = await caller(roles=["reader"], clients=[client_no]).search_events()
    assert [logged.event.event_type for logged in found.events] == ["ledger.commit_group"]


async def test_a_client_of_others_can_not_be_named(caller: MakeCaller, told: tuple[int, int]) -> None:
    mine, other = told
    one = caller(roles=["operator"], clients=[mine])
    for call in (
        one.search_processes(client_nos=[mine, other]),
        one.search_events(client_nos=[mine, other]),
        one.process(other, other),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        refused = Refused(caught.value)
        assert (refused.code, refused.reason) == (grpc.StatusCode.PERMISSION_DENIED, "CLIENT_NOT_ALLOWED")
        assert refused.metadata["client_no"] == str(other)


async def test_a_page_token_of_another_caller_shows_nothing_more(
    audit: AuditCaller, caller: MakeCaller, told: tuple[int, int]
) -> None:
    page = await audit.search_events(page_size=1)
    mine = caller(roles=["auditor"], clients=[told[0]])
    seen = await mine.search_events(page_size=10, page_token=page.next_page_token)
    assert {logged.event.client_no for logged in seen.events} == {told[0]}


async def test_a_producer_writes_only_for_its_clients_and_nothing_is_lost_or_half_done(
    audit: AuditCaller, caller: MakeCaller, client_no: int, other_client_no: int
) -> None:
    producer = caller(roles=["producer"], clients=[client_no])
    (result,) = await producer.write(plain_event(client_no=client_no, summary="mine"))
    assert result.log_index >= 0
    for forbidden in (plain_event(client_no=other_client_no), commit_group_event(client_no, other_client_no)):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await producer.write(plain_event(client_no=client_no, summary="with another"), forbidden)
        assert Refused(caught.value).reason == "CLIENT_NOT_ALLOWED"
    assert await audit.found_events(client_nos=[client_no, other_client_no]) == ["mine"]


@pytest.mark.parametrize("role", ["reader", "auditor", "operator", "poster"])
async def test_only_a_producer_writes(caller: MakeCaller, client_no: int, role: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await caller(roles=[role], clients="*").write(plain_event(client_no=client_no))
    assert Refused(caught.value).reason == "ROLE_MISSING"


@pytest.mark.parametrize("role", ["producer", "poster", "support"])
async def test_who_has_no_reading_role_reads_nothing(caller: MakeCaller, client_no: int, role: str) -> None:
    stranger = caller(roles=[role], clients="*")
    for call in (stranger.search_processes(), stranger.search_events(), stranger.process(client_no, 1)):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert Refused(caught.value).reason == "ROLE_MISSING"


async def test_nobody_gets_in_without_a_token(anonymous: AuditCaller) -> None:
    for call in (anonymous.search_processes(), anonymous.write(plain_event())):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
