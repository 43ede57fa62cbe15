"""docs/exporting_the_journal.md says what the commands do: its examples are run, its columns are compared."""

import re
import shlex
from datetime import date
from pathlib import Path
from typing import Final

import grpc

from console.journal_formats import CSV_COLUMNS
from ledger_service.service import LEDGER
from ledger_service.settings import LedgerSettings
from service_kit.server import running_server
from tests.house.tree import ROOT
from tests.integration.console.conftest import Tallybook
from tests.integration.ledger.caller import Ledger, check, day
from tests.support.databases import NewDatabase

PAGE: Final = (ROOT / "docs" / "exporting_the_journal.md").read_text(encoding="utf-8")
FEBRUARY: Final = date(2026, 2, 1)
# When something was recorded is another moment each time.
_RECORDED_AT: Final = re.compile(r"\d{4}-\d{2}-\d{2}T[\d:.]+\+00:00")


def examples() -> list[tuple[list[str], str]]:
    """The commands of the page with what they print, as far as the page shows it."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        for command, printed in re.findall(r"^\$ tallybook (.+)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
            found.append((shlex.split(command), printed))
    return found


def comparable(printed: str) -> list[str]:
    """Without the time of recording, and without the room at the end of lines."""
    return [line.rstrip() for line in _RECORDED_AT.sub("(recorded)", printed).splitlines()]


async def tell_the_story(ledger: Ledger) -> None:
    """What the page says about Ada."""
    acct = await ledger.account()
    await ledger.invoice(acct, (1, 100_00), (2, 8_00), period=(FEBRUARY, date(2026, 2, 28)))
    await ledger.posted(check(acct, 108_00, effective_date=day(date(2026, 2, 10))))


async def test_the_examples_of_the_page_print_what_it_shows(
    new_database: NewDatabase, tallybook: Tallybook, tmp_path: Path
) -> None:
    settings = LedgerSettings(
        port=0, database_url=(await new_database("ledger_service")).url, development_principal=True
    )
    shown = 0
    async with running_server(LEDGER, settings) as server:
        target = f"127.0.0.1:{server.port}"
        async with grpc.aio.insecure_channel(target) as channel:
            await tell_the_story(Ledger(channel, 1))
        for command, printed in examples():
            # Files go where they are thrown away.
            arguments = [
                str(tmp_path / each) if before == "--output" else each
                for before, each in zip(["", *command], command, strict=False)
            ]
            ran = await tallybook("--ledger", target, *arguments)
            assert ran.exit_code == 0, ran.err
            if printed:
                shown += 1
                assert comparable(ran.out) == comparable(printed), ran.out
    assert shown == 2


def test_every_column_is_explained_in_its_order() -> None:
    explained = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert explained == list(CSV_COLUMNS)
