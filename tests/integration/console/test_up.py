"""`tallybook up`: everything in the foreground, and what a person sees when something is in the way."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from console.connections import Connections
from console.launching import Ports
from tallybook.ledger.v1.account_pb2 import CreateAccountRequest, GetAccountRequest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def arguments(directory: Path, ports: Ports) -> list[str]:
    """The command line."""
    numbers = ("--ledger-port", ports.ledger, "--batch-port", ports.batch, "--audit-port", ports.audit)
    return [*("-m", "console", "up", "--data-dir", str(directory)), *(str(each) for each in numbers)]


async def start(directory: Path, ports: Ports) -> asyncio.subprocess.Process:
    """Start the command."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments(directory, ports),
        env={name: value for name, value in os.environ.items() if not name.startswith("TALLYBOOK_")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def end_of(process: asyncio.subprocess.Process) -> tuple[int | None, str, str]:
    """How the command ended, and what it said that was not read before."""
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@asynccontextmanager
async def up(directory: Path, ports: Ports) -> AsyncIterator[asyncio.subprocess.Process]:
    """The command, once it has said READY; killed when the test leaves it running."""
    process = await start(directory, ports)
    assert process.stdout is not None
    try:
        while (line := await process.stdout.readline()) != b"READY\n":
            assert line, await end_of(process)
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            await end_of(process)


def pid_of(launcher: asyncio.subprocess.Process, package: str) -> int:
    """The process of a service that the command started."""
    children = psutil.Process(launcher.pid).children()
    (pid,) = [child.pid for child in children if package in child.cmdline()]
    assert isinstance(pid, int)
    return pid


async def test_ctrl_c_stops_everything_and_the_next_start_goes_on_with_the_data(tmp_path: Path) -> None:
    ports = Ports.free()
    async with up(tmp_path, ports) as process, Connections(ports.targets) as services:
        await services.accounts.CreateAccount(
            CreateAccountRequest(
                client_no=1, request_id="1", external_id="ada", name="Ada", currency_code="USD"
            )
        )
        process.send_signal(signal.SIGINT)
        exit_code, out, err = await end_of(process)
        assert exit_code == 0, (out, err)
        assert "stopping ledger" in out
        assert "The next start goes on with the data" in out
        assert "Traceback" not in err
    ports.require_free()

    async with up(tmp_path, ports), Connections(ports.targets) as services:
        found = await services.accounts.GetAccount(GetAccountRequest(client_no=1, external_id="ada"))
        assert found.account.name == "Ada"


async def test_a_data_directory_that_is_in_use_is_not_touched(tmp_path: Path) -> None:
    async with up(tmp_path, Ports.free()) as process:
        exit_code, _, err = await end_of(await start(tmp_path, Ports.free()))
        assert exit_code == 69
        assert err == (
            f"tallybook: {tmp_path} is in use by process {process.pid}:"
            " stop that one, or use another directory\n"
        )


async def test_a_port_that_is_taken_is_named_before_anything_starts(tmp_path: Path) -> None:
    ports = Ports.free()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", ports.batch))
        taken.listen()
        exit_code, out, err = await end_of(await start(tmp_path / "data", ports))
    assert exit_code == 69
    assert out == ""
    assert f"port {ports.batch}, the batch service's, can't be had" in err
    assert "--batch-port" in err
    assert not (tmp_path / "data").exists()


async def test_a_service_that_dies_is_named_and_the_others_are_stopped(tmp_path: Path) -> None:
    ports = Ports.free()
    async with up(tmp_path, ports) as process:
        os.kill(pid_of(process, "audit_service"), signal.SIGKILL)
        exit_code, _, err = await end_of(process)
    assert exit_code == 69
    assert "tallybook: audit ended with status -9" in err
    ports.require_free()
