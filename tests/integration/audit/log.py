"""The audit service's tables, with SQL."""

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

DERIVED: Final = ("event_search", "batch_session_state", "batch_session_version", "batch_record_result")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the log."""

    log_index: int
    event_id: UUID
    event: bytes
    leaf_hash: bytes
    logged_at: datetime


class AuditLog:
    """Reads the tables with SQL."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.owner_url = environment["TALLYBOOK_AUDIT_MIGRATION_DATABASE_URL"]

    async def execute(self, statement: str, *arguments: Any) -> list[Any]:
        """Run one statement as the role that serves."""
        return await _execute(self.environment["TALLYBOOK_AUDIT_DATABASE_URL"], statement, *arguments)

    async def execute_as_owner(self, statement: str, *arguments: Any) -> list[Any]:
        """Run one statement as the role that migrates, which may do what the service may not."""
        return await _execute(self.owner_url, statement, *arguments)

    async def rederive(self) -> tuple[int | None, str, str]:
        """Run the command; its exit status, its output and its errors."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "audit_service", "rederive"),
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        return process.returncode, output.decode(), errors.decode()

    async def rows(self) -> list[Row]:
        """The whole log, in order."""
        return [
            Row(*row)
            for row in await self.execute(
                "SELECT log_index, event_id, event, leaf_hash, logged_at FROM audit_event ORDER BY log_index"
            )
        ]

    async def derived(self) -> dict[str, list[tuple[Any, ...]]]:
        """The derived tables, each in the order of its key."""
        return {
            table: [tuple(row) for row in await self.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3")]
            for table in DERIVED
        }


async def _execute(database_url: str, statement: str, *arguments: Any) -> list[Any]:
    connection = await asyncpg.connect(database_url)
    try:
        return list(await connection.fetch(statement, *arguments))
    finally:
        await connection.close()
