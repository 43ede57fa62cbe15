"""How things look."""

import io
import json

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date

from console.rendering import Screen, amount, day, duration, instant, money, plural, status_mark
from console.views.sessions import sessions_table
from tallybook.batch.v1.batch_pb2 import BatchSession, ListBatchSessionsResponse
from tallybook.batch.v1.batch_status_pb2 import BatchStatus
from tallybook.type.v1.money_pb2 import Money


class Terminal(io.StringIO):
    """A terminal, as far as rich asks."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Money(currency_code="USD", minor_units=45611660), "456,116.60 USD"),
        (Money(currency_code="USD", minor_units=-5), "-0.05 USD"),
        (Money(currency_code="JPY", minor_units=1250), "1,250 JPY"),
        (Money(currency_code="KWD", minor_units=1250), "1.250 KWD"),
        (Money(), ""),
    ],
)
def test_money_has_the_decimals_of_its_currency_and_separators(value: Money, text: str) -> None:
    assert money(value) == text
    assert amount(value) == text.rpartition(" ")[0]


def test_days_and_instants_are_iso_and_what_is_not_there_is_empty() -> None:
    assert day(Date(year=2026, month=3, day=1)) == "2026-03-01"
    assert day(Date()) == ""
    assert instant(Timestamp(seconds=1772323200)) == "2026-03-01 00:00:00"
    assert instant(Timestamp()) == ""


@pytest.mark.parametrize(("seconds", "text"), [(0, "0.00 s"), (59, "59.00 s"), (187, "3 m 07 s")])
def test_durations_are_short(seconds: int, text: str) -> None:
    assert duration(Timestamp(seconds=100), Timestamp(seconds=100 + seconds)) == text


def test_a_running_session_has_no_duration_yet() -> None:
    assert duration(Timestamp(seconds=100), Timestamp()) == ""


def test_plurals() -> None:
    assert [plural(1, "account"), plural(7043, "account"), plural(2, "entry", "entries")] == [
        "1 account",
        "7,043 accounts",
        "2 entries",
    ]


@pytest.mark.parametrize(
    ("status", "pretty", "plain"),
    [
        (BatchStatus.BATCH_STATUS_OK, "✔ Ok", "+ Ok"),
        (BatchStatus.BATCH_STATUS_ERROR, "✘ Error", "x Error"),
        (BatchStatus.BATCH_STATUS_PARTIAL, "◐ Partial", "~ Partial"),
        (BatchStatus.BATCH_STATUS_WARNING, "▲ Warning", "! Warning"),
    ],
)
def test_a_status_has_an_icon_and_ascii_where_the_encoding_can_not_write_it(
    status: BatchStatus.ValueType, pretty: str, plain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    for encoding, text in (("utf-8", pretty), ("ascii", plain)):
        terminal = Terminal(encoding)
        Screen(terminal, terminal).show(status_mark(status))
        assert terminal.getvalue().strip() == text


def test_every_status_of_the_contract_has_a_look_of_its_own() -> None:
    pipe = io.StringIO()
    screen = Screen(pipe, pipe)
    for status in BatchStatus.values():
        screen.show(status_mark(status))
    lines = pipe.getvalue().splitlines()
    assert len(set(lines)) == 8
    assert "? Unknown" not in lines


def test_a_terminal_gets_colours_and_a_pipe_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal, pipe = Terminal(), io.StringIO()
    for file in (terminal, pipe):
        Screen(file, file).show(status_mark(BatchStatus.BATCH_STATUS_OK))
    assert "\x1b[32m" in terminal.getvalue()
    assert "\x1b" not in pipe.getvalue()


def test_no_color_is_respected_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    Screen(terminal, terminal).show(status_mark(BatchStatus.BATCH_STATUS_OK))
    assert "\x1b[32m" not in terminal.getvalue()


def test_json_is_one_document_that_shows_zeros_too() -> None:
    pipe = io.StringIO()
    Screen(pipe, pipe).document(ListBatchSessionsResponse(sessions=[BatchSession(session_no=7)]))
    session = json.loads(pipe.getvalue())["sessions"][0]
    assert session["sessionNo"] == "7"
    assert session["status"] == "BATCH_STATUS_NEW"
    assert session["recordsFailed"] == "0"


def test_the_table_of_sessions_fits_a_hundred_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    session = BatchSession(
        session_no=12345,
        name="Pre-invoice housekeeping",
        business_date=Date(year=2026, month=3, day=15),
        status=BatchStatus.BATCH_STATUS_PARTIAL,
        records_total=7043,
        records_failed=12,
        started_at=Timestamp(seconds=1772323200),
        ended_at=Timestamp(seconds=1772323387),
        message="12 of 7,043 accounts could not be worked; their records say why, and a retry works them",
    )
    pipe = io.StringIO()
    Screen(pipe, pipe).show(sessions_table([session]))
    lines = pipe.getvalue().splitlines()
    assert max(map(len, lines)) <= 100
    assert any(
        "12345" in line and "Pre-invoice housekeeping" in line and "3 m 07 s" in line for line in lines
    )
    assert "…" not in pipe.getvalue()
