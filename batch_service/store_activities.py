"""The SQL of activity files: their lines as they came, until the session of the loader has worked them."""

from collections.abc import AsyncIterator, Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from service_kit.database import raw_connection

_COLUMNS: Final = ("client_no", "file_name", "line_no", "line")

_LINES: Final = """
    SELECT line_no, line FROM activity_line
    WHERE client_no = $1 AND file_name = $2 AND line_no > $3
    ORDER BY line_no LIMIT $4
"""

_HEADER: Final = "SELECT line FROM activity_line WHERE client_no = $1 AND file_name = $2 AND line_no = 1"

_PAGE: Final = 5_000


async def add_lines(
    connection: AsyncConnection, client_no: int, file_name: str, lines: Sequence[str]
) -> None:
    """Store all lines of a file; its first is line 1."""
    driver = await raw_connection(connection)
    await driver.copy_records_to_table(
        "activity_line",
        columns=_COLUMNS,
        records=((client_no, file_name, line_no, line) for line_no, line in enumerate(lines, start=1)),
    )


async def find_header(connection: AsyncConnection, client_no: int, file_name: str) -> str:
    """The first line of a file that was stored."""
    driver = await raw_connection(connection)
    header: str = await driver.fetchval(_HEADER, client_no, file_name)
    return header


async def activity_lines(
    connection: AsyncConnection, client_no: int, file_name: str
) -> AsyncIterator[tuple[int, str]]:
    """The lines below the header, with their numbers."""
    driver = await raw_connection(connection)
    last = 1
    while rows := await driver.fetch(_LINES, client_no, file_name, last, _PAGE):
        for row in rows:
            yield row["line_no"], row["line"]
        last = rows[-1]["line_no"]
