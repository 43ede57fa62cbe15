"""The log only grows, and everything else can be derived from it again."""

import asyncpg
import pytest

from service_kit import migrations
from tallybook.batch.v1.batch_status_pb2 import BATCH_STATUS_OK
from tests.integration.audit.caller import AuditCaller
from tests.integration.audit.log import DERIVED, AuditLog
from tests.unit.audit.events import chunk_event, plain_event, record, session, session_event


async def test_the_tables_are_those_that_the_code_describes(log: AuditLog) -> None:
    assert await migrations.check("audit_service", log.owner_url) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_event SET event = 'forged'",
        "UPDATE audit_event SET logged_at = now()",
        "DELETE FROM audit_event",
        "TRUNCATE audit_event",
        "DROP TABLE audit_event",
        "ALTER TABLE audit_event DISABLE TRIGGER ALL",
    ],
)
async def test_the_service_itself_can_not_change_what_happened(
    audit: AuditCaller, log: AuditLog, statement: str
) -> None:
    await audit.write(plain_event())
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await log.execute(statement)


async def test_deriving_again_gives_what_was_derived_event_by_event(
    audit: AuditCaller, log: AuditLog, client_no: int
) -> None:
    told = [
        session_event(session(client_no=client_no, version=2, status=BATCH_STATUS_OK, name="Straße\0")),
        chunk_event(client_no=client_no, failed=[record(1), record(2)]),
        session_event(session(client_no=client_no, version=1)),
        chunk_event(client_no=client_no, recovered=[record(2, tries=2)]),
        plain_event(client_no=client_no),
    ]
    for event in told:
        await audit.write(event)
    before, rows = await log.derived(), await log.rows()
    assert all(before.values())
    for table in DERIVED:
        await log.execute(f"DELETE FROM {table}")
    status, output, errors = await log.rederive()
    assert (status, output) == (0, f"derived again from {len(rows)} events\n"), errors
    assert await log.derived() == before
    assert await log.rows() == rows


async def test_a_forged_log_is_noticed_and_nothing_is_derived_from_it(
    audit: AuditCaller, log: AuditLog, client_no: int
) -> None:
    (result,) = await audit.write(plain_event(client_no=client_no, summary="genuine"))
    before = await log.derived()
    forge = "UPDATE audit_event SET event = $2 WHERE log_index = $1 RETURNING event_id"
    (row,) = await log.execute_as_owner(
        "SELECT event FROM audit_event WHERE log_index = $1", result.log_index
    )
    forged = row["event"].replace(b"genuine", b"falsely")
    await log.execute_as_owner(forge, result.log_index, forged)
    try:
        status, _, errors = await log.rederive()
        assert status == 1
        assert f"the event at {result.log_index} do not have the hash" in errors
        assert await log.derived() == before
    finally:
        await log.execute_as_owner(forge, result.log_index, row["event"])
