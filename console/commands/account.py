"""`tallybook account`: one account, its balance, its transactions and its statements."""

from datetime import date
from typing import Annotated

import typer

from console.connections import Connections
from console.errors import BadDataError
from console.invocation import Invocation
from console.options import (
    AccountArgument,
    ClientOption,
    FromOption,
    JsonOption,
    LimitOption,
    ToOption,
    day_message,
    parse_day,
    parse_number,
)
from console.paging import FirstRows, read_first_rows
from console.views.accounts import (
    TypeTable,
    account_detail,
    balance_table,
    closed_statement,
    closed_statements_table,
    statement,
    transactions_table,
)
from service_kit.dates import date_to_proto
from tallybook.ledger.v1.account_pb2 import (
    Account,
    GetAccountRequest,
    GetBalanceRequest,
    GetBalanceResponse,
    GetStatementRequest,
    GetStatementResponse,
)
from tallybook.ledger.v1.ledger_pb2 import ListTransactionsRequest, ListTransactionsResponse
from tallybook.ledger.v1.statement_pb2 import (
    ClosedStatement,
    GetClosedStatementRequest,
    GetClosedStatementResponse,
    ListStatementsRequest,
    ListStatementsResponse,
)
from tallybook.ledger.v1.transaction_pb2 import Transaction
from tallybook.ledger.v1.transaction_type_pb2 import ListTransactionTypesRequest

account_app = typer.Typer(
    help="One account: its balance, its transactions, its statements.", no_args_is_help=True
)

_EXTERNAL = "id:"


def account_request(client_no: int, named: str) -> GetAccountRequest:
    """Names an account as people do: "1007", or "id:7590-VHVEG" by the caller's own identifier."""
    if named.startswith(_EXTERNAL):
        return GetAccountRequest(client_no=client_no, external_id=named.removeprefix(_EXTERNAL))
    try:
        return GetAccountRequest(client_no=client_no, acct_no=parse_number(named))
    except typer.BadParameter:
        raise BadDataError(
            f"{named!r} is not an account number; for your own identifier give id:{named}"
        ) from None


async def find_account(services: Connections, client_no: int, named: str) -> Account:
    """The account that a person named."""
    response = await services.accounts.GetAccount(account_request(client_no, named))
    return response.account


@account_app.command("show")
def show(
    context: typer.Context, account: AccountArgument, client: ClientOption, as_json: JsonOption = False
) -> None:
    """Show an account with its plan instances and their balances."""

    async def question(services: Connections) -> tuple[Account, GetBalanceResponse]:
        found = await find_account(services, client, account)
        return found, await services.accounts.GetBalance(
            GetBalanceRequest(client_no=client, acct_no=found.acct_no)
        )

    invocation = Invocation.of(context)
    found, balance = invocation.ask(question)
    if as_json:
        invocation.screen.document({"account": found, "balance": balance})
    else:
        invocation.screen.show(account_detail(found, balance))


@account_app.command("balance")
def balance(
    context: typer.Context,
    account: AccountArgument,
    client: ClientOption,
    as_of: Annotated[
        date | None,
        typer.Option(
            "--as-of", metavar="YYYY-MM-DD", parser=parse_day, help="By effective date.", show_default=False
        ),
    ] = None,
    event: Annotated[
        int | None,
        typer.Option(
            "--event",
            metavar="N",
            parser=parse_number,
            help="As recorded at this event.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what an account owes: now, as of a day, or as recorded at an event."""
    if as_of is not None and event is not None:
        raise typer.BadParameter("give --as-of or --event, not both.")

    async def question(services: Connections) -> GetBalanceResponse:
        found = await find_account(services, client, account)
        request = GetBalanceRequest(client_no=client, acct_no=found.acct_no)
        if as_of is not None:
            request.effective_date.CopyFrom(date_to_proto(as_of))
        if event is not None:
            request.event_no = event
        return await services.accounts.GetBalance(request)

    invocation = Invocation.of(context)
    invocation.show(invocation.ask(question), balance_table, as_json=as_json)


@account_app.command("statement")
def show_statement(
    context: typer.Context,
    account: AccountArgument,
    client: ClientOption,
    first: FromOption,
    last: ToOption,
    as_json: JsonOption = False,
) -> None:
    """Show the statement of an account for a period."""

    async def question(services: Connections) -> GetStatementResponse:
        found = await find_account(services, client, account)
        return await services.accounts.GetStatement(
            GetStatementRequest(
                client_no=client,
                acct_no=found.acct_no,
                period_start=day_message(first),
                period_end=day_message(last),
            )
        )

    invocation = Invocation.of(context)
    period = f"{first} to {last}"
    invocation.show(invocation.ask(question), lambda answer: statement(answer, period), as_json=as_json)


@account_app.command("statements")
def list_closed_statements(
    context: typer.Context,
    account: AccountArgument,
    client: ClientOption,
    limit: LimitOption = 100,
    as_json: JsonOption = False,
) -> None:
    """List the closed statements of an account, newest first. They never change."""

    async def question(services: Connections) -> FirstRows[ClosedStatement]:
        found = await find_account(services, client, account)
        request = ListStatementsRequest(client_no=client, acct_no=found.acct_no)
        return await read_first_rows(
            services.statements.ListStatements, request, lambda page: page.statements, limit
        )

    invocation = Invocation.of(context)
    listed = invocation.ask(question)
    answer = ListStatementsResponse(statements=listed.rows)
    invocation.show(answer, lambda page: closed_statements_table(page.statements), as_json=as_json)
    invocation.note_more(listed, limit)


@account_app.command("closed-statement")
def show_closed_statement(
    context: typer.Context,
    statement_no: Annotated[
        int,
        typer.Argument(
            metavar="STATEMENT",
            parser=parse_number,
            help="The number of the statement.",
            show_default=False,
        ),
    ],
    client: ClientOption,
    as_json: JsonOption = False,
) -> None:
    """Show a closed statement as it was closed. Adjustments belong to periods that were closed before."""

    async def question(services: Connections) -> GetClosedStatementResponse:
        request = GetClosedStatementRequest(client_no=client, statement_no=statement_no)
        whole = await services.statements.GetClosedStatement(request)
        while whole.next_page_token:
            request.page_token = whole.next_page_token
            page = await services.statements.GetClosedStatement(request)
            whole.lines.extend(page.lines)
            whole.next_page_token = page.next_page_token
        return whole

    invocation = Invocation.of(context)
    invocation.show(invocation.ask(question), closed_statement, as_json=as_json)


@account_app.command("transactions")
def transactions(
    context: typer.Context,
    account: AccountArgument,
    client: ClientOption,
    first: FromOption = None,
    last: ToOption = None,
    limit: LimitOption = 100,
    as_json: JsonOption = False,
) -> None:
    """List the transactions of an account, newest first."""

    async def question(services: Connections) -> tuple[FirstRows[Transaction], TypeTable]:
        found = await find_account(services, client, account)
        rows = await read_first_rows(
            services.transactions.ListTransactions,
            ListTransactionsRequest(
                client_no=client,
                acct_no=found.acct_no,
                effective_from=day_message(first),
                effective_to=day_message(last),
            ),
            lambda page: page.transactions,
            limit,
        )
        types = await services.transaction_types.ListTransactionTypes(ListTransactionTypesRequest())
        table = {info.transaction_type: info for info in types.transaction_types}
        return rows, table

    invocation = Invocation.of(context)
    listed, types = invocation.ask(question)
    answer = ListTransactionsResponse(transactions=listed.rows)
    invocation.show(answer, lambda page: transactions_table(page.transactions, types), as_json=as_json)
    invocation.note_more(listed, limit)
