"""The outbox and its relay: every event arrives, in order, whatever happens on the way."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import grpc
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from service_kit import relay as relay_module
from service_kit.database import create_engine
from service_kit.outbox import OutboxEvent, append
from service_kit.relay import running_relay
from tallybook.audit.v1 import audit_pb2, audit_pb2_grpc
from tests.support.databases import FreshDatabase, NewDatabase
from tests.support.echo_service.service import EchoSettings
from tests.support.servers import free_port
from tests.support.waiting import eventually


class Audit(audit_pb2_grpc.AuditServiceServicer):
    """An audit service that remembers what it was sent; `refuse` and `fail` are a test's to set."""

    def __init__(self) -> None:
        self.log: list[tuple[UUID, bytes]] = []
        self.deliveries: Counter[UUID] = Counter()
        self.batches: list[int] = []
        self.refuse: Callable[[audit_pb2.AuditEventRecord], str | None] = lambda _record: None
        self.fail: Callable[[audit_pb2.BatchWriteAuditEventsRequest], grpc.StatusCode | None] = (
            lambda _request: None
        )
        self.forget_to_answer = 0

    async def BatchWriteAuditEvents(
        self, request: Any, context: Any
    ) -> audit_pb2.BatchWriteAuditEventsResponse:
        code = self.fail(request)
        if code is not None:
            await context.abort(code, "as the test wants it")
        self.batches.append(len(request.events))
        results = [self._write(record) for record in request.events]
        if self.forget_to_answer:
            self.forget_to_answer -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the answer was lost")
        return audit_pb2.BatchWriteAuditEventsResponse(results=results)

    def _write(self, record: audit_pb2.AuditEventRecord) -> audit_pb2.WriteResult:
        reason = self.refuse(record)
        if reason is not None:
            return audit_pb2.WriteResult(
                event_id=record.event_id, outcome=audit_pb2.WRITE_OUTCOME_REFUSED, reason=reason, log_index=-1
            )
        event = (UUID(record.event_id), record.event)
        self.deliveries[event[0]] += 1
        if event in self.log:
            return audit_pb2.WriteResult(event_id=record.event_id, outcome=audit_pb2.WRITE_OUTCOME_DUPLICATE)
        self.log.append(event)
        return audit_pb2.WriteResult(
            event_id=record.event_id, outcome=audit_pb2.WRITE_OUTCOME_APPENDED, log_index=len(self.log) - 1
        )


@asynccontextmanager
async def serving(audit: Audit, port: int) -> AsyncIterator[None]:
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", 16 * 1024 * 1024)])
    audit_pb2_grpc.add_AuditServiceServicer_to_server(audit, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield
    finally:
        await server.stop(0)


@pytest.fixture
def audit() -> Audit:
    return Audit()  # type: ignore[abstract]  # it has what the relay calls


@pytest.fixture
async def database(new_database: NewDatabase) -> FreshDatabase:
    return await new_database("tests.support.echo_service")


@pytest.fixture
def settings(database: FreshDatabase) -> EchoSettings:
    return EchoSettings(database_url=database.url, audit_target=f"127.0.0.1:{free_port()}")


@pytest.fixture
async def engine(settings: EchoSettings) -> AsyncIterator[AsyncEngine]:
    made = create_engine(settings, name="echo")
    yield made
    await made.dispose()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "_POLL_SECONDS", 0.2)
    monkeypatch.setattr(relay_module, "_LONGEST_PAUSE_SECONDS", 0.5)


def port_of(settings: EchoSettings) -> int:
    return int(str(settings.audit_target).rpartition(":")[2])


def events(count: int, *, size: int = 10) -> list[OutboxEvent]:
    return [OutboxEvent(uuid4(), bytes([number % 256]) * size) for number in range(count)]


async def store(engine: AsyncEngine, stored: list[OutboxEvent]) -> None:
    async with engine.begin() as connection:
        await append(connection, stored)


