"""`tallybook batch`: an operator's screen on the batch sessions, and the levers beside it."""

from typing import Annotated
from uuid import uuid4

import typer
from rich.console import Group

from console.connections import Connections
from console.errors import BadDataError
from console.invocation import Invocation
from console.options import (
    ClientOption,
    CommentOption,
    DateOption,
    FromOption,
    JsonOption,
    LimitOption,
    SessionArgument,
    StatusOption,
    ToOption,
    WaitOption,
    day_message,
    parse_number,
    status_codes,
)
from console.paging import FirstRows, read_first_rows
from console.rendering import Screen, plural
from console.views.live import LiveSessions
from console.views.sessions import processes_table, session_detail, sessions_table
from console.waiting import ENDED, SessionBoard, wait_for_sessions
from tallybook.batch.v1.batch_pb2 import (
    BatchProcess,
    BatchRecord,
    BatchSession,
    GetBatchSessionRequest,
    InterruptBatchSessionRequest,
    ListBatchProcessesRequest,
    ListBatchRecordsRequest,
    ListBatchSessionsRequest,
    ListBatchSessionsResponse,
    RecordOutcome,
    ResumeBatchProcessRequest,
    ResumeBatchSessionRequest,
    RetryFailedRecordsRequest,
    RunBatchProcessRequest,
    SuspendBatchProcessRequest,
)

batch_app = typer.Typer(
    help="Batch sessions: list, show, watch, suspend, resume, interrupt, retry.", no_args_is_help=True
)

ProcessArgument = Annotated[
    str,
    typer.Argument(
        metavar="PROCESS", help="The process, by code or number: invoicer, 22.", show_default=False
    ),
]


def new_request_id() -> str:
    """A key for a call that nobody repeats: a person who types a command twice means it twice."""
    return f"console-{uuid4()}"


async def find_process(services: Connections, client_no: int, named: str) -> BatchProcess:
    """The process that a person named: by code, number or name."""
    response = await services.batch.ListBatchProcesses(ListBatchProcessesRequest(client_no=client_no))
    for process in response.processes:
        number = str(process.batch_no) if process.batch_no else process.process_code
        if named.lower() in {process.process_code, number, process.name.lower()}:
            return process
    known = ", ".join(process.process_code for process in response.processes)
    raise BadDataError(f"there is no process {named!r}. Give one of {known}, or its number")


def finish_sessions(
    invocation: Invocation, sessions: list[BatchSession], *, wait: bool, as_json: bool
) -> None:
    """Show sessions that were queued; with `wait` when they ended, and then the exit code says how."""
    board = (
        invocation.ask(lambda services: watch_live(services, invocation.screen, sessions)) if wait else None
    )
    last = board.sessions if board else sessions
    if as_json:
        invocation.screen.document(ListBatchSessionsResponse(sessions=last))
    else:
        invocation.screen.show(sessions_table(last))
    if board and board.waits_for_a_person:
        invocation.screen.note("Sessions wait for a person: see tallybook batch resume --help", "yellow")
    if board and board.exit_code:
        raise typer.Exit(board.exit_code)


async def watch_live(services: Connections, screen: Screen, sessions: list[BatchSession]) -> SessionBoard:
    """Wait for sessions with their progress on the screen."""
    with LiveSessions(screen, sessions) as live:
        return await wait_for_sessions(services, sessions, live.show)


@batch_app.command("processes")
def processes(context: typer.Context, client: ClientOption, as_json: JsonOption = False) -> None:
    """List the batch processes in the order in which they run."""
    invocation = Invocation.of(context)
    answer = invocation.ask(
        lambda services: services.batch.ListBatchProcesses(ListBatchProcessesRequest(client_no=client))
    )
    invocation.show(answer, lambda listed: processes_table(listed.processes), as_json=as_json)


@batch_app.command("list")
def list_sessions(
    context: typer.Context,
    client: ClientOption,
    first: FromOption = None,
    last: ToOption = None,
    status: StatusOption = None,
    process: Annotated[
        list[str] | None,
        typer.Option(
            "--process",
            metavar="PROCESS",
            help="Only of this process, by code or number; may be given several times.",
        ),
    ] = None,
    limit: LimitOption = 40,
    as_json: JsonOption = False,
) -> None:
    """List sessions, newest first."""
    request = ListBatchSessionsRequest(
        client_no=client,
        business_date_from=day_message(first),
        business_date_to=day_message(last),
        statuses=status_codes(status),
    )

    async def question(services: Connections) -> FirstRows[BatchSession]:
        for named in process or ():
            request.process_codes.append((await find_process(services, client, named)).process_code)
        return await read_first_rows(
            services.batch.ListBatchSessions, request, lambda page: page.sessions, limit
        )

    invocation = Invocation.of(context)
    listed = invocation.ask(question)
    answer = ListBatchSessionsResponse(sessions=listed.rows)
    invocation.show(answer, lambda page: sessions_table(page.sessions), as_json=as_json)
    invocation.note_more(listed, limit)


@batch_app.command("show")
def show(
    context: typer.Context,
    session: SessionArgument,
    client: ClientOption,
    limit: LimitOption = 100,
    as_json: JsonOption = False,
) -> None:
    """Show a session with its jobs and its failed records."""

    async def question(services: Connections) -> tuple[BatchSession, FirstRows[BatchRecord]]:
        found = await services.batch.GetBatchSession(
            GetBatchSessionRequest(client_no=client, session_no=session)
        )
        failed = await read_first_rows(
            services.batch.ListBatchRecords,
            ListBatchRecordsRequest(
                client_no=client, session_no=session, outcomes=[RecordOutcome.RECORD_OUTCOME_FAILED]
            ),
            lambda page: page.records,
            limit,
        )
        return found.session, failed

    invocation = Invocation.of(context)
    found, failed = invocation.ask(question)
    if as_json:
        invocation.screen.document({"session": found, "failedRecords": failed.rows})
    else:
        invocation.screen.show(session_detail(found, failed.rows))
    invocation.note_more(failed, limit)


