"""Logs: one event a line, as JSON or readable on a terminal, with the trace id of its call."""

import logging
import sys
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any, Final, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor

# Set by the call handler; what a servicer or a store logs then says to which call it belongs.
CURRENT_TRACE_ID: Final[ContextVar[str]] = ContextVar("tallybook_trace_id")


def configure_logs(
    service: str,
    *,
    log_format: Literal["auto", "json", "console"] = "auto",
    level: str = "info",
    stream: TextIO | None = None,
) -> None:
    """Set up structlog and route the standard library's logging through it, to standard error.

    auto: readable on a terminal, JSON elsewhere. Every line has: timestamp (UTC), level, service, event, and
    trace_id within a call.
    """
    output = stream or sys.stderr
    readable = log_format == "console" or (log_format == "auto" and output.isatty())
    threshold = logging.getLevelNamesMapping()[level.upper()]

    def name_the_service(_logger: object, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    shared: list[Processor] = [
        _name_the_call,
        name_the_service,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    rendering = _readable(output) if readable else _json()
    structlog.configure(
        processors=[*shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(output),
        # So that who configures again, as tests do, is heard. What logs each call keeps a logger instead.
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder(), structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    logging.basicConfig(handlers=[handler], level=threshold, force=True)
    logging.captureWarnings(True)
    # It tells at each start which dialect it found; what it changes, it tells us anyway.
    logging.getLogger("alembic.runtime.migration").setLevel(logging.WARNING)


def _name_the_call(_logger: object, _method: str, event: EventDict) -> EventDict:
    trace_id = CURRENT_TRACE_ID.get(None)
    if trace_id is not None:
        event.setdefault("trace_id", trace_id)
    return event


def _json() -> Sequence[Processor]:
    return (structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=_as_text))


def _readable(output: TextIO) -> Sequence[Processor]:
    return (structlog.dev.ConsoleRenderer(colors=output.isatty()),)


def _as_text(value: Any) -> str:
    return str(value)
