"""`tallybook chart`: the general ledger accounts of a client, and what is booked to them."""

from datetime import date
from typing import Annotated, Final

import typer

from console.commands.batch import new_request_id
from console.invocation import Invocation
from console.options import ClientOption, JsonOption, day_message, parse_day
from console.views.chart import accounts_table, kind_name, mappings_table
from tallybook.ledger.v1.gl_account_pb2 import (
    CreateGlAccountRequest,
    GlAccountKind,
    GlMappingKey,
    ListGlAccountsRequest,
    ListGlMappingsRequest,
    ResetGlMappingRequest,
    SetGlMappingRequest,
)
from tallybook.ledger.v1.transaction_pb2 import InvoiceLineType
from tallybook.ledger.v1.transaction_type_pb2 import TransactionType

chart_app = typer.Typer(
    help="The chart of accounts: which general ledger accounts there are, and what is booked to them.",
    no_args_is_help=True,
)

_KINDS: Final = {kind_name(number): number for number in GlAccountKind.values() if number}


def parse_kind(text: str) -> GlAccountKind.ValueType:
    """A kind by its name, "contra revenue"; BadParameter for anything else."""
    try:
        return _KINDS[text.strip().lower().replace("-", " ")]
    except KeyError:
        raise typer.BadParameter(f"{text!r} is not a kind. Give one of {', '.join(_KINDS)}.") from None


CodeArgument = Annotated[
    str, typer.Argument(metavar="CODE", help="The code of the account.", show_default=False)
]
TypeOption = Annotated[
    int | None,
    typer.Option("--type", metavar="CODE", help="The transaction type, no void.", show_default=False),
]
LineTypeOption = Annotated[
    int | None,
    typer.Option("--line-type", metavar="N", help="Or the invoice line type.", show_default=False),
]
EffectiveFromOption = Annotated[
    date | None,
    typer.Option(
        "--effective-from",
        metavar="YYYY-MM-DD",
        parser=parse_day,
        help="Only for what takes effect on this day or later. Default: for all that is recorded from now.",
        show_default=False,
    ),
]


@chart_app.command("accounts")
def accounts(context: typer.Context, client: ClientOption, as_json: JsonOption = False) -> None:
    """List the accounts of the chart."""
    invocation = Invocation.of(context)
    answer = invocation.ask(
        lambda services: services.gl_accounts.ListGlAccounts(ListGlAccountsRequest(client_no=client))
    )
    invocation.show(answer, lambda shown: accounts_table(shown.gl_accounts), as_json=as_json)


@chart_app.command("create")
def create(
    context: typer.Context,
    code: CodeArgument,
    client: ClientOption,
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="Its name.", show_default=False)],
    kind: Annotated[
        int,
        typer.Option(
            "--kind",
            metavar="KIND",
            parser=parse_kind,
            help=f"Its kind: {', '.join(_KINDS)}.",
            show_default=False,
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Add an account of the client's own to the chart."""
    invocation = Invocation.of(context)
    request = CreateGlAccountRequest(
        client_no=client,
        request_id=new_request_id(),
        code=code,
        name=name,
        kind=GlAccountKind.ValueType(kind),
    )
    answer = invocation.ask(lambda services: services.gl_accounts.CreateGlAccount(request))
    invocation.show(answer, lambda shown: accounts_table([shown.gl_account]), as_json=as_json)


@chart_app.command("mappings")
def mappings(
    context: typer.Context,
    client: ClientOption,
    effective_date: Annotated[
        date | None,
        typer.Option(
            "--date",
            metavar="YYYY-MM-DD",
            parser=parse_day,
            help="For what takes effect on this day. Default: today (UTC).",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what each type is booked to, and what was changed when."""
    invocation = Invocation.of(context)
    request = ListGlMappingsRequest(client_no=client, effective_date=day_message(effective_date))
    answer = invocation.ask(lambda services: services.gl_accounts.ListGlMappings(request))
    invocation.show(answer, lambda shown: mappings_table(shown.mappings), as_json=as_json)


@chart_app.command("set")
def set_account(
    context: typer.Context,
    code: CodeArgument,
    client: ClientOption,
    kind: TypeOption = None,
    line_type: LineTypeOption = None,
    effective_from: EffectiveFromOption = None,
    as_json: JsonOption = False,
) -> None:
    """Book a type to another account, from now on."""
    invocation = Invocation.of(context)
    request = SetGlMappingRequest(
        client_no=client,
        request_id=new_request_id(),
        key=_key(kind, line_type),
        gl_account=code,
        effective_from=day_message(effective_from),
    )
    answer = invocation.ask(lambda services: services.gl_accounts.SetGlMapping(request))
    invocation.show(answer, lambda shown: mappings_table(shown.mappings), as_json=as_json)


@chart_app.command("reset")
def reset(
    context: typer.Context,
    client: ClientOption,
    kind: TypeOption = None,
    line_type: LineTypeOption = None,
    effective_from: EffectiveFromOption = None,
    as_json: JsonOption = False,
) -> None:
    """Book a type to its default again, from now on."""
    invocation = Invocation.of(context)
    request = ResetGlMappingRequest(
        client_no=client,
        request_id=new_request_id(),
        key=_key(kind, line_type),
        effective_from=day_message(effective_from),
    )
    answer = invocation.ask(lambda services: services.gl_accounts.ResetGlMapping(request))
    invocation.show(answer, lambda shown: mappings_table(shown.mappings), as_json=as_json)


def _key(kind: int | None, line_type: int | None) -> GlMappingKey:
    if (kind is None) == (line_type is None):
        raise typer.BadParameter("give either --type or --line-type.")
    if kind is not None:
        return GlMappingKey(transaction_type=TransactionType.ValueType(kind))
    assert line_type is not None
    return GlMappingKey(invoice_line_type=InvoiceLineType.ValueType(line_type))