@batch_app.command("watch")
def watch(
    context: typer.Context, session: SessionArgument, client: ClientOption, as_json: JsonOption = False
) -> None:
    """Watch a session until it has ended. Exit code 1 when it did not end as Ok."""

    async def question(services: Connections) -> list[BatchSession]:
        found = await services.batch.GetBatchSession(
            GetBatchSessionRequest(client_no=client, session_no=session)
        )
        return [found.session]

    invocation = Invocation.of(context)
    finish_sessions(invocation, invocation.ask(question), wait=True, as_json=as_json)


@batch_app.command("run")
def run(
    context: typer.Context,
    process: ProcessArgument,
    client: ClientOption,
    business_date: DateOption = None,
    again: Annotated[
        bool, typer.Option("--again", help="Run it once more when it has ended for this date.")
    ] = False,
    wait: WaitOption = False,
    as_json: JsonOption = False,
) -> None:
    """Queue one process for a business date."""

    async def question(services: Connections) -> list[BatchSession]:
        found = await find_process(services, client, process)
        answer = await services.batch.RunBatchProcess(
            RunBatchProcessRequest(
                client_no=client,
                request_id=new_request_id(),
                process_code=found.process_code,
                business_date=day_message(business_date),
                rerun=again,
            )
        )
        return [answer.session]

    invocation = Invocation.of(context)
    sessions = invocation.ask(question)
    if not again and all(session.status in ENDED for session in sessions):
        invocation.screen.note(
            "It ran for this date before, nothing is done now: --again runs it once more", "yellow"
        )
    finish_sessions(invocation, sessions, wait=wait, as_json=as_json)


@batch_app.command("suspend")
def suspend(
    context: typer.Context,
    process: ProcessArgument,
    client: ClientOption,
    comment: CommentOption = "",
) -> None:
    """Suspend a process: its queued sessions, and those to come, wait."""

    async def question(services: Connections) -> tuple[BatchProcess, list[BatchSession]]:
        found = await find_process(services, client, process)
        answer = await services.batch.SuspendBatchProcess(
            SuspendBatchProcessRequest(
                client_no=client,
                request_id=new_request_id(),
                process_code=found.process_code,
                comment=comment,
            )
        )
        return answer.process, list(answer.sessions)

    invocation = Invocation.of(context)
    found, sessions = invocation.ask(question)
    _say_what_changed(invocation, f"{found.name} is suspended", sessions)


@batch_app.command("resume")
def resume(
    context: typer.Context,
    client: ClientOption,
    process: Annotated[
        str | None, typer.Argument(metavar="PROCESS", help="A suspended process, by code or number.")
    ] = None,
    session: Annotated[
        int | None,
        typer.Option("--session", metavar="N", parser=parse_number, help="An Incomplete session instead."),
    ] = None,
    comment: CommentOption = "",
) -> None:
    """Resume a suspended process, or with --session an Incomplete session: it goes on with what is left."""
    if (process is None) == (session is None):
        raise typer.BadParameter("give a PROCESS or --session N.")
    invocation = Invocation.of(context)
    if session is not None:
        request = ResumeBatchSessionRequest(client_no=client, request_id=new_request_id(), session_no=session)
        answer = invocation.ask(lambda services: services.batch.ResumeBatchSession(request))
        _say_what_changed(invocation, f"session {session} goes on", [answer.session])
        return
    assert process is not None

    async def question(services: Connections) -> tuple[BatchProcess, list[BatchSession]]:
        found = await find_process(services, client, process)
        answer = await services.batch.ResumeBatchProcess(
            ResumeBatchProcessRequest(
                client_no=client,
                request_id=new_request_id(),
                process_code=found.process_code,
                comment=comment,
            )
        )
        return answer.process, list(answer.sessions)

    found, sessions = invocation.ask(question)
    _say_what_changed(invocation, f"{found.name} is resumed", sessions)


@batch_app.command("interrupt")
def interrupt(
    context: typer.Context, session: SessionArgument, client: ClientOption, comment: CommentOption = ""
) -> None:
    """Interrupt a session: it stops within one chunk and ends as Incomplete; what was committed stays."""
    invocation = Invocation.of(context)
    request = InterruptBatchSessionRequest(
        client_no=client, request_id=new_request_id(), session_no=session, comment=comment
    )
    answer = invocation.ask(lambda services: services.batch.InterruptBatchSession(request))
    _say_what_changed(invocation, f"session {session} is told to stop", [answer.session])


@batch_app.command("retry")
def retry(
    context: typer.Context,
    session: SessionArgument,
    client: ClientOption,
    wait: WaitOption = False,
    as_json: JsonOption = False,
) -> None:
    """Work the failed records of an ended session once more."""
    invocation = Invocation.of(context)
    request = RetryFailedRecordsRequest(client_no=client, request_id=new_request_id(), session_no=session)
    answer = invocation.ask(lambda services: services.batch.RetryFailedRecords(request))
    finish_sessions(invocation, [answer.session], wait=wait, as_json=as_json)


def _say_what_changed(invocation: Invocation, what: str, sessions: list[BatchSession]) -> None:
    invocation.screen.say(f"{what[0].upper()}{what[1:]} ({plural(len(sessions), 'session')} changed).")
    if sessions:
        invocation.screen.show(Group(sessions_table(sessions)))
