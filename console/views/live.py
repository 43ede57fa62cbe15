"""Sessions while they run: bars on a terminal, a line for each change of status in a pipe."""

from collections.abc import Iterable
from types import TracebackType
from typing import Self

from rich.console import RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column

from console.rendering import Screen, count, day, status_mark, status_name
from console.views.sessions import session_title, worth_a_note
from console.waiting import ENDED
from tallybook.batch.v1.batch_pb2 import BatchSession
from tallybook.batch.v1.batch_status_pb2 import BatchStatus


class LiveSessions:
    """Shows sessions on standard error while `with` lasts; `show` takes each new state."""

    def __init__(self, screen: Screen, sessions: Iterable[BatchSession]) -> None:
        """Bars where a person looks, lines elsewhere."""
        self._screen = screen
        self._statuses: dict[int, BatchStatus.ValueType] = {}
        self._bars: dict[int, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.description}", table_column=Column(min_width=26)),
            _StatusColumn(table_column=Column(min_width=12)),
            BarColumn(bar_width=24),
            TextColumn(
                "{task.fields[records]}", justify="right", table_column=Column(justify="right", min_width=16)
            ),
            TimeElapsedColumn(),
            console=screen.err,
            # What is left on the screen is the table of the sessions, not their bars.
            transient=True,
            disable=not screen.err.is_terminal,
        )
        for session in sessions:
            self._bars[session.session_no] = self._progress.add_task(
                session_title(session), total=None, start=False, status=session.status, records=""
            )
            self.show(session)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, session: BatchSession) -> None:
        """Draw a new state."""
        self._draw_bar(session)
        if self._statuses.get(session.session_no) != session.status:
            self._statuses[session.session_no] = session.status
            if not self._screen.err.is_terminal:
                self._screen.note(_line(session))

    def _draw_bar(self, session: BatchSession) -> None:
        bar = self._bars[session.session_no]
        worked = session.records_ok + session.records_failed
        if session.status != BatchStatus.BATCH_STATUS_NEW:
            self._progress.start_task(bar)
        ended = session.status in ENDED
        self._progress.update(
            bar,
            # A session without records has nothing to fill its bar with, and still came to its end.
            completed=worked or int(ended),
            total=session.records_total or (1 if ended else None),
            status=session.status,
            records=f"{count(worked)} of {count(session.records_total)}" if session.records_total else "",
        )
        if ended:
            self._progress.stop_task(bar)


class _StatusColumn(ProgressColumn):
    def render(self, task: Task) -> RenderableType:
        return status_mark(task.fields["status"])


def _line(session: BatchSession) -> str:
    records = (
        f", {count(session.records_ok)} of {count(session.records_total)} ok" if session.records_total else ""
    )
    note = worth_a_note(session)
    head = f"{day(session.business_date)} {session_title(session)}"
    return f"{head}: {status_name(session.status)}{records}{f': {note}' if note else ''}"
