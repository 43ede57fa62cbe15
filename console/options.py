"""The options and arguments that many commands share, and how their texts are read."""

from datetime import date
from typing import Annotated, Final

import typer
from google.type.date_pb2 import Date

from service_kit.dates import date_to_proto
from tallybook.batch.v1.batch_status_pb2 import BatchStatus

_STATUS_NAMES: Final = ", ".join(name.removeprefix("BATCH_STATUS_").lower() for name in BatchStatus.keys())  # noqa: SIM118  # no dict

_LARGEST_NUMBER: Final = 2**63 - 1
_DIGITS: Final = len(str(_LARGEST_NUMBER))


def parse_day(text: str) -> date:
    """ "2026-03-01"; BadParameter for anything else."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a day such as 2026-03-31.") from None


def parse_number(text: str) -> int:
    """A number of a client, an account, a session, an event; BadParameter for anything else."""
    if text.isascii() and text.isdigit() and len(text) <= _DIGITS and 1 <= int(text) <= _LARGEST_NUMBER:
        return int(text)
    raise typer.BadParameter(f"{text!r} is not a number from 1 to {_LARGEST_NUMBER}.")


def parse_month(text: str) -> date:
    """The first day of "2026-03"; BadParameter for anything else."""
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a month such as 2026-03.") from None


def parse_status(text: str) -> BatchStatus.ValueType:
    """A status by its name ("partial") or code ("5"); BadParameter for anything else."""
    if text.isdigit() and int(text) in BatchStatus.values():
        return BatchStatus.ValueType(int(text))
    try:
        return BatchStatus.Value(f"BATCH_STATUS_{text.upper()}")
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a status. Give one of {_STATUS_NAMES}.") from None


def day_message(value: date | None) -> Date | None:
    """The contract's form of an optional day."""
    return date_to_proto(value) if value is not None else None


def status_codes(codes: list[int] | None) -> list[BatchStatus.ValueType]:
    """The statuses of a filter; none for one that was not given."""
    return [BatchStatus.ValueType(code) for code in codes or ()]


ClientOption = Annotated[
    int,
    typer.Option(
        "--client", metavar="N", parser=parse_number, help="The client (tenant).", show_default=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]
LimitOption = Annotated[int, typer.Option("--limit", metavar="N", min=1, help="How many at most.")]
WaitOption = Annotated[
    bool,
    typer.Option("--wait", help="Wait until it ended. Exit code 1 when anything did not end as Ok."),
]
DateOption = Annotated[
    date | None,
    typer.Option(
        "--date",
        metavar="YYYY-MM-DD",
        parser=parse_day,
        help="The business date. Default: today where the client lives.",
        show_default=False,
    ),
]
FromOption = Annotated[
    date | None,
    typer.Option("--from", metavar="YYYY-MM-DD", parser=parse_day, help="The first day.", show_default=False),
]
ToOption = Annotated[
    date | None,
    typer.Option("--to", metavar="YYYY-MM-DD", parser=parse_day, help="The last day.", show_default=False),
]
StatusOption = Annotated[
    list[int] | None,
    typer.Option(
        "--status",
        metavar="STATUS",
        parser=parse_status,
        help=f"Only with this status; may be given several times: {_STATUS_NAMES}.",
        show_default=False,
    ),
]
AccountArgument = Annotated[
    str,
    typer.Argument(
        metavar="ACCOUNT", help="The number of the account, or id:EXTERNAL_ID.", show_default=False
    ),
]
SessionArgument = Annotated[
    int,
    typer.Argument(
        metavar="SESSION", parser=parse_number, help="The number of the session.", show_default=False
    ),
]
CommentOption = Annotated[str, typer.Option("--comment", metavar="TEXT", help="Why; the audit log keeps it.")]
