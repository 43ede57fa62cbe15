"""`tallybook ledger`: the books of a client as a whole."""

from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from console.connections import Connections
from console.exit_codes import ExitCode
from console.invocation import Invocation
from console.options import ClientOption, JsonOption
from console.rendering import Screen, count
from console.views.books import (
    Verification,
    balances,
    check_name,
    transaction_types_table,
    trial_balances,
    verification_view,
)
from tallybook.ledger.v1.transaction_type_pb2 import ListTransactionTypesRequest
from tallybook.ledger.v1.verification_pb2 import (
    GetTrialBalanceRequest,
    VerificationSummary,
    VerifyLedgerRequest,
)

ledger_app = typer.Typer(help="The books: proofs, trial balance, transaction types.", no_args_is_help=True)

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
def trial_balance(context: typer.Context, client: ClientOption, as_json: JsonOption = False) -> None:
    """Show the debits and credits of every general ledger account. Exit code 1 when they don't agree."""
    invocation = Invocation.of(context)
    response = invocation.ask(
        lambda services: services.verification.GetTrialBalance(GetTrialBalanceRequest(client_no=client))
    )
    invocation.show(response, trial_balances, as_json=as_json)
    if not all(balances(each) for each in response.trial_balances):
        raise typer.Exit(ExitCode.FOUND_WRONG)


@ledger_app.command("types")
def types(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show the table of transaction types: 16 types and their voids."""
    invocation = Invocation.of(context)
    response = invocation.ask(
        lambda services: services.transaction_types.ListTransactionTypes(ListTransactionTypesRequest())
    )
    invocation.show(response, transaction_types_table, as_json=as_json)
