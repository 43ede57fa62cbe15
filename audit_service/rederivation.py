"""python -m audit_service rederive: derives the search again from the log, and checks the log on the way.

For when what is derived changes with a version, or is in doubt. Writers wait until it is done (producers
send again); searches go on with what was there.
"""

import asyncio
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from audit_service import store_log, store_projections
from audit_service.events import InvalidEventError, read_event
from audit_service.settings import AuditSettings
from audit_service.store_log import LogRow
from audit_service.store_projections import PlacedEvent
from service_kit.database import engine_on

_BATCH: Final = 5_000
_LONGEST_STATEMENT_SECONDS: Final = 3600.0


class LogCorruptError(Exception):
    """An event does not stand in the log as it was taken; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Rederivation:
    """What was done."""

    events: int


async def rederive(engine: AsyncEngine) -> Rederivation:
    """Derive everything again in one transaction; LogCorruptError when the log is not what it was."""
    derived = 0
    async with engine.begin() as connection:
        await store_log.lock_log(connection)
        await store_projections.clear(connection)
        async for rows in store_log.read_through(connection, _BATCH):
            await store_projections.project(connection, list(_read_again(rows, derived)))
            derived += len(rows)
    return Rederivation(derived)


def _read_again(rows: Iterable[LogRow], next_index: int) -> Iterable[PlacedEvent]:
    for index, row in enumerate(rows, next_index):
        if row.log_index != index:
            raise LogCorruptError(f"the log has {row.log_index} where {index} should be: events are missing")
        try:
            event = read_event(str(row.event_id), row.event)
        except InvalidEventError as fault:
            raise LogCorruptError(f"the event at {index} can't be read: {fault}") from fault
        if event.leaf_hash != row.leaf_hash:
            raise LogCorruptError(
                f"the bytes of the event at {index} do not have the hash that stands beside"
            )
        yield PlacedEvent(index, event)


def run_rederive(settings: AuditSettings, arguments: list[str]) -> int:
    """The command. Takes no arguments."""
    if arguments:
        sys.stderr.write("usage: python -m audit_service rederive\n")
        return 64  # sysexits.h: EX_USAGE
    return asyncio.run(_rederive_and_say(settings))


async def _rederive_and_say(settings: AuditSettings) -> int:
    engine = engine_on(
        settings.database_url,
        name="audit rederive",
        pool_size=1,
        statement_timeout_seconds=_LONGEST_STATEMENT_SECONDS,
    )
    try:
        done = await rederive(engine)
    except LogCorruptError as fault:
        sys.stderr.write(f"{fault}\n")
        return 1
    finally:
        await engine.dispose()
    sys.stdout.write(f"derived again from {done.events} events\n")
    return 0
