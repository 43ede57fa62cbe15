"""`tallybook demo`: the first thing that a newcomer sees, so it has to work the first time and the second."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


async def run_demo(directory: Path) -> tuple[int | None, str, str]:
    """A small demonstration of a short month."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "console", "demo", "--accounts", "40", "--month", "2026-02"),
        *("--data-dir", str(directory)),
        env={name: value for name, value in os.environ.items() if not name.startswith("TALLYBOOK_")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_the_demonstration_tells_its_story_and_can_be_repeated_on_the_same_data(tmp_path: Path) -> None:
    for client_no in (1, 2):
        exit_code, out, err = await run_demo(tmp_path)
        assert exit_code == 0, (out, err)
        assert "◐ Partial  2026-02-09  Universal Activity Loader: 80 of 85 records succeeded, 5 failed" in err
        assert "✘ Error    2026-02-15  Billing Manager" in err
        assert "▲ Warning  2026-02-15  Dunning Manager" in err
        assert "2026-02-02  sample-00007 disputes 12.00 USD of an invoice" in err
        for corrected in (
            "Write Off/Dispute Hold",
            "Voided Write Off",
            "Balance Transfer From Account",
            "Balance Transfer To Account",
            "Refund of Electronic Payment",
            "Refund Related Reversal",
        ):
            assert corrected in out
        assert "✔        debits and credits agree" in out
        assert "transactions of 40 accounts: no findings" in out
        assert "✔ 114 of 114 sessions found" in out
        assert f"tallybook batch list --client {client_no}" in out
        assert "Traceback" not in err