async def waiting(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        count = await connection.scalar(text("SELECT count(*) FROM audit_outbox WHERE refused_at IS NULL"))
        return int(count or 0)


def pairs(stored: list[OutboxEvent]) -> list[tuple[UUID, bytes]]:
    return [(event.event_id, event.payload) for event in stored]


# --- The outbox ---


async def test_an_event_commits_with_its_change_or_not_at_all(engine: AsyncEngine) -> None:
    with contextlib.suppress(ZeroDivisionError):
        async with engine.begin() as connection:
            await connection.execute(text("INSERT INTO note (client_no, text) VALUES (1, 'a')"))
            await append(connection, events(3))
            raise ZeroDivisionError
    assert await waiting(engine) == 0
    await store(engine, events(3))
    assert await waiting(engine) == 3


async def test_an_event_outside_of_a_transaction_is_a_fault_of_the_program(database: FreshDatabase) -> None:
    connection = await asyncpg.connect(database.url)
    with pytest.raises(AssertionError):
        await append(connection, events(1))
    await connection.close()


async def test_events_are_numbered_in_the_order_they_were_given(
    engine: AsyncEngine, database: FreshDatabase
) -> None:
    stored = events(2000)
    connection = await asyncpg.connect(database.url)
    async with connection.transaction():
        await append(connection, [])
        await append(connection, stored[:1500])
        await append(connection, stored[1500:])
    rows = await connection.fetch("SELECT event_id, payload FROM audit_outbox ORDER BY outbox_no")
    assert [tuple(row) for row in rows] == pairs(stored)
    await connection.close()


# --- The relay ---


async def test_events_arrive_in_order_with_their_exact_bytes(
    engine: AsyncEngine, settings: EchoSettings, audit: Audit
) -> None:
    stored = events(1700)
    async with serving(audit, port_of(settings)), running_relay(settings, engine) as relay:
        await store(engine, stored)
        relay.wake()
        assert await relay.flush(20)
        assert audit.log == pairs(stored)
        assert await waiting(engine) == 0
    assert set(audit.deliveries.values()) == {1}
    assert max(audit.batches) <= 500


async def test_events_that_nobody_announced_are_found(
    engine: AsyncEngine, settings: EchoSettings, audit: Audit
) -> None:
    async with serving(audit, port_of(settings)), running_relay(settings, engine):
        await asyncio.sleep(0.3)
        await store(engine, events(3))
        await eventually(lambda: len(audit.log) == 3)


async def test_events_wait_for_an_audit_service_that_starts_later(
    engine: AsyncEngine, settings: EchoSettings, audit: Audit
) -> None:
    stored = events(10)
    async with running_relay(settings, engine) as relay:
        await store(engine, stored)
        relay.wake()
        await asyncio.sleep(0.5)
        async with serving(audit, port_of(settings)):
            await eventually(lambda: audit.log == pairs(stored))
            assert await relay.flush(10)


@pytest.mark.chaos
async def test_an_audit_service_that_is_killed_again_and_again_misses_nothing(
    engine: AsyncEngine, settings: EchoSettings, audit: Audit
) -> None:
    stored: list[OutboxEvent] = []
    async with running_relay(settings, engine) as relay:
        for _ in range(4):
            async with serving(audit, port_of(settings)):
                for _ in range(20):
                    fresh = events(5)
                    await store(engine, fresh)
                    stored += fresh
                    relay.wake()
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.2)
        async with serving(audit, port_of(settings)):
            assert await relay.flush(20)
    assert audit.log == pairs(stored)


async def test_an_event_whose_answer_was_lost_is_sent_again_with_the_same_bytes(
    engine: AsyncEngine, settings: EchoSettings, audit: Audit
) -> None:
    stored = events(3)
    audit.forget_to_answer = 6
    async with serving(audit, port_of(settings)), running_relay(settings, engine) as relay:
        await store(engine, stored)
        assert await relay.flush(20)
    assert audit.log == pairs(stored)
    assert max(audit.deliveries.values()) > 1


async def test_an_event_that_is_refused_for_good_is_parked_and_the_others_go_on(
    engine: AsyncEngine, settings: EchoSettings, audit: Audit
) -> None:
    stored = events(5)
    bad = stored[2]
    audit.refuse = lambda record: "EVENT_ID_REUSED" if record.event_id == str(bad.event_id) else None
    async with serving(audit, port_of(settings)), running_relay(settings, engine) as relay:
        await store(engine, stored)
        assert await relay.flush(10)
    assert audit.log == pairs([event for event in stored if event is not bad])
    async with engine.connect() as connection:
        (row,) = await connection.execute(
            text("SELECT event_id, refused_reason, refused_at FROM audit_outbox")
        )
    assert (row.event_id, row.refused_reason) == (bad.event_id, "EVENT_ID_REUSED: ")
    assert row.refused_at is not None


