"""The command `tallybook`: the global options, all commands, and the one place where an error becomes a
line and an exit code.
"""

import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import structlog
import typer

from console.commands.account import account_app
from console.commands.accounts import accounts_app
from console.commands.activities import activities_app
from console.commands.audit import audit_app
from console.commands.batch import batch_app
from console.commands.chart import chart_app
from console.commands.credits import credits_app
from console.commands.cycle import cycle
from console.commands.demo import demo
from console.commands.journal import journal_app
from console.commands.ledger import ledger_app
from console.commands.up import up
from console.connections import LOCAL_AUDIT, LOCAL_BATCH, LOCAL_LEDGER, Targets
from console.errors import error_line, exit_code_of, root_error
from console.exit_codes import ExitCode
from console.invocation import Invocation
from console.rendering import Screen

app = typer.Typer(
    name="tallybook",
    no_args_is_help=True,
    rich_markup_mode=None if os.environ.get("NO_COLOR") else "markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("up")(up)
app.command("demo")(demo)
app.command("cycle")(cycle)
app.add_typer(accounts_app, name="accounts")
app.add_typer(account_app, name="account")
app.add_typer(credits_app, name="credits")
app.add_typer(activities_app, name="activities")
app.add_typer(batch_app, name="batch")
app.add_typer(ledger_app, name="ledger")
app.add_typer(journal_app, name="journal")
app.add_typer(chart_app, name="chart")
app.add_typer(audit_app, name="audit")


def _print_version(asked: bool) -> None:
    if asked:
        print(f"tallybook {version('tallybook')}")
        raise typer.Exit


@app.callback()
def tallybook(
    context: typer.Context,
    ledger: Annotated[
        str,
        typer.Option("--ledger", metavar="HOST:PORT", envvar="TALLYBOOK_LEDGER_TARGET", help="The ledger."),
    ] = LOCAL_LEDGER,
    batch: Annotated[
        str,
        typer.Option(
            "--batch", metavar="HOST:PORT", envvar="TALLYBOOK_BATCH_TARGET", help="The batch service."
        ),
    ] = LOCAL_BATCH,
    audit: Annotated[
        str,
        typer.Option(
            "--audit", metavar="HOST:PORT", envvar="TALLYBOOK_AUDIT_TARGET", help="The audit service."
        ),
    ] = LOCAL_AUDIT,
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            metavar="FILE",
            envvar="TALLYBOOK_TOKEN_FILE",
            exists=True,
            dir_okay=False,
            help="Your credential: a file with the bearer token.",
        ),
    ] = None,
    tls_root_file: Annotated[
        Path | None,
        typer.Option(
            "--tls-root-file",
            metavar="FILE",
            envvar="TALLYBOOK_TLS_ROOT_FILE",
            exists=True,
            dir_okay=False,
            help="Root certificates (PEM); without it the connection is plain text, for loopback.",
        ),
    ] = None,
    show_version: Annotated[  # read by its callback
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Tallybook: the ledger, the batch processes that bill and collect, and the log that proves what
    happened.

    Exit codes: 0 ok; 1 something is wrong (a finding, a session that did not end as Ok, a refusal); 2
    usage; 65 bad input; 69 a service is unavailable; 70 a fault of Tallybook; 77 not permitted; 130
    interrupted.
    """
    targets = Targets(ledger, batch, audit, token_file, tls_root_file)
    context.obj = Invocation(targets)


def main() -> int:
    """Run the command and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A customer's name must not stop the command where the terminal can't write it.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    # What the launcher logs is for its developers; for people it says what it does, and errors are lines.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("error"))
    try:
        app(prog_name="tallybook")
    except Exception as error:  # noqa: BLE001  # a person at a terminal gets a line, whatever happened
        return _fail(error)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    return ExitCode.OK


def _fail(error: Exception) -> int:
    if os.environ.get("TALLYBOOK_TRACEBACK"):
        raise error
    cause = root_error(error)
    Screen().error(error_line(cause))
    return exit_code_of(cause)


if __name__ == "__main__":
    sys.exit(main())
