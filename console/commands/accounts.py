"""`tallybook accounts`: many accounts at once."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Annotated, Final, Self

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from console.account_import.columns import read_mapping
from console.account_import.opening import AccountImport, ImportResult
from console.account_import.rows import RowError, Subscriber, read_subscribers
from console.connections import Connections
from console.exit_codes import ExitCode
from console.invocation import Invocation
from console.options import ClientOption, JsonOption, LimitOption
from console.paging import FirstRows, read_first_rows
from console.rendering import Screen, plural, prose, right, table, verdict_mark, word
from console.views.accounts import accounts_table
from tallybook.ledger.v1.account_pb2 import Account, ListAccountsRequest, ListAccountsResponse

accounts_app = typer.Typer(help="Many accounts: list, import.", no_args_is_help=True)

_SHOWN_ERRORS: Final = 50


@accounts_app.command("list")
def list_accounts(
    context: typer.Context, client: ClientOption, limit: LimitOption = 100, as_json: JsonOption = False
) -> None:
    """List the accounts of a client by number."""

    async def question(services: Connections) -> FirstRows[Account]:
        return await read_first_rows(
            services.accounts.ListAccounts,
            ListAccountsRequest(client_no=client),
            lambda page: page.accounts,
            limit,
        )

    invocation = Invocation.of(context)
    listed = invocation.ask(question)
    answer = ListAccountsResponse(accounts=listed.rows)
    invocation.show(answer, lambda page: accounts_table(page.accounts), as_json=as_json)
    invocation.note_more(listed, limit)


@accounts_app.command("import")
def import_accounts(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE.csv", exists=True, dir_okay=False, readable=True, show_default=False),
    ],
    client: ClientOption,
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column", metavar="FIELD=HEADER", help="The column that holds a field.", show_default=False
        ),
    ] = None,
    value: Annotated[
        list[str] | None,
        typer.Option(
            "--value", metavar="FIELD:FROM=TO", help="What a value of the file means.", show_default=False
        ),
    ] = None,
    constant: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="A value that all rows have.", show_default=False),
    ] = None,
) -> None:
    """Open accounts with a recurring plan and a payment method from any CSV file.

    A column is found by its name when it is that of the field; --column names another, and --set gives one
    value to all rows.

    Fields: external_id, price and currency are required; name, plan_name, payment_kind (card,
    electronic_check, external), payment_token, start_date, anchor_day, timing (in_advance, in_arrears),
    period_months, payment_term_days, opening_balance, opening_date, tax_percent, activation_charge.

    Bad rows are listed and don't stop the others; then the exit code is 65. What is there already is left
    as it is, so the import can be repeated.
    """
    mapping = read_mapping(column or (), constant or (), value or ())
    outcomes = list(read_subscribers(file, mapping, datetime.now(UTC).date()))
    subscribers = [outcome for outcome in outcomes if isinstance(outcome, Subscriber)]
    invocation = Invocation.of(context)

    async def question(services: Connections) -> ImportResult:
        with _ImportBar(invocation.screen, len(subscribers)) as bar:
            return await AccountImport(services, client, bar).run(subscribers)

    result = invocation.ask(question)
    errors = [*(outcome for outcome in outcomes if isinstance(outcome, RowError)), *result.errors]
    _report(invocation.screen, result, sorted(errors, key=lambda error: error.line_no))
    if errors:
        raise typer.Exit(ExitCode.BAD_DATA)


def _report(screen: Screen, result: ImportResult, errors: Sequence[RowError]) -> None:
    if errors:
        grid = table(right("Line"), word("external_id"), prose("Why it was refused"))
        for error in errors[:_SHOWN_ERRORS]:
            grid.add_row(str(error.line_no), error.external_id, Text(error.reason, "red"))
        screen.show(grid)
        if len(errors) > _SHOWN_ERRORS:
            screen.say(f"... and {plural(len(errors) - _SHOWN_ERRORS, 'more row')}", "dim")
    parts = [f"{plural(result.opened, 'account')} opened"]
    if result.already_there:
        parts.append(f"{result.already_there:,} already there")
    if errors:
        parts.append(f"{plural(len(errors), 'row')} refused")
    screen.show(verdict_mark(not errors, ", ".join(parts)))


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.finished_speed or task.speed or 0:,.0f}/s", "dim")


class _ImportBar:
    """The progress of an import on standard error."""

    def __init__(self, screen: Screen, accounts: int) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=36),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
            console=screen.err,
            disable=not screen.err.is_terminal,
        )
        self._accounts = self._progress.add_task("accounts", total=accounts)
        self._plans = self._progress.add_task("recurring plans", total=accounts)
        self._payment_methods = self._progress.add_task("payment methods", total=accounts)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def account_done(self) -> None:
        """One more account is open."""
        self._progress.advance(self._accounts)

    def plans_done(self, accounts: int) -> None:
        """So many more accounts have their recurring plan."""
        self._progress.advance(self._plans, accounts)

    def payment_methods_done(self, accounts: int) -> None:
        """So many more accounts have their payment method."""
        self._progress.advance(self._payment_methods, accounts)
