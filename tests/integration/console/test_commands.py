"""What the command says and how it ends, in every situation."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from tallybook.batch.v1.batch_status_pb2 import BatchStatus
from tests.integration.console.conftest import Tallybook
from tests.integration.console.stand_ins import StandIns

NEW = BatchStatus.BATCH_STATUS_NEW
OK = BatchStatus.BATCH_STATUS_OK
ERROR = BatchStatus.BATCH_STATUS_ERROR
PARTIAL = BatchStatus.BATCH_STATUS_PARTIAL
WARNING = BatchStatus.BATCH_STATUS_WARNING
SUSPENDED = BatchStatus.BATCH_STATUS_SUSPENDED


async def test_sound_books_exit_with_0_and_say_what_was_read(tallybook: Tallybook) -> None:
    ran = await tallybook("ledger", "verify", "--client", "1")
    assert ran.exit_code == 0
    assert "✔ 7,043 transactions of 7,043 accounts: no findings" in ran.out
    assert "\x1b" not in ran.out
    assert ran.err == ""


async def test_a_finding_in_the_books_exits_with_1(tallybook: Tallybook, stand_ins: StandIns) -> None:
    stand_ins.verification.findings = 2
    ran = await tallybook("ledger", "verify", "--client", "1")
    assert ran.exit_code == 1
    assert "✘ 7,043 transactions of 7,043 accounts: 2 findings" in ran.out
    assert "fault 1" in ran.out


async def test_json_is_one_document_and_nothing_else(tallybook: Tallybook, stand_ins: StandIns) -> None:
    stand_ins.verification.findings = 1
    ran = await tallybook("ledger", "verify", "--client", "1", "--json")
    document = json.loads(ran.out)
    assert ran.exit_code == 1
    assert [finding["message"] for finding in document["findings"]] == ["fault 0"]
    assert document["summary"] == {"transactions": "7043", "accounts": "7043", "findings": "1"}


async def test_a_refused_caller_exits_with_77(tallybook: Tallybook) -> None:
    ran = await tallybook("ledger", "verify", "--client", "77")
    assert ran.exit_code == 77
    assert ran.err == "tallybook: PERMISSION_DENIED: may not act for client 77\n"


async def test_nobody_at_the_address_exits_with_69_and_says_how_to_start(tallybook: Tallybook) -> None:
    ran = await tallybook("--ledger", "127.0.0.1:1", "ledger", "verify", "--client", "1")
    assert ran.exit_code == 69
    assert "tallybook up" in ran.err
    assert "127.0.0.1:1" in ran.err
    assert len(ran.err.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("ledger", "verify"),
        ("no-such-command",),
        ("audit", "batches", "--from", "2026-02-30", "--to", "2026-03-01"),
        ("batch", "list", "--client", "1", "--status", "green"),
        ("batch", "resume", "--client", "1"),
        ("batch", "show", "0", "--client", "1"),
        ("batch", "show", "1", "--client", "99999999999999999999"),
    ],
)
async def test_a_command_line_that_makes_no_sense_exits_with_2(
    tallybook: Tallybook, arguments: tuple[str, ...]
) -> None:
    ran = await tallybook(*arguments)
    assert ran.exit_code == 2
    assert ran.err


async def test_a_cycle_that_ends_well_exits_with_0_and_tells_each_status(tallybook: Tallybook) -> None:
    ran = await tallybook("cycle", "--client", "1", "--wait")
    assert ran.exit_code == 0
    assert ran.out.count("✔ Ok") == 4
    assert ran.err.count(": Ok") == 4


async def test_a_cycle_with_an_error_exits_with_1(tallybook: Tallybook, stand_ins: StandIns) -> None:
    stand_ins.batch.ends = (OK, PARTIAL, ERROR, WARNING)
    ran = await tallybook("cycle", "--client", "1", "--wait", "--json")
    assert ran.exit_code == 1
    assert [session["status"] for session in json.loads(ran.out)["sessions"]] == [
        "BATCH_STATUS_OK",
        "BATCH_STATUS_PARTIAL",
        "BATCH_STATUS_ERROR",
        "BATCH_STATUS_WARNING",
    ]


async def test_a_cycle_that_waits_for_a_person_is_not_waited_for(
    tallybook: Tallybook, stand_ins: StandIns
) -> None:
    stand_ins.batch.ends = (OK, SUSPENDED, NEW, NEW)
    stand_ins.batch.blocked_by = ("", "", "invoicer", "billing_manager")
    ran = await tallybook("cycle", "--client", "1", "--wait")
    assert ran.exit_code == 1
    assert "‖ Suspended" in ran.out
    assert "Sessions wait for a person" in ran.err


async def test_waiting_survives_a_restart_of_the_service(tallybook: Tallybook, stand_ins: StandIns) -> None:
    stand_ins.batch.breaks = 3
    ran = await tallybook("cycle", "--client", "1", "--wait")
    assert ran.exit_code == 0


async def test_ctrl_c_exits_with_130_and_without_a_traceback(stand_ins: StandIns) -> None:
    stand_ins.batch.ends = (NEW, NEW, NEW, NEW)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "console", "--batch", stand_ins.target, "cycle", "--client", "1", "--wait"),
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    await process.stderr.readline()  # it has begun to watch
    process.send_signal(signal.SIGINT)
    _, err = await process.communicate()
    assert process.returncode == 130
    assert b"Traceback" not in err


def import_arguments(file: Path) -> tuple[str, ...]:
    """As a person would import the file of `write_rows`."""
    return (
        *("accounts", "import", str(file), "--client", "1"),
        *("--column", "external_id=id", "--column", "name=name", "--column", "price=charge"),
        *("--column", "payment_kind=pays", "--value", "payment_kind:by card=card"),
        *("--value", "payment_kind:by check=external"),
        *("--set", "currency=USD", "--set", "payment_token=tok_approve"),
    )


def write_rows(file: Path, rows: list[str]) -> Path:
    """A CSV file."""
    file.write_text("\n".join(["id,name,charge,pays", *rows]) + "\n", encoding="utf-8")
    return file


async def test_an_import_opens_every_account_with_its_plan_and_payment_method(
    tallybook: Tallybook, stand_ins: StandIns, tmp_path: Path
) -> None:
    rows = [f"{number},N{number},9.90,{'by card' if number % 2 else 'by check'}" for number in range(2500)]
    file = write_rows(tmp_path / "rows.csv", rows)

    ran = await tallybook(*import_arguments(file))

    assert ran.exit_code == 0
    assert "✔ 2,500 accounts opened" in ran.out
    assert len(stand_ins.billing_setup.plans) == len(stand_ins.billing_setup.methods) == 2500
    assert stand_ins.billing_setup.bulks == [1000, 1000, 500]
    assert 32 <= stand_ins.accounts.most_in_flight <= 64


async def test_a_second_import_opens_nothing_twice_and_changes_nothing(
    tallybook: Tallybook, stand_ins: StandIns, tmp_path: Path
) -> None:
    file = write_rows(tmp_path / "rows.csv", [f"{number},N,9.90,by card" for number in range(20)])
    await tallybook(*import_arguments(file))
    stand_ins.billing_setup.bulks.clear()
    del stand_ins.billing_setup.plans[1000]  # as if the first import had been interrupted

    ran = await tallybook(*import_arguments(file))

    assert ran.exit_code == 0
    assert "0 accounts opened, 20 already there" in ran.out
    assert len(stand_ins.accounts.created_request_ids) == 20
    assert stand_ins.billing_setup.bulks == [1]


async def test_bad_rows_are_listed_and_do_not_stop_the_others(
    tallybook: Tallybook, stand_ins: StandIns, tmp_path: Path
) -> None:
    rows = ["1,Ada,9.90,by card", "2,Bob,free,by card", "3,refuse me,9.90,by card", "4,Eve,13.00,by check"]
    file = write_rows(tmp_path / "rows.csv", [*rows, *(f"{n},N,5.00,by check" for n in range(10, 30))])

    ran = await tallybook(*import_arguments(file))

    assert ran.exit_code == 65
    assert "✘ 22 accounts opened, 3 rows refused" in ran.out
    lines = [
        line.strip().split(maxsplit=2) for line in ran.out.splitlines() if line.strip()[:1] in {"3", "4", "5"}
    ]
    assert lines == [
        ["3", "2", "price: 'free' is not a decimal number such as 12.50"],
        ["4", "3", "ALREADY_EXISTS: the external_id is another account's"],
        ["5", "4", "INVALID_ARGUMENT: price: 13.00 brings bad luck"],
    ]
    assert len(stand_ins.billing_setup.plans) == 21


async def test_a_list_that_is_cut_says_so_beside_the_answer(
    tallybook: Tallybook, stand_ins: StandIns, tmp_path: Path
) -> None:
    await tallybook(
        *import_arguments(write_rows(tmp_path / "r.csv", [f"{n},N,5.00,by check" for n in range(9)]))
    )

    cut = await tallybook("accounts", "list", "--client", "1", "--limit", "8", "--json")
    whole = await tallybook("accounts", "list", "--client", "1", "--limit", "9", "--json")

    assert len(json.loads(cut.out)["accounts"]) == 8
    assert cut.err == "These are the first 8, there are more: --limit N shows N\n"
    assert len(json.loads(whole.out)["accounts"]) == 9
    assert whole.err == ""


async def test_an_account_number_that_can_not_be_one_exits_with_65(tallybook: Tallybook) -> None:
    for named in ("seven", "0", "9" * 20):
        ran = await tallybook("account", "show", named, "--client", "1")
        assert ran.exit_code == 65
        assert f"'{named}' is not an account number" in ran.err


async def test_a_file_without_a_named_column_exits_with_65(tallybook: Tallybook, tmp_path: Path) -> None:
    file = write_rows(tmp_path / "rows.csv", [])
    ran = await tallybook(*import_arguments(file), "--column", "tax_percent=Tax")
    assert ran.exit_code == 65
    assert ran.err == "tallybook: the file has no column Tax. It has: id, name, charge, pays\n"
