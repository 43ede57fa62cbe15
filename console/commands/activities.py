"""`tallybook activities`: files of activity (usage) records."""

from collections.abc import AsyncIterator, Iterable
from datetime import date
from pathlib import Path
from typing import Annotated, Final

import typer

from console.commands.batch import finish_sessions, new_request_id
from console.connections import Connections
from console.errors import BadDataError
from console.grouping import groups_of
from console.invocation import Invocation
from console.options import ClientOption, DateOption, JsonOption, WaitOption, day_message
from tallybook.batch.v1.batch_pb2 import BatchSession
from tallybook.batch.v1.billing_setup_pb2 import ActivityFile, ActivityLines, LoadActivitiesRequest

activities_app = typer.Typer(help="Activity (usage) files.", no_args_is_help=True)

_LINES_A_MESSAGE: Final = 2000


@activities_app.command("load")
def load(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.csv",
            help="Columns: usage_id, acct_no, plan_instance_no, usage_type, quantity, used_at.",
            exists=True,
            dir_okay=False,
            readable=True,
            show_default=False,
        ),
    ],
    client: ClientOption,
    business_date: DateOption = None,
    wait: WaitOption = False,
    as_json: JsonOption = False,
) -> None:
    """Load a file of activity records. A file name is loaded once; each line has its own outcome."""
    invocation = Invocation.of(context)
    lines = read_lines(file)
    session = invocation.ask(
        lambda services: load_activities(services, client, file.name, lines, business_date)
    )
    finish_sessions(invocation, [session], wait=wait, as_json=as_json)


def read_lines(file: Path) -> list[str]:
    """The lines of a text file without their ends. Read before the first is sent, so that a bad file sends
    none.
    """
    try:
        with file.open(encoding="utf-8-sig") as stream:
            return [line.rstrip("\n") for line in stream]
    except UnicodeDecodeError as error:
        raise BadDataError(f"{file} is not UTF-8 text: {error.reason} at byte {error.start}") from None


async def load_activities(
    services: Connections,
    client_no: int,
    file_name: str,
    lines: Iterable[str],
    business_date: date | None = None,
) -> BatchSession:
    """Stream a file to the Universal Activity Loader and return its queued session."""
    header = ActivityFile(
        client_no=client_no,
        request_id=new_request_id(),
        file_name=file_name,
        business_date=day_message(business_date),
    )

    async def parts() -> AsyncIterator[LoadActivitiesRequest]:
        yield LoadActivitiesRequest(file=header)
        for group in groups_of(lines, _LINES_A_MESSAGE):
            yield LoadActivitiesRequest(lines=ActivityLines(lines=group))

    answer = await services.billing_setup.LoadActivities(parts())
    return answer.session
