"""How things look: money, dates, statuses and tables on a terminal, plain text in a pipe, protobuf JSON for
programs.
"""

import copy
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final, TextIO

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date
from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Column, Table
from rich.text import Text

from service_kit.dates import date_from_proto, instant_from_proto
from service_kit.money import Money
from tallybook.batch.v1.batch_status_pb2 import BatchStatus
from tallybook.type.v1.money_pb2 import Money as MoneyMessage

_PIPE_WIDTH: Final = 160
"""Columns when nobody looks: enough that no table is cut, and a search by line finds whole rows."""

_ANY_WIDTH: Final = 10_000


@dataclass(frozen=True, slots=True)
class _StatusLook:
    icon: str
    ascii_icon: str
    name: str
    style: str


# Only characters that every terminal draws one column wide: those with an emoji form break the alignment.
_STATUS_LOOKS: Final[Mapping[BatchStatus.ValueType, _StatusLook]] = {
    BatchStatus.BATCH_STATUS_NEW: _StatusLook("○", ".", "New", "blue"),
    BatchStatus.BATCH_STATUS_RUNNING: _StatusLook("►", ">", "Running", "bold cyan"),
    BatchStatus.BATCH_STATUS_OK: _StatusLook("✔", "+", "Ok", "green"),
    BatchStatus.BATCH_STATUS_INCOMPLETE: _StatusLook("■", "#", "Incomplete", "magenta"),
    BatchStatus.BATCH_STATUS_ERROR: _StatusLook("✘", "x", "Error", "bold red"),
    BatchStatus.BATCH_STATUS_PARTIAL: _StatusLook("◐", "~", "Partial", "yellow"),
    BatchStatus.BATCH_STATUS_WARNING: _StatusLook("▲", "!", "Warning", "dark_orange"),
    BatchStatus.BATCH_STATUS_SUSPENDED: _StatusLook("‖", "=", "Suspended", "magenta"),
}

_UNKNOWN_STATUS: Final = _StatusLook("?", "?", "Unknown", "dim")


class Mark:
    """An icon with its word; where the encoding can't write the icon, an ASCII character stands for it."""

    def __init__(self, icon: str, ascii_icon: str, word: str, style: str) -> None:
        """`word` may be empty: then it is the icon alone."""
        self._pretty = Text(f"{icon} {word}".rstrip(), style)
        self._plain = Text(f"{ascii_icon} {word}".rstrip(), style)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._text(options)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement.get(console, options, self._text(options))

    def _text(self, options: ConsoleOptions) -> Text:
        return self._plain if options.ascii_only else self._pretty


def status_mark(status: BatchStatus.ValueType) -> Mark:
    """The status of a session or a job, as operators' screens show it: icon and name."""
    look = _STATUS_LOOKS.get(status, _UNKNOWN_STATUS)
    return Mark(look.icon, look.ascii_icon, look.name, look.style)


def status_name(status: BatchStatus.ValueType) -> str:
    """The name of a status as people read it: "Ok", "Partial"."""
    return _STATUS_LOOKS.get(status, _UNKNOWN_STATUS).name


def verdict_mark(good: bool, word: str = "") -> Mark:
    """A green check or a red cross."""
    return Mark("✔", "+", word, "green") if good else Mark("✘", "x", word, "bold red")


def money(value: MoneyMessage) -> str:
    """ "1,234.50 USD"; nothing for an amount that is not there."""
    return str(Money(value.minor_units, value.currency_code)) if value.currency_code else ""


def amount(value: MoneyMessage) -> str:
    """ "1,234.50": for columns whose title names the currency."""
    return money(value).removesuffix(value.currency_code).rstrip()


def signed_amount(value: MoneyMessage) -> Text:
    """An amount whose sign matters: what is owed to the customer stands out."""
    return Text(amount(value), "green" if value.minor_units < 0 else "")


def day(value: Date) -> str:
    """ "2026-03-01"; nothing for a day that is not there."""
    return day_of(value).isoformat() if value.year else ""


def day_of(value: Date) -> date:
    """The calendar day of the contract's form."""
    return date_from_proto(value, "date")


def instant(value: Timestamp) -> str:
    """ "2026-03-01 04:05:06" in UTC; nothing for an instant that is not there."""
    return f"{_instant(value):%Y-%m-%d %H:%M:%S}" if value.ByteSize() else ""


def time_of_day(value: Timestamp) -> str:
    """ "04:05:06" in UTC, where the day is not worth its width; nothing for an instant that is not there."""
    return f"{_instant(value):%H:%M:%S}" if value.ByteSize() else ""


def duration(start: Timestamp, end: Timestamp) -> str:
    """ "0.42 s", "3 m 07 s"; nothing as long as one of the two is not there."""
    if not (start.ByteSize() and end.ByteSize()):
        return ""
    seconds = (_instant(end) - _instant(start)).total_seconds()
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} m {rest:02d} s"


