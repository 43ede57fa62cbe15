"""How things look."""

import io
import json

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date

from console.rendering import Screen, amount, day, duration, instant, money, plural, status_mark
from console.views.accounts import aging_summary
from console.views.sessions import sessions_table
from tallybook.batch.v1.batch_pb2 import BatchSession, ListBatchSessionsResponse
from tallybook.batch.v1.batch_status_pb2 import BatchStatus
from tallybook.ledger.v1.account_pb2 import AccountAging
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


def a_long_session(client_no: int = 1) -> BatchSession:
    return BatchSession(
        client_no=client_no,
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


def test_the_table_of_sessions_fits_a_hundred_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    pipe = io.StringIO()
    Screen(pipe, pipe).show(sessions_table([a_long_session()]))
    lines = pipe.getvalue().splitlines()
    assert max(map(len, lines)) <= 100
    assert any(
        "12345" in line and "Pre-invoice housekeeping" in line and "3 m 07 s" in line for line in lines
    )
    assert "…" not in pipe.getvalue()


def test_a_narrow_terminal_gets_fewer_columns_of_sessions_and_each_of_them_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    pipe = io.StringIO()
    Screen(pipe, pipe).show(sessions_table([a_long_session()]))
    head, _, row, *_ = pipe.getvalue().splitlines()
    assert head.split() == ["Session", "Date", "Process", "Status", "Records", "Failed"]
    assert row.split() == [
        "12345",
        "2026-03-15",
        "Pre-invoice",
        "housekeeping",
        "◐",
        "Partial",
        "7,043",
        "12",
    ]
    assert "…" not in pipe.getvalue()


def test_sessions_of_several_clients_name_their_clients() -> None:
    pipe = io.StringIO()
    Screen(pipe, pipe).show(sessions_table([a_long_session(client_no=1), a_long_session(client_no=22)]))
    rows = [line.split()[:2] for line in pipe.getvalue().splitlines() if "12345" in line]
    assert rows == [["1", "12345"], ["22", "12345"]]


def test_the_aging_adds_up_to_the_balance_in_every_currency(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")

    def owing(currency: str, not_due: int, credit: int) -> AccountAging:
        def money_of(minor_units: int) -> Money:
            return Money(currency_code=currency, minor_units=minor_units)

        return AccountAging(
            not_due=money_of(not_due), unapplied_credit=money_of(credit), balance=money_of(not_due - credit)
        )

    pipe = io.StringIO()
    accounts = [owing("USD", 123_456_789, 10_000), owing("USD", 100, 0), owing("JPY", 500, 0)]
    Screen(pipe, pipe).show(aging_summary(accounts, ""))
    rows = {line[:16].strip(): line[16:].split() for line in pipe.getvalue().splitlines()}
    assert rows[""] == ["JPY", "USD"]
    assert rows["Accounts"] == ["1", "2"]
    assert rows["Not due"] == ["500", "1,234,568.89"]
    assert rows["Unapplied credit"] == ["0", "-100.00"]
    assert rows["Balance"] == ["500", "1,234,468.89"]
