"""The month while it is lived through: one bar over its days on a terminal, a line for what matters in a
pipe.
"""

from datetime import date
from types import TracebackType
from typing import Final, Self

from rich.console import RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text

from console.rendering import Screen, status_mark
from tallybook.batch.v1.batch_pb2 import BatchSession
from tallybook.batch.v1.batch_status_pb2 import BatchStatus

_BAR_WIDTH: Final = 16
"""Leaves room for the longest text beside it on a terminal of 80 columns, so that bars keep their length."""

_WORTH_A_LINE = frozenset(
    {
        BatchStatus.BATCH_STATUS_ERROR,
        BatchStatus.BATCH_STATUS_WARNING,
        BatchStatus.BATCH_STATUS_PARTIAL,
        BatchStatus.BATCH_STATUS_INCOMPLETE,
    }
)


class Telling:
    """Draws on standard error while `with` lasts."""

    def __init__(self, screen: Screen, accounts: int, days: int) -> None:
        """A bar for opening the accounts, and one for the days."""
        self._screen = screen
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=_BAR_WIDTH),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[now]}", style="dim"),
            console=screen.err,
            disable=not screen.err.is_terminal,
        )
        self._accounts = self._progress.add_task("accounts", total=accounts, now="")
        self._days = self._progress.add_task("days", total=days, now="", start=False)
        self._told: dict[str, tuple[BatchStatus.ValueType, int]] = {}
        self._day: date | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._finish_day()
        self._progress.stop()

    def account_done(self) -> None:
        """One more account is open."""
        self._progress.advance(self._accounts)

    def plans_done(self, accounts: int) -> None:
        """So many more accounts have their recurring plan."""
        self._say(self._accounts, "setting plans and payment methods")

    def payment_methods_done(self, accounts: int) -> None:
        """So many more accounts have their payment method."""
        self._say(self._accounts, "setting plans and payment methods")

    def day_begins(self, day: date) -> None:
        """The daily cycle of this day is about to run; that of the day before has ended."""
        self._say(self._accounts, "")
        self._progress.start_task(self._days)
        self._finish_day()
        self._day = day
        self._say(self._days, day.isoformat())

    def session_changed(self, session: BatchSession) -> None:
        """What ends badly is worth a line; the rest passes by on the bar."""
        if session.status != BatchStatus.BATCH_STATUS_NEW:
            self._say(self._days, f"{self._day}  {session.name}")
        # The same cards are declined day after day: that is told once, and again when it is worse or better.
        news = (session.status, session.records_failed)
        if session.status in _WORTH_A_LINE and self._told.get(session.process_code) != news:
            self._told[session.process_code] = news
            self._tell(status_mark(session.status), Text(f"{self._day}  {session.name}: {session.message}"))

    def happened(self, day: date, what: str) -> None:
        """Something that the report will come back to."""
        self._tell("", Text(f"{day}  {what}", "bold"))

    def _tell(self, mark: RenderableType, text: Text) -> None:
        line = Table.grid(Column(no_wrap=True, min_width=9), Column(overflow="fold"), padding=(0, 2, 0, 0))
        line.add_row(mark, text)
        self._screen.err.print(line)

    def _finish_day(self) -> None:
        if self._day is not None:
            self._progress.advance(self._days)

    def _say(self, task: TaskID, now: str) -> None:
        self._progress.update(task, now=now)
