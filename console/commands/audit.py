"""`tallybook audit`: what happened, searched and opened."""

from datetime import date
from typing import Annotated

import typer
from rich.console import Group, RenderableType

from console.connections import Connections
from console.invocation import Invocation
from console.options import (
    ClientOption,
    FromOption,
    JsonOption,
    LimitOption,
    SessionArgument,
    StatusOption,
    ToOption,
    day_message,
    parse_number,
    status_codes,
)
from console.paging import FirstRows, read_first_rows
from console.views.audit import events_table
from console.views.sessions import history_table, session_detail, sessions_table
from tallybook.audit.v1.audit_pb2 import (
    GetBatchProcessRequest,
    GetBatchProcessResponse,
    LoggedEvent,
    SearchAuditEventsRequest,
    SearchAuditEventsResponse,
    SearchBatchProcessesRequest,
    SearchBatchProcessesResponse,
)
from tallybook.batch.v1.batch_pb2 import BatchSession

audit_app = typer.Typer(
    help="The audit log: batch processes and events, searched and opened.", no_args_is_help=True
)

ClientsOption = Annotated[
    list[int] | None,
    typer.Option(
        "--client",
        metavar="N",
        parser=parse_number,
        help="Only of this client; may be given several times.",
    ),
]


@audit_app.command("batches")
def batches(
    context: typer.Context,
    first: FromOption,
    last: ToOption,
    client: ClientsOption = None,
    status: StatusOption = None,
    number: Annotated[
        list[int] | None,
        typer.Option("--number", metavar="N", min=1, max=9999, help="Only of the process with this number."),
    ] = None,
    name: Annotated[
        str, typer.Option("--name", metavar="TEXT", help="Only of processes whose name contains this.")
    ] = "",
    limit: LimitOption = 100,
    as_json: JsonOption = False,
) -> None:
    """Search batch sessions by business date: both days included, at most 7 days, newest first."""
    request = SearchBatchProcessesRequest(
        from_date=day_message(first),
        to_date=day_message(last),
        client_nos=client or (),
        statuses=status_codes(status),
        batch_nos=number or (),
        name_contains=name,
    )

    async def question(services: Connections) -> FirstRows[BatchSession]:
        return await read_first_rows(
            services.audit.SearchBatchProcesses, request, lambda page: page.sessions, limit
        )

    invocation = Invocation.of(context)
    found = invocation.ask(question)
    answer = SearchBatchProcessesResponse(sessions=found.rows)
    invocation.show(answer, lambda page: sessions_table(page.sessions), as_json=as_json)
    invocation.note_more(found, limit)


@audit_app.command("show")
def show(
    context: typer.Context, session: SessionArgument, client: ClientOption, as_json: JsonOption = False
) -> None:
    """Open a session into its jobs, its failed records and its history, as the log has them."""
    invocation = Invocation.of(context)
    answer = invocation.ask(
        lambda services: services.audit.GetBatchProcess(
            GetBatchProcessRequest(client_no=client, session_no=session)
        )
    )
    invocation.show(answer, _opened, as_json=as_json)


def _opened(answer: GetBatchProcessResponse) -> RenderableType:
    return Group(session_detail(answer.session, answer.failed_records), "", history_table(answer.history))


@audit_app.command("events")
def events(
    context: typer.Context,
    first: FromOption,
    last: ToOption,
    client: ClientsOption = None,
    producer: Annotated[
        list[str] | None,
        typer.Option("--producer", metavar="NAME", help="Only of this producer: ledger, batch."),
    ] = None,
    event_type: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="TYPE", help="Only of this type, for example batch.session."),
    ] = None,
    actor: Annotated[
        list[str] | None, typer.Option("--actor", metavar="NAME", help="Only by this actor.")
    ] = None,
    limit: LimitOption = 100,
    as_json: JsonOption = False,
) -> None:
    """Search all events by the day (UTC) on which they happened: at most 7 days, newest first."""
    request = events_request(first, last)
    request.client_nos.extend(client or ())
    request.producers.extend(producer or ())
    request.event_types.extend(event_type or ())
    request.actors.extend(actor or ())

    async def question(services: Connections) -> FirstRows[LoggedEvent]:
        return await read_first_rows(
            services.audit.SearchAuditEvents, request, lambda page: page.events, limit
        )

    invocation = Invocation.of(context)
    found = invocation.ask(question)
    answer = SearchAuditEventsResponse(events=found.rows)
    invocation.show(answer, lambda page: events_table(page.events), as_json=as_json)
    invocation.note_more(found, limit)


def events_request(first: date | None, last: date | None) -> SearchAuditEventsRequest:
    """Asks for the events of a period."""
    return SearchAuditEventsRequest(from_date=day_message(first), to_date=day_message(last))
