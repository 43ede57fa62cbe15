"""What a log line looks like."""

import json
import logging
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
import structlog

from service_kit.logs import CURRENT_TRACE_ID, configure_logs


@pytest.fixture
def stream() -> Iterator[StringIO]:
    yield StringIO()
    structlog.reset_defaults()


def lines(stream: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_away_from_a_terminal_a_line_is_json_and_names_the_service(stream: StringIO) -> None:
    configure_logs("ledger", stream=stream)
    structlog.get_logger().info("posted", drafts=3, when=object)
    (line,) = lines(stream)
    assert (line["event"], line["service"], line["level"], line["drafts"]) == ("posted", "ledger", "info", 3)
    assert line["timestamp"].endswith("Z")
    assert "trace_id" not in line


def test_on_request_a_line_is_for_people(stream: StringIO) -> None:
    configure_logs("ledger", log_format="console", stream=stream)
    structlog.get_logger().info("posted", drafts=3)
    assert "posted" in stream.getvalue()
    assert "drafts=3" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_what_is_below_the_level_is_left_out(stream: StringIO) -> None:
    configure_logs("ledger", level="warning", stream=stream)
    structlog.get_logger().info("quiet")
    logging.getLogger("library").info("quiet")
    structlog.get_logger().warning("loud")
    logging.getLogger("library").warning("loud")
    assert [line["event"] for line in lines(stream)] == ["loud", "loud"]


def test_within_a_call_a_line_has_its_trace_id(stream: StringIO) -> None:
    configure_logs("ledger", stream=stream)
    token = CURRENT_TRACE_ID.set("abc")
    structlog.get_logger().info("ours")
    logging.getLogger("library").warning("theirs")
    CURRENT_TRACE_ID.reset(token)
    assert [line["trace_id"] for line in lines(stream)] == ["abc", "abc"]


def fail(password: str) -> None:
    raise ValueError(f"refused {len(password)}")


@pytest.mark.parametrize(
    "logger", [structlog.get_logger(), logging.getLogger("library")], ids=["ours", "theirs"]
)
def test_a_traceback_is_in_the_line_but_no_local_variable_is(stream: StringIO, logger: Any) -> None:
    configure_logs("ledger", stream=stream)
    try:
        fail(password="hunt" + "er2")
    except ValueError:
        logger.exception("failed")
    (line,) = lines(stream)
    assert "ValueError: refused 7" in line["exception"]
    assert "hunter2" not in stream.getvalue()
