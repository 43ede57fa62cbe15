"""The transactional outbox: audit events are stored with the change they tell of, and sent later by the
relay.

Both commit or neither does: there is no change without its event, and no event of a change that never was.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg
from sqlalchemy import MetaData, Table
from sqlalchemy.ext.asyncio import AsyncConnection

OUTBOX_TABLE = "audit_outbox"


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """One event: its id, by which the audit service recognises a repetition, and the exact bytes to be
    delivered.

    `payload` is a serialised tallybook.audit.v1.AuditEvent; it is stored and sent as it is, never re-encoded,
    because the same id with other bytes is refused.
    """

    event_id: UUID
    payload: bytes


def outbox_table(metadata: MetaData) -> Table:
    """Define the outbox in a service's metadata, with its grants. Call it once, in tables.py."""
    raise NotImplementedError


async def append(connection: AsyncConnection | asyncpg.Connection, events: Sequence[OutboxEvent]) -> None:
    """Add events, in one statement, inside the transaction of the change that they tell of.

    Call `Relay.wake()` after the commit; without it the relay finds them at its next poll.
    """
    raise NotImplementedError