async def test_one_event_that_breaks_the_contract_does_not_hold_up_its_neighbours(
    engine: AsyncEngine, settings: EchoSettings, audit: Audit
) -> None:
    stored = events(40)
    bad = {str(stored[7].event_id), str(stored[31].event_id)}

    def refuse_the_whole_request(request: audit_pb2.BatchWriteAuditEventsRequest) -> grpc.StatusCode | None:
        return grpc.StatusCode.INVALID_ARGUMENT if bad & {each.event_id for each in request.events} else None

    audit.fail = refuse_the_whole_request
    async with serving(audit, port_of(settings)), running_relay(settings, engine) as relay:
        await store(engine, stored)
        assert await relay.flush(20)
    assert audit.log == pairs([event for event in stored if str(event.event_id) not in bad])


async def test_large_events_travel_in_smaller_calls(
    engine: AsyncEngine, settings: EchoSettings, audit: Audit
) -> None:
    stored = events(40, size=1024 * 1024)
    async with serving(audit, port_of(settings)), running_relay(settings, engine) as relay:
        await store(engine, stored)
        assert await relay.flush(30)
    assert audit.log == pairs(stored)
    assert max(audit.batches) <= 9


@pytest.mark.parametrize(
    "code",
    [grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.RESOURCE_EXHAUSTED],
)
async def test_while_somebody_has_to_put_things_right_nothing_is_lost(
    engine: AsyncEngine, settings: EchoSettings, audit: Audit, code: grpc.StatusCode
) -> None:
    stored = events(5)
    audit.fail = lambda _request: code
    async with serving(audit, port_of(settings)), running_relay(settings, engine) as relay:
        await store(engine, stored)
        assert not await relay.flush(0.5)
        assert await waiting(engine) == 5
        audit.fail = lambda _request: None
        assert await relay.flush(10)
    assert audit.log == pairs(stored)


async def test_several_relays_on_one_database_take_turns_and_keep_the_order(
    engine: AsyncEngine, settings: EchoSettings, audit: Audit
) -> None:
    stored = events(1200)
    async with (
        serving(audit, port_of(settings)),
        running_relay(settings, engine) as one,
        running_relay(settings, engine) as two,
        running_relay(settings, engine) as three,
    ):
        for start in range(0, 1200, 100):
            await store(engine, stored[start : start + 100])
            for relay in (one, two, three):
                relay.wake()
            await asyncio.sleep(0.01)
        assert all(await asyncio.gather(one.flush(20), two.flush(20), three.flush(20)))
    assert audit.log == pairs(stored)
    assert set(audit.deliveries.values()) == {1}


async def test_what_is_in_the_outbox_at_the_end_is_still_carried(
    engine: AsyncEngine, settings: EchoSettings, audit: Audit
) -> None:
    stored = events(3)
    async with serving(audit, port_of(settings)):
        async with running_relay(settings, engine):
            await store(engine, stored)
        assert audit.log == pairs(stored)


async def test_the_end_does_not_wait_for_ever_for_an_audit_service_that_is_away(
    engine: AsyncEngine, settings: EchoSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "_FLUSH_SECONDS", 0.5)
    async with asyncio.timeout(5):
        async with running_relay(settings, engine):
            await store(engine, events(3))
    assert await waiting(engine) == 3


async def test_a_database_that_was_away_for_a_while_is_no_reason_to_stop(
    engine: AsyncEngine, settings: EchoSettings, audit: Audit, database: FreshDatabase
) -> None:
    async with serving(audit, port_of(settings)), running_relay(settings, engine) as relay:
        assert await relay.flush(10)
        admin = await asyncpg.connect(database.admin_url)
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await admin.close()
        stored = events(3)
        for _ in range(100):
            with contextlib.suppress(Exception):
                await store(engine, stored)
                break
        assert await relay.flush(10)
    assert audit.log == pairs(stored)


async def test_without_a_target_events_stay_in_the_outbox(
    engine: AsyncEngine, database: FreshDatabase
) -> None:
    async with running_relay(EchoSettings(database_url=database.url), engine) as relay:
        await store(engine, events(3))
        relay.wake()
        assert not await relay.flush(1)
    assert await waiting(engine) == 3


async def test_a_relay_that_was_frozen_does_not_keep_its_turn(
    engine: AsyncEngine, database: FreshDatabase
) -> None:
    """The turn is a lock of a transaction, and the server ends a transaction that is idle for too long."""
    frozen = await asyncpg.connect(
        database.url, server_settings={"idle_in_transaction_session_timeout": "300"}
    )
    await frozen.execute("BEGIN")
    assert await frozen.fetchval(relay_module._TAKE_TURN)
    async with engine.begin() as connection:
        assert not await connection.scalar(text(relay_module._TAKE_TURN))
    await asyncio.sleep(0.6)
    async with engine.begin() as connection:
        assert await connection.scalar(text(relay_module._TAKE_TURN))
    frozen.terminate()
