"""`tallybook ledger`: the books of a client as a whole."""

from datetime import UTC, date, datetime
from typing import Annotated, Final
from uuid import uuid4

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from console.connections import Connections
from console.exit_codes import ExitCode
from console.invocation import Invocation
from console.options import ClientOption, JsonOption, LimitOption, day_message, parse_day
from console.paging import FirstRows, read_first_rows, read_rows
from console.rendering import Screen, count
from console.views.accounts import aging_summary
from console.views.books import (
    Verification,
    balances,
    check_name,
    closing_summary,
    disputes_table,
    transaction_types_table,
    trial_balances,
    verification_view,
)
from service_kit.dates import date_to_proto
from tallybook.ledger.v1.account_pb2 import ListAccountsRequest, ListAgingRequest, ListAgingResponse
from tallybook.ledger.v1.ledger_pb2 import ListDisputesRequest, ListDisputesResponse
from tallybook.ledger.v1.statement_pb2 import (
    CloseStatementResult,
    CloseStatementsRequest,
    CloseStatementsResponse,
)
from tallybook.ledger.v1.transaction_pb2 import Transaction
from tallybook.ledger.v1.transaction_type_pb2 import ListTransactionTypesRequest
from tallybook.ledger.v1.verification_pb2 import (
    GetTrialBalanceRequest,
    VerificationSummary,
    VerifyLedgerRequest,
)

ledger_app = typer.Typer(
    help="The books: proofs, trial balance, aging, transaction types.", no_args_is_help=True
)

# What one call of CloseStatements takes.
_ACCOUNTS_A_CALL: Final = 1_000

QuietOption = Annotated[bool, typer.Option("--quiet", help="Say nothing; the exit code is the answer.")]


async def verify_books(services: Connections, client_no: int, screen: Screen) -> Verification:
    """Check the books of a client in full, telling on standard error how far it has come."""
    verification = Verification()
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=screen.err,
        transient=True,
        disable=not screen.err.is_terminal,
    ) as progress:
        bar = progress.add_task("verifying the books")
        async for response in services.verification.VerifyLedger(VerifyLedgerRequest(client_no=client_no)):
            verification.add(response)
            if response.HasField("progress"):
                rows = f"{check_name(response.progress.check)}: {count(response.progress.rows_checked)} rows"
                progress.update(bar, description=rows)
    return verification


@ledger_app.command("verify")
def verify(
    context: typer.Context, client: ClientOption, quiet: QuietOption = False, as_json: JsonOption = False
) -> None:
    """Check the books of a client in full. Exit code 1 when a fault is found."""
    invocation = Invocation.of(context)
    verification = invocation.ask(lambda services: verify_books(services, client, invocation.screen))
    if as_json:
        invocation.screen.document(
            {
                "checks": list(verification.checks.values()),
                "findings": verification.findings,
                "summary": verification.summary or VerificationSummary(),
            }
        )
    elif not quiet:
        invocation.screen.show(verification_view(verification))
    if not verification.clean:
        raise typer.Exit(ExitCode.FOUND_WRONG)


@ledger_app.command("trial-balance")
def trial_balance(
    context: typer.Context,
    client: ClientOption,
    as_of: Annotated[
        date | None,
        typer.Option(
            "--as-of",
            metavar="YYYY-MM-DD",
            parser=parse_day,
            help="By effective date. Default: all there is.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the debits and credits of every general ledger account. Exit code 1 when they don't agree."""
    invocation = Invocation.of(context)
    request = GetTrialBalanceRequest(client_no=client, as_of_date=day_message(as_of))
    response = invocation.ask(lambda services: services.verification.GetTrialBalance(request))
    invocation.show(response, trial_balances, as_json=as_json)
    if not all(balances(each) for each in response.trial_balances):
        raise typer.Exit(ExitCode.FOUND_WRONG)


@ledger_app.command("aging")
def aging(
    context: typer.Context,
    client: ClientOption,
    as_of: Annotated[
        date | None,
        typer.Option(
            "--as-of",
            metavar="YYYY-MM-DD",
            parser=parse_day,
            help="Default: today (UTC).",
            show_default=False,
        ),
    ] = None,
    overdue_days: Annotated[
        int,
        typer.Option("--overdue-days", metavar="N", min=0, help="Only accounts overdue for so many days."),
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Show what all accounts owe, by how long it is overdue."""
    day = as_of or datetime.now(UTC).date()
    request = ListAgingRequest(
        client_no=client, as_of_date=date_to_proto(day), min_days_past_due=overdue_days
    )

    async def question(services: Connections) -> ListAgingResponse:
        rows = await read_rows(services.accounts.ListAging, request, lambda page: page.accounts)
        return ListAgingResponse(accounts=rows)

    invocation = Invocation.of(context)
    invocation.show(
        invocation.ask(question),
        lambda answer: aging_summary(answer.accounts, f"As of {day}"),
        as_json=as_json,
    )


@ledger_app.command("types")
def types(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show the table of transaction types: 16 types and their voids."""
    invocation = Invocation.of(context)
    response = invocation.ask(
        lambda services: services.transaction_types.ListTransactionTypes(ListTransactionTypesRequest())
    )
    invocation.show(response, transaction_types_table, as_json=as_json)


@ledger_app.command("close-statements")
def close_statements(
    context: typer.Context,
    client: ClientOption,
    last: Annotated[
        date,
        typer.Option(
            "--to", metavar="YYYY-MM-DD", parser=parse_day, help="The last day.", show_default=False
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Close the statements of all accounts up to a day. Exit code 1 when any is refused; safe to repeat."""

    async def question(services: Connections) -> list[CloseStatementResult]:
        accounts = await read_rows(
            services.accounts.ListAccounts,
            ListAccountsRequest(client_no=client),
            lambda page: page.accounts,
        )
        results: list[CloseStatementResult] = []
        for start in range(0, len(accounts), _ACCOUNTS_A_CALL):
            response = await services.statements.CloseStatements(
                CloseStatementsRequest(
                    client_no=client,
                    request_id=str(uuid4()),
                    acct_nos=[each.acct_no for each in accounts[start : start + _ACCOUNTS_A_CALL]],
                    period_end=day_message(last),
                )
            )
            results += response.results
        return results

    invocation = Invocation.of(context)
    results = invocation.ask(question)
    invocation.show(
        CloseStatementsResponse(results=results),
        lambda answer: closing_summary(answer.results, last),
        as_json=as_json,
    )
    if any(result.HasField("error") for result in results):
        raise typer.Exit(ExitCode.FOUND_WRONG)


@ledger_app.command("disputes")
def disputes(
    context: typer.Context,
    client: ClientOption,
    last: Annotated[
        date | None,
        typer.Option(
            "--to",
            metavar="YYYY-MM-DD",
            parser=parse_day,
            help="Only those to be settled on this day or earlier.",
            show_default=False,
        ),
    ] = None,
    limit: LimitOption = 100,
    as_json: JsonOption = False,
) -> None:
    """List the dispute holds that stand, the one that is to be settled first at the top."""

    async def question(services: Connections) -> FirstRows[Transaction]:
        request = ListDisputesRequest(client_no=client, expires_to=day_message(last))
        return await read_first_rows(
            services.transactions.ListDisputes, request, lambda page: page.transactions, limit
        )

    invocation = Invocation.of(context)
    listed = invocation.ask(question)
    answer = ListDisputesResponse(transactions=listed.rows)
    invocation.show(answer, lambda page: disputes_table(page.transactions), as_json=as_json)
    invocation.note_more(listed, limit)
