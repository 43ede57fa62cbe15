"""`tallybook credits`: what is open on an account, which credit paid which charge, applying what is left."""

from typing import Annotated

import typer

from console.commands.account import find_account
from console.commands.batch import new_request_id
from console.connections import Connections
from console.invocation import Invocation
from console.options import (
    AccountArgument,
    ClientOption,
    DateOption,
    JsonOption,
    LimitOption,
    day_message,
    parse_number,
)
from console.paging import FirstRows, read_first_rows
from console.views.credits import applications_table, open_items_table
from tallybook.ledger.v1.application_pb2 import (
    Application,
    ApplicationInstruction,
    ApplicationMethod,
    ApplyUnappliedCreditRequest,
    ApplyUnappliedCreditResponse,
    ListApplicationsRequest,
    ListApplicationsResponse,
    ListOpenItemsRequest,
    ListOpenItemsResponse,
    OpenItem,
)

credits_app = typer.Typer(help="Which credits paid which charges, and what is open.", no_args_is_help=True)


@credits_app.command("open")
def list_open(
    context: typer.Context,
    account: AccountArgument,
    client: ClientOption,
    limit: LimitOption = 100,
    as_json: JsonOption = False,
) -> None:
    """List what is open on an account: the charges in the order in which they are paid, then the credits."""

    async def question(services: Connections) -> FirstRows[OpenItem]:
        found = await find_account(services, client, account)
        request = ListOpenItemsRequest(client_no=client, acct_no=found.acct_no)
        return await read_first_rows(
            services.applications.ListOpenItems, request, lambda page: page.open_items, limit
        )

    invocation = Invocation.of(context)
    listed = invocation.ask(question)
    answer = ListOpenItemsResponse(open_items=listed.rows)
    invocation.show(answer, lambda page: open_items_table(page.open_items), as_json=as_json)
    invocation.note_more(listed, limit)


@credits_app.command("applied")
def list_applied(
    context: typer.Context,
    account: AccountArgument,
    client: ClientOption,
    limit: LimitOption = 100,
    as_json: JsonOption = False,
) -> None:
    """List which credit of an account paid which charge, credit by credit."""

    async def question(services: Connections) -> FirstRows[Application]:
        found = await find_account(services, client, account)
        request = ListApplicationsRequest(client_no=client, acct_no=found.acct_no)
        return await read_first_rows(
            services.applications.ListApplications, request, lambda page: page.applications, limit
        )

    invocation = Invocation.of(context)
    listed = invocation.ask(question)
    answer = ListApplicationsResponse(applications=listed.rows)
    invocation.show(answer, lambda page: applications_table(page.applications), as_json=as_json)
    invocation.note_more(listed, limit)


@credits_app.command("apply")
def apply(
    context: typer.Context,
    credit: Annotated[
        int,
        typer.Argument(
            metavar="EVENT", parser=parse_number, help="The event of the credit.", show_default=False
        ),
    ],
    client: ClientOption,
    charges: Annotated[
        list[int] | None,
        typer.Option(
            "--charge",
            metavar="EVENT",
            parser=parse_number,
            help="Pay this charge first.",
            show_default=False,
        ),
    ] = None,
    invoices: Annotated[
        list[int] | None,
        typer.Option(
            "--invoice", metavar="N", parser=parse_number, help="Then pay this invoice.", show_default=False
        ),
    ] = None,
    day: DateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Apply what is left of a credit to open charges: those named, then the oldest."""
    instruction = ApplicationInstruction(charge_event_nos=charges or (), invoice_nos=invoices or ())
    if charges or invoices:
        instruction.method = ApplicationMethod.APPLICATION_METHOD_DIRECTED

    async def question(services: Connections) -> ApplyUnappliedCreditResponse:
        return await services.applications.ApplyUnappliedCredit(
            ApplyUnappliedCreditRequest(
                client_no=client,
                request_id=new_request_id(),
                credit_event_no=credit,
                application=instruction,
                effective_date=day_message(day),
            )
        )

    invocation = Invocation.of(context)
    invocation.show(
        invocation.ask(question), lambda answer: applications_table(answer.applications), as_json=as_json
    )
