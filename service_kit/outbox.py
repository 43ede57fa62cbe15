"""The transactional outbox: audit events are stored with the change they tell of; the relay sends them later.

Both commit or neither does: there is no change without its event, and no event of a change that never was.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    func,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from service_kit.database import RawConnection, raw_connection

OUTBOX_TABLE: Final = "audit_outbox"

# In the order of the arrays, and so numbered: the relay sends in the order of the numbers. Who writes more in
# the same statement takes it and `columns_of`, all others `append`.
INSERT_EVENTS: Final = f"""
    INSERT INTO {OUTBOX_TABLE} (event_id, payload)
    SELECT event_id, payload
    FROM unnest($1::uuid[], $2::bytea[]) WITH ORDINALITY AS event (event_id, payload, place)
    ORDER BY place
"""  # noqa: S608  # a constant of ours


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """One event: its id, by which the audit service recognises a repetition, and the bytes to be delivered.

    `payload` is a serialised tallybook.audit.v1.AuditEvent of at most 1 MiB. It is stored and sent as it is,
    never encoded anew, because the same id with other bytes is refused.
    """

    event_id: UUID
    payload: bytes


def outbox_table(metadata: MetaData) -> Table:
    """Define the outbox in a service's metadata, with its grants. Call it once, in tables.py.

    A row is deleted when it was delivered. One that the audit service refuses for good stays, with the
    reason, until somebody has looked at it.
    """
    table = Table(
        OUTBOX_TABLE,
        metadata,
        Column("outbox_no", BigInteger, Identity(always=True), primary_key=True),
        Column("event_id", Uuid, nullable=False),
        Column("payload", LargeBinary, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Column("refused_at", DateTime(timezone=True)),
        Column("refused_reason", Text),
        info={"grants": "SELECT, INSERT, DELETE, UPDATE (refused_at, refused_reason)"},
    )
    # The relay asks for what waits, however many refused rows lie in front of it.
    Index(
        f"{OUTBOX_TABLE}_waiting",
        table.c.outbox_no,
        postgresql_where=table.c.refused_at.is_(None),
    )
    return table


async def append(connection: "AsyncConnection | RawConnection", events: Sequence[OutboxEvent]) -> None:
    """Add events, in one statement, inside the transaction of the change that they tell of.

    Call `Relay.wake()` after the commit; without it the relay finds them at its next poll.
    """
    if not events:
        return
    driver = await raw_connection(connection) if isinstance(connection, AsyncConnection) else connection
    assert driver.is_in_transaction(), "an event is stored in the transaction of its change"
    await driver.execute(INSERT_EVENTS, *columns_of(events))


def columns_of(events: Sequence[OutboxEvent]) -> tuple[list[UUID], list[bytes]]:
    """The parameters of INSERT_EVENTS."""
    return [event.event_id for event in events], [event.payload for event in events]