def count(number: int) -> str:
    """ "7,043" """
    return f"{number:,}"


def plural(number: int, one: str, many: str = "") -> str:
    """ "1 account", "7,043 accounts" """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _instant(value: Timestamp) -> datetime:
    return instant_from_proto(value, "instant")


def right(header: str) -> Column:
    """A column of numbers."""
    return Column(header, justify="right", no_wrap=True)


def word(header: str) -> Column:
    """A column of codes, dates and names that must stay in one piece."""
    return Column(header, no_wrap=True)


def prose(header: str) -> Column:
    """A column of text that may wrap."""
    return Column(header, overflow="fold")


def table(*columns: Column, title: str = "", footer: bool = False) -> Table:
    """A table in the look of the house: no frame, a rule beneath the head and above the foot."""
    return Table(
        *columns,
        title=title or None,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE if footer else box.SIMPLE_HEAD,
        header_style="bold",
        footer_style="bold",
        show_footer=footer,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )


class NotedTable:
    """A table whose rows stay on one line each, with notes beneath a row over the whole width."""

    def __init__(self, grid: Table, indent: int, expendable: Sequence[str] = ()) -> None:
        """`grid` has columns that don't wrap, and its rows are added here; notes begin at column `indent`.

        `expendable` are the columns that a narrow terminal does without, the first ones first: a whole
        column less is better than a bit of each.
        """
        self._grid = grid
        self._indent = indent
        self._expendable = expendable
        self._notes: list[Sequence[str]] = []

    def add_row(self, *cells: RenderableType, notes: Sequence[str]) -> None:
        """Add a row; empty notes are left out."""
        self._grid.add_row(*cells)
        self._notes.append([note for note in notes if note])

    @property
    def row_count(self) -> int:
        """How many rows it has."""
        return self._grid.row_count

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self._fitting(console, options), options, pad=False)
        heads = len(lines) - self._grid.row_count
        for number, line in enumerate(lines):
            yield from line
            yield Segment.line()
            if number >= heads:
                for note in self._notes[number - heads]:
                    yield Padding(Text(note, "dim"), (0, 0, 0, self._indent), expand=False)

    def _fitting(self, console: Console, options: ConsoleOptions) -> Table:
        grid = self._grid
        unlimited = options.update(max_width=_ANY_WIDTH)
        for header in self._expendable:
            if console.measure(grid, options=unlimited).maximum <= options.max_width:
                break
            grid = _without(grid, header)
        return grid


def _without(grid: Table, header: str) -> Table:
    narrower = copy.copy(grid)
    rest = [column for column in grid.columns if column.header != header]
    narrower.columns = [replace(column, _index=index) for index, column in enumerate(rest)]
    return narrower


def facts(pairs: Iterable[tuple[str, RenderableType]]) -> Table:
    """Names and values of one thing, beneath each other; empty values are left out."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        if value not in ("", None):
            grid.add_row(name, value)
    return grid


class Screen:
    """What the command writes to: answers go to standard output, progress and errors to standard error."""

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        """Standard output and error when none are given. NO_COLOR and pipes make it plain."""
        self.out = _console(out or sys.stdout)
        self.err = _console(err or sys.stderr)

    def show(self, *things: RenderableType) -> None:
        """Write for a person."""
        for thing in things:
            self.out.print(thing)

    def say(self, text: str, style: str = "") -> None:
        """Write a line, as it is."""
        self.out.print(Text(text, style))

    def note(self, text: str, style: str = "") -> None:
        """Write a line beside the answer: how something goes on."""
        self.err.print(Text(text, style))

    def document(self, document: Message | Mapping[str, Message | Sequence[Message]]) -> None:
        """Write one JSON document for a program: protobuf JSON, with every field, also those that hold a
        zero.
        """
        value = (
            as_json_value(document)
            if isinstance(document, Message)
            else {name: as_json_value(part) for name, part in document.items()}
        )
        self.out.file.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")

    def error(self, line: str) -> None:
        """Write why the command failed."""
        self.err.print(Text.assemble(("tallybook: ", "bold red"), line), soft_wrap=True)


def as_json_value(part: Message | Sequence[Message]) -> object:
    """Protobuf JSON. Fields without presence are always there: New is the status 0, and a program must find
    it.
    """
    if isinstance(part, Message):
        return MessageToDict(part, always_print_fields_with_no_presence=True)
    return [as_json_value(each) for each in part]


def _console(file: TextIO) -> Console:
    interactive = file.isatty() and os.environ.get("TERM") != "dumb"
    width = None if interactive or "COLUMNS" in os.environ else _PIPE_WIDTH
    plain = bool(os.environ.get("NO_COLOR"))
    return Console(
        file=file,
        width=width,
        # Without a colour system bold and dim are left out too: NO_COLOR means text and nothing else.
        color_system=None if plain else "auto",
        highlight=False,
        emoji=False,
        markup=False,
    )
