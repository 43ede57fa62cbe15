"""`tallybook demo`: a month in the life of a subscription business, on services and data of its own."""

import asyncio
import shlex
import signal
from collections.abc import Coroutine, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from console.connections import Connections
from console.demo.driver import Driver, unused_client
from console.demo.report import show_report
from console.demo.sample import FEWEST_CUSTOMERS, Month, invent_customers, last_complete_month
from console.demo.telling import Telling
from console.exit_codes import ExitCode
from console.invocation import Invocation
from console.launching import Ports, running_tallybook
from console.options import parse_month
from console.own_name import own_name
from console.rendering import Screen, facts, verdict_mark

_ENVIRONMENT: Final[Mapping[str, str]] = {
    # The sandbox of the batch service, whatever gateway this machine is set up for.
    "TALLYBOOK_BATCH_GATEWAY_TARGET": "",
    # An operator would rather wait for a gateway; who watches a demonstration would not.
    "TALLYBOOK_BATCH_GATEWAY_DEADLINE_SECONDS": "1",
    "TALLYBOOK_BATCH_TRANSIENT_SECONDS": "1",
}


def demo(
    context: typer.Context,
    accounts: Annotated[
        int, typer.Option("--accounts", metavar="N", min=FEWEST_CUSTOMERS, help="How many customers.")
    ] = 200,
    month: Annotated[
        date | None,
        typer.Option(
            "--month",
            metavar="YYYY-MM",
            parser=parse_month,
            help="Which month. Default: the last one that is over.",
            show_default=False,
        ),
    ] = None,
    data_dir: Annotated[
        Path,
        typer.Option("--data-dir", metavar="D", file_okay=False, help="Where the data are; they stay."),
    ] = Path(".tallybook/demo"),
) -> None:
    """Start everything, live through a month with invented customers, and show what came of it.

    The month has an activity file with bad lines, an outage of the payment gateway, declined cards, checks
    that come late or never, dunning, a refund, a dispute, and a balance that moves to another account. Ends
    with a proof of the books and of the log; exit code 1 when either fails. Each run is a client of its own,
    so that it can be repeated on the same data.
    """
    screen = Invocation.of(context).screen
    chosen = Month(month) if month else last_complete_month(datetime.now(UTC).date())
    if not asyncio.run(_until_ctrl_c(screen, _demonstrate(screen, data_dir, chosen, accounts))):
        raise typer.Exit(ExitCode.FOUND_WRONG)


async def _until_ctrl_c(screen: Screen, demonstration: Coroutine[None, None, bool]) -> bool:
    """Run it; Ctrl-C stops what was started in order, and a second one does not leave half of it running."""
    task = asyncio.create_task(demonstration)

    def stop() -> None:
        if not task.cancelling():
            screen.note("stopping everything; the next run starts with new customers")
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    try:
        return await task
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _demonstrate(screen: Screen, data_dir: Path, month: Month, accounts: int) -> bool:
    ports = Ports.free()
    started = datetime.now(UTC)
    screen.say(f"{month}: {accounts} customers of a telephone company, every day of the month", "bold")
    async with (
        running_tallybook(data_dir, ports, screen.note, _ENVIRONMENT),
        Connections(ports.targets) as services,
    ):
        client_no = await unused_client(services)
        customers = invent_customers(accounts, month)
        with Telling(screen, accounts, len(month.days)) as telling:
            story = await Driver(services, client_no, month, customers, telling).live()
        good = await show_report(services, screen, story)
    name = own_name()
    seconds = (datetime.now(UTC) - started).total_seconds()
    screen.show("", verdict_mark(good, f"done in {seconds:.0f} s"), "")
    screen.show(
        facts(
            [
                ("Look around in it", f"{name} up --data-dir {shlex.quote(str(data_dir))}"),
                ("beside it", f"{name} batch list --client {client_no}"),
                ("", f"{name} account transactions id:sample-00001 --client {client_no}"),
                ("Start your own", "make up"),
            ]
        )
    )
    return good
