"""What the README prints works as printed: its grpcurl lines, its Python client, its lines of the command."""

import asyncio
import json
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.launches import RunningTallybook

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PRINTED_PORTS = {"localhost:50051": "ledger", "localhost:50052": "batch", "localhost:50053": "audit"}
TOOLS = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def block(mark: str) -> str:
    """The code block of the README that follows the comment `test: <mark>`."""
    found = re.search(rf"<!-- test: {mark} -->\n```\w+\n(.*?)```", README.read_text(), re.DOTALL)
    assert found, f"the README has no block that is marked `test: {mark}`"
    return found[1]


def at_the_test_s_ports(text: str, tallybook: RunningTallybook) -> str:
    for printed, name in PRINTED_PORTS.items():
        text = text.replace(printed, tallybook.target(name))
    return text


async def output_of(*command: str, **environment: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "PATH": TOOLS, **environment},
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def test_the_grpcurl_lines_work_as_printed(tallybook: RunningTallybook) -> None:
    if shutil.which("grpcurl", path=TOOLS) is None:
        pytest.skip("grpcurl comes as a wheel for Linux on x86-64 only, and is not installed")
    lines = at_the_test_s_ports(block("grpcurl"), tallybook).splitlines()
    assert len(lines) == 5

    answers = [json.loads(await output_of(*shlex.split(line))) for line in lines]

    types, account, accounts, cycle, search = answers
    assert len(types["transaction_types"]) == 32
    assert account["balance_forward"]["transaction_type"] == "TRANSACTION_TYPE_BALANCE_FORWARD"
    assert account["account"]["acct_no"] in [each["acct_no"] for each in accounts["accounts"]]
    assert [session["process_code"] for session in cycle["sessions"]] == [
        "housekeeping",
        "invoicer",
        "billing_manager",
        "dunning_manager",
    ]
    assert all(session["client_no"] == "1" for session in search.get("sessions", []))


async def test_the_python_client_works_as_printed(tallybook: RunningTallybook, tmp_path: Path) -> None:
    script = tmp_path / "client.py"
    script.write_text(at_the_test_s_ports(block("python"), tallybook))

    first = await output_of(sys.executable, str(script))
    again = await output_of(sys.executable, str(script))

    assert re.fullmatch(r"event \d+ leaves 60\.00 USD\n", first)
    assert again == first, "the same keys return the first answers"


async def test_the_lines_of_the_command_work_as_printed(tallybook: RunningTallybook) -> None:
    targets = {f"TALLYBOOK_{name.upper()}_TARGET": tallybook.target(name) for name in PRINTED_PORTS.values()}
    outputs = []
    for line in block("console").splitlines():
        program, *arguments = shlex.split(line)
        assert program == ".venv/bin/tallybook"
        outputs.append(await output_of("tallybook", *arguments, **targets))

    imported, cycle, sessions, _, transactions, statement, verification, _ = outputs
    assert "✔ 4 accounts opened" in imported
    assert cycle.count("✔ Ok") == sessions.count("✔ Ok") == 4
    assert "Electronic Payment" in transactions
    assert "Broadband (2026-03-01 to 2026-03-31)" in statement
    assert "5 transactions of 4 accounts: no findings" in verification
