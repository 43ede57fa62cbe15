"""The audit log: its events."""

from collections.abc import Iterable

from rich.console import RenderableType
from rich.text import Text

from console.rendering import NotedTable, instant, right, table, word
from tallybook.audit.v1.audit_pb2 import LoggedEvent


def events_table(events: Iterable[LoggedEvent], title: str = "") -> RenderableType:
    """One line an event with its summary beneath, newest first."""
    columns = (right("Log index"), word("At (UTC)"), right("Client"), word("Event"), word("By"))
    grid = NotedTable(table(*columns, title=title), indent=11, expendable=("Client", "By"))
    for logged in events:
        event = logged.event
        grid.add_row(
            str(logged.log_index),
            instant(event.occurred_at),
            str(event.client_no or ""),
            event.event_type,
            event.actor,
            notes=(event.summary,),
        )
    return grid if grid.row_count else Text("No events.", "dim")
