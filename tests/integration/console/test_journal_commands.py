"""`tallybook journal` and `tallybook chart`, on a ledger with books in it."""

import asyncio
import csv
import io
import json
from datetime import date
from pathlib import Path

import pytest

from console.journal_formats import CSV_COLUMNS
from tests.integration.console.conftest import OnLedger, Tallybook
from tests.integration.ledger.caller import Ledger, check, day, external_charge

MAY = date(2026, 5, 1)
JUNE = date(2026, 6, 1)


def names_in(directory: Path) -> list[str]:
    """What is in a directory."""
    return [path.name for path in directory.iterdir()]


async def test_an_export_as_csv_has_a_head_and_two_rows_a_transaction(
    ledger: Ledger, on_ledger: OnLedger, tmp_path: Path
) -> None:
    acct = await ledger.account()
    await ledger.posted(
        external_charge(acct, 1_234_50, effective_date=day(MAY)), check(acct, 5, effective_date=day(JUNE))
    )
    ran = await on_ledger("journal", "export", "--to", "2026-05-31")
    assert ran.exit_code == 0
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    assert list(rows[0]) == list(CSV_COLUMNS)
    assert [(row["gl_account"], row["debit"], row["credit"], row["currency"]) for row in rows] == [
        ("1200", "1234.50", "", "USD"),
        ("4100", "", "1234.50", "USD"),
    ]
    assert {row["effective_date"] for row in rows} == {"2026-05-01"}
    assert "1 transaction, 2 lines" in ran.err
    assert "debits 1,234.50 USD, credits 1,234.50 USD" in ran.err

    file = tmp_path / "journal.csv"
    ran = await on_ledger("journal", "export", "--output", str(file))
    assert (ran.exit_code, ran.out) == (0, "")
    assert len(file.read_text(encoding="utf-8").splitlines()) == 1 + 4
    assert names_in(tmp_path) == ["journal.csv"]


async def test_an_export_as_json_lines_has_the_fields_of_the_contract(
    ledger: Ledger, on_ledger: OnLedger
) -> None:
    acct = await ledger.account(7)
    ran = await on_ledger("journal", "export", "--by", "recorded", "--format", "jsonl")
    lines = [json.loads(line) for line in ran.out.splitlines()]
    assert [(line["side"], line["glAccount"], line["amount"]["minorUnits"]) for line in lines] == [
        ("JOURNAL_SIDE_DEBIT", "1200", "7"),
        ("JOURNAL_SIDE_CREDIT", "3900", "7"),
    ]
    assert {line["acctNo"] for line in lines} == {str(acct)}


async def test_an_export_that_fails_leaves_no_file(on_ledger: OnLedger, tmp_path: Path) -> None:
    file = tmp_path / "journal.csv"
    ran = await on_ledger(
        "journal", "export", "--from", "2026-02-01", "--to", "2026-01-01", "--output", str(file)
    )
    assert ran.exit_code == 65
    assert "DATE_INVALID" in ran.err
    assert names_in(tmp_path) == []


async def test_a_watch_prints_a_line_a_transaction_and_goes_on_from_its_cursor(
    ledger: Ledger, on_ledger: OnLedger
) -> None:
    acct = await ledger.account(7)
    first = await on_ledger("journal", "watch", "--beginning", "--count", "1")
    line = json.loads(first.out)
    assert line["transaction"]["amount"]["minorUnits"] == "7"
    watching = asyncio.create_task(
        on_ledger("journal", "watch", "--cursor", line["cursor"], "--type", "2", "--count", "1")
    )
    await ledger.posted(external_charge(acct, 1), check(acct, 5))
    watched = await watching
    assert json.loads(watched.out)["transaction"]["transactionType"] == "TRANSACTION_TYPE_CHECK"


async def test_the_chart_is_shown_extended_booked_to_and_reset(ledger: Ledger, on_ledger: OnLedger) -> None:
    created = await on_ledger("chart", "create", "4001", "--name", "Fibre revenue", "--kind", "revenue")
    assert created.exit_code == 0
    shown = await on_ledger("chart", "accounts")
    assert "Fibre revenue" in shown.out
    assert "Accounts receivable" in shown.out
    changed = await on_ledger("chart", "set", "4001", "--line-type", "1", "--effective-from", "2026-06-01")
    assert changed.exit_code == 0
    assert "4001 from event 1 and 2026-06-01 (developer" in changed.out
    before = await on_ledger("chart", "mappings", "--date", "2026-05-31", "--json")
    after = await on_ledger("chart", "mappings", "--date", "2026-06-01", "--json")
    for ran, account in ((before, "4000"), (after, "4001")):
        mappings = json.loads(ran.out)["mappings"]
        (recurring,) = [each for each in mappings if each["name"] == "Recurring Charge"]
        assert recurring["creditGlAccount"] == account
    reset = await on_ledger("chart", "reset", "--line-type", "1")
    assert "default from event 1" in reset.out
    wrong = await on_ledger("chart", "set", "4999", "--type", "14")
    assert wrong.exit_code == 1
    assert "GL_ACCOUNT_NOT_FOUND" in wrong.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("journal", "export", "--format", "xml"),
        ("journal", "watch", "--beginning", "--cursor", "x"),
        ("journal", "watch", "--type", "7"),
        ("chart", "set", "4001"),
        ("chart", "set", "4001", "--type", "14", "--line-type", "1"),
        ("chart", "create", "4001", "--name", "N", "--kind", "something"),
    ],
)
async def test_a_command_line_that_makes_no_sense_exits_with_2(
    tallybook: Tallybook, arguments: tuple[str, ...]
) -> None:
    ran = await tallybook(*arguments, "--client", "1")
    assert ran.exit_code == 2
    assert ran.err
