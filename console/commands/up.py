"""`tallybook up`: everything on this machine, in the foreground, until Ctrl-C."""

import asyncio
import signal
from pathlib import Path
from typing import Annotated, Final

import typer

from console.connections import LOCAL_LEDGER, Targets
from console.errors import ConsoleError
from console.exit_codes import ExitCode
from console.invocation import Invocation
from console.launching import AUDIT_PORT, BATCH_PORT, LEDGER_PORT, Ports, running_tallybook
from console.own_name import own_name
from console.rendering import Screen, facts
from service_kit.launcher import Launched

READY: Final = "READY"
"""Stands on a line of its own once everything is healthy: scripts wait for it."""

PortOption = Annotated[int, typer.Option(metavar="P", min=1, max=65535)]


def up(
    context: typer.Context,
    data_dir: Annotated[
        Path, typer.Option("--data-dir", metavar="D", file_okay=False, help="Where the data and logs are.")
    ] = Path(".tallybook/data"),
    ledger_port: PortOption = LEDGER_PORT,
    batch_port: PortOption = BATCH_PORT,
    audit_port: PortOption = AUDIT_PORT,
) -> None:
    """Start PostgreSQL and all services on this machine, and keep them running until Ctrl-C.

    The data stay in the data directory, and the next start goes on with them. For development: callers need
    no credentials, and only this machine can call.
    """
    ports = Ports(ledger_port, batch_port, audit_port)
    ports.require_free()
    asyncio.run(_stay_up(Invocation.of(context).screen, data_dir, ports))


async def _stay_up(screen: Screen, data_dir: Path, ports: Ports) -> None:
    stop = asyncio.Event()

    def ask_to_stop() -> None:
        if not stop.is_set():
            screen.say("stopping everything: running calls may finish, the data stay")
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        # Not an interruption: what has started is stopped in order, also when the start is still under way.
        asyncio.get_running_loop().add_signal_handler(number, ask_to_stop)
    screen.say(f"starting everything on the data in {data_dir}")
    async with running_tallybook(data_dir, ports, screen.say) as running:
        if not stop.is_set():
            _say_ready(screen, data_dir, ports)
        await _until_stop_or_death(stop, running)
    screen.say(f"stopped. The next start goes on with the data in {data_dir}")


def _say_ready(screen: Screen, data_dir: Path, ports: Ports) -> None:
    targets = ports.targets
    screen.say(READY, "bold green")
    screen.show(
        facts(
            [
                ("ledger", targets.ledger),
                ("batch", targets.batch),
                ("audit", targets.audit),
                ("logs", str(data_dir / "logs")),
                ("try", f"{own_name()}{_option_for(targets)} ledger types"),
                ("or", f"grpcurl -plaintext {targets.ledger} list"),
                ("stop", "Ctrl-C"),
            ]
        )
    )


def _option_for(targets: Targets) -> str:
    """What the command has to be told about the ledger: nothing where it looks anyhow."""
    return "" if targets.ledger == LOCAL_LEDGER else f" --ledger {targets.ledger}"


async def _until_stop_or_death(stop: asyncio.Event, running: Launched) -> None:
    """Return when a person wants it; ConsoleError when a service ends that nobody stopped."""
    stopping = asyncio.create_task(stop.wait())
    dying = asyncio.create_task(running.wait_for_a_death())
    await asyncio.wait([stopping, dying], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    dying.cancel()
    if not stop.is_set():
        raise ConsoleError(dying.result(), ExitCode.UNAVAILABLE)
