"""`tallybook journal`: the books as they go elsewhere, as an export and as a stream."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated, Final

import grpc
import typer

from console.commands.account import find_account
from console.connections import Connections
from console.errors import ConsoleError
from console.exit_codes import ExitCode
from console.invocation import Invocation
from console.journal_formats import WRITERS, JournalFormat
from console.options import ClientOption, FromOption, ToOption, day_message
from console.rendering import Screen, as_json_value, money, plural
from tallybook.ledger.v1.journal_pb2 import (
    WATCH_START_BEGINNING,
    WATCH_START_NOW,
    ExportJournalRequest,
    JournalTotals,
    WatchTransactionsRequest,
)
from tallybook.ledger.v1.transaction_type_pb2 import TransactionType

journal_app = typer.Typer(
    help="The journal: its export for accounting, and what is committed as it is committed.",
    no_args_is_help=True,
)


class DayKind(StrEnum):
    """What the days of a range mean."""

    EFFECTIVE = "effective"
    RECORDED = "recorded"


_WATCH_AGAIN: Final = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})


@journal_app.command("export")
def export(
    context: typer.Context,
    client: ClientOption,
    first: FromOption = None,
    last: ToOption = None,
    by: Annotated[
        DayKind,
        typer.Option(
            "--by",
            help="What the days mean: when it takes effect, or when it was recorded (UTC). Exports by days of"
            " recording that follow each other have every line exactly once.",
        ),
    ] = DayKind.EFFECTIVE,
    to_format: Annotated[
        JournalFormat, typer.Option("--format", help="CSV with a head, or a JSON object a line.")
    ] = JournalFormat.CSV,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="FILE",
            dir_okay=False,
            help="Write to this file, which is there only when it is complete. Default: standard output.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Export the journal: a debit line and a credit line for each transaction, by event number.

    The totals are told on standard error; in sound books they are those of `tallybook ledger trial-balance`.
    """
    invocation = Invocation.of(context)
    request = ExportJournalRequest(client_no=client)
    for field, value in (("from", first), ("to", last)):
        if value is not None:
            getattr(request, f"{by}_{field}").CopyFrom(day_message(value))

    async def question(services: Connections) -> JournalTotals:
        with _written(output, invocation.screen) as file:
            write_line = WRITERS[to_format](file)
            async for response in services.journal.ExportJournal(request):
                if response.HasField("totals"):
                    return response.totals
                for line in response.page.lines:
                    write_line(line)
            raise ConsoleError("the journal ended before its totals came", ExitCode.UNAVAILABLE)

    _note_totals(invocation.screen, invocation.ask(question))


@contextmanager
def _written(path: Path | None, screen: Screen) -> Iterator[IO[str]]:
    """A file that takes its name once it is complete, or standard output."""
    if path is None:
        yield screen.out.file
        return
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            yield file
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _note_totals(screen: Screen, totals: JournalTotals) -> None:
    screen.note(f"{plural(totals.transactions, 'transaction')}, {plural(totals.lines, 'line')}")
    for each in totals.trial_balances:
        screen.note(f"debits {money(each.total_debits)}, credits {money(each.total_credits)}")
    if any(each.total_debits != each.total_credits for each in totals.trial_balances):
        raise typer.Exit(ExitCode.FOUND_WRONG)


@journal_app.command("watch")
def watch(
    context: typer.Context,
    client: ClientOption,
    beginning: Annotated[
        bool, typer.Option("--beginning", help="Begin with the first transaction, not with what comes now.")
    ] = False,
    cursor: Annotated[
        str,
        typer.Option(
            "--cursor", metavar="CURSOR", help="Go on after an answer with this cursor.", show_default=False
        ),
    ] = "",
    kinds: Annotated[
        list[int] | None,
        typer.Option("--type", metavar="CODE", help="Only of this type; may be given several times."),
    ] = None,
    account: Annotated[
        str,
        typer.Option(
            "--account",
            metavar="ACCOUNT",
            help="Only of this account, by its number or as id:EXTERNAL_ID.",
            show_default=False,
        ),
    ] = "",
    count: Annotated[
        int | None,
        typer.Option("--count", metavar="N", min=1, help="End after so many.", show_default=False),
    ] = None,
) -> None:
    """Print transactions as they are committed, a JSON object a line, until Ctrl-C.

    Each line has the transaction and, where it is the last one of an answer, the cursor after it. A lost
    connection is taken up again where it was lost.
    """
    invocation = Invocation.of(context)
    if beginning and cursor:
        raise typer.BadParameter("give --beginning or --cursor, not both.")
    request = WatchTransactionsRequest(
        client_no=client, transaction_types=[_transaction_type(code) for code in kinds or ()]
    )
    if cursor:
        request.cursor = cursor
    else:
        request.start_at = WATCH_START_BEGINNING if beginning else WATCH_START_NOW

    async def question(services: Connections) -> None:
        if account:
            request.acct_no = (await find_account(services, client, account)).acct_no
        await _follow(services, request, invocation.screen, count)

    invocation.ask(question)


def _transaction_type(code: int) -> TransactionType.ValueType:
    if code not in TransactionType.values() or not code:
        raise typer.BadParameter(f"{code} is not a transaction type: `tallybook ledger types` lists them.")
    return TransactionType.ValueType(code)


async def _follow(
    services: Connections, request: WatchTransactionsRequest, screen: Screen, count: int | None
) -> None:
    """Print what comes; once anything was heard, go on after it whenever the connection is lost."""
    printed = 0
    heard = False
    while True:
        try:
            async for answer in services.journal.WatchTransactions(request, wait_for_ready=heard):
                for place, transaction in enumerate(answer.transactions, 1):
                    line: dict[str, object] = {"transaction": as_json_value(transaction)}
                    if place == len(answer.transactions):
                        line["cursor"] = answer.cursor
                    screen.out.file.write(json.dumps(line, ensure_ascii=False) + "\n")
                    screen.out.file.flush()
                    printed += 1
                    if printed == count:
                        return
                if answer.cursor:
                    request.cursor = answer.cursor
                    heard = True
        except grpc.aio.AioRpcError as error:
            if not heard or error.code() not in _WATCH_AGAIN:
                raise
        screen.note("the connection was lost: going on")
