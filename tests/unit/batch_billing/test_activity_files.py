"""Activity files: what their lines say."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from batch_service.rules.activity_files import COLUMNS, Activity, LineFault, read_header, read_line

GOOD = {
    "usage_id": "u-1",
    "acct_no": "7",
    "plan_instance_no": "70",
    "usage_type": "minutes",
    "quantity": "12.5",
    "used_at": "2026-03-01T14:30:00Z",
}
READ = Activity("u-1", 7, 70, "minutes", Decimal("12.5"), datetime(2026, 3, 1, 14, 30, tzinfo=UTC))


def line(**changes: str) -> str:
    return ",".join({**GOOD, **changes}.values())


def test_a_header_names_its_columns_in_any_order_with_others_between() -> None:
    columns = read_header("\ufeffused_at, quantity,usage_type,note,plan_instance_no,acct_no,usage_id\r")
    assert columns == (
        "used_at", "quantity", "usage_type", "note", "plan_instance_no", "acct_no", "usage_id"
    )  # fmt: skip
    assert read_line(columns, '2026-03-01T14:30:00Z,12.5,minutes,"a, b",70,7,u-1') == READ


@pytest.mark.parametrize(
    "header", ["", "usage_id,acct_no", ",".join(COLUMNS) + ",acct_no", 'usage_id,"acct_no', "a\x00b"]
)
def test_a_file_without_the_columns_is_none(header: str) -> None:
    fault = read_header(header)
    assert isinstance(fault, LineFault)
    assert fault.reason == "FILE_INVALID"


@pytest.mark.parametrize(
    "used_at", ["2026-03-01T14:30:00+00:00", "2026-03-01T16:30:00+02:00", "2026-03-01 14:30:00"]
)
def test_instants_are_read_in_utc_unless_they_say_otherwise(used_at: str) -> None:
    assert read_line(COLUMNS, line(used_at=used_at)) == READ


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "LINE_MALFORMED"),
        ("u-1,7,70", "LINE_MALFORMED"),
        (line() + ",more", "LINE_MALFORMED"),
        ('"u-1,7', "LINE_MALFORMED"),
        (line(usage_id=""), "LINE_MALFORMED"),
        (line(usage_id="x" * 129), "LINE_MALFORMED"),
        (line(usage_type="Minutes"), "LINE_MALFORMED"),
        (line(acct_no="seven"), "NUMBER_INVALID"),
        (line(acct_no="0"), "NUMBER_INVALID"),
        (line(acct_no="-7"), "NUMBER_INVALID"),
        (line(acct_no="9223372036854775808"), "NUMBER_INVALID"),
        (line(plan_instance_no="\u0667"), "NUMBER_INVALID"),
        (line(quantity="0"), "NUMBER_INVALID"),
        (line(quantity="1e3"), "NUMBER_INVALID"),
        (line(used_at="yesterday"), "DATE_INVALID"),
        (line(used_at="2026-02-30T00:00:00Z"), "DATE_INVALID"),
        (line(used_at="0001-01-01T00:00:00+23:00"), "DATE_INVALID"),
    ],
)
def test_a_line_that_can_not_be_read_says_why(text: str, reason: str) -> None:
    fault = read_line(COLUMNS, text)
    assert isinstance(fault, LineFault)
    assert fault.reason == reason
