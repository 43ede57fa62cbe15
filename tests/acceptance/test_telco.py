"""A month of a telephone company: 7,043 real subscribers, imported, billed, collected, paid and proven.

The input is public sample data that is not part of the repository: TALLYBOOK_TELCO_CSV names the file; unset,
it is looked for beside the repository. The expected sums are checked against the file, too.
"""

import asyncio
import csv
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from console.connections import Connections, Targets
from console.demo.driver import balances_due, check_draft, post_all
from console.launching import Ports, running_tallybook
from console.paging import read_rows
from tallybook.ledger.v1.account_pb2 import ListAccountsRequest
from tallybook.ledger.v1.invoice_pb2 import Invoice, ListInvoicesRequest
from tallybook.ledger.v1.ledger_pb2 import ListTransactionsRequest
from tallybook.ledger.v1.transaction_pb2 import Transaction
from tallybook.ledger.v1.transaction_type_pb2 import TransactionType

ROOT = Path(__file__).parents[2]
SUBSCRIBERS = Path(
    os.environ.get("TALLYBOOK_TELCO_CSV", ROOT.parent / "shared" / "data" / "telco_customers.csv")
)

CLIENT = 7
DAY = date(2026, 3, 1)

INVOICES, BILLED = 7043, 45_611_660
PAYMENTS, COLLECTED = 5431, 38_532_230
CHECKS, OPEN = 1612, 7_079_430

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not SUBSCRIBERS.is_file(), reason=f"there is no {SUBSCRIBERS}: name the file in TALLYBOOK_TELCO_CSV"
    ),
]


@dataclass(frozen=True)
class House:
    """All services, running, and the command to talk to them."""

    targets: Targets
    services: Connections

    async def tallybook(self, *arguments: str, exit_code: int = 0) -> str:
        """Run the command as a person would, and return what it wrote."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "console", "--ledger", self.targets.ledger),
            *("--batch", self.targets.batch, "--audit", self.targets.audit, *arguments),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode == exit_code, (out.decode(), err.decode())
        return out.decode()

    async def document(self, *arguments: str) -> Any:
        """Run a reading command with --json and return its document."""
        return json.loads(await self.tallybook(*arguments, "--client", str(CLIENT), "--json"))

    async def invoices(self) -> list[Invoice]:
        """All invoices of the client."""
        return await read_rows(
            self.services.invoices.ListInvoices,
            ListInvoicesRequest(client_no=CLIENT),
            lambda page: page.invoices,
        )

    async def transactions(self, *types: TransactionType.ValueType) -> list[Transaction]:
        """All transactions of the client, or those of some types; newest first."""
        return await read_rows(
            self.services.transactions.ListTransactions,
            ListTransactionsRequest(client_no=CLIENT, transaction_types=types),
            lambda page: page.transactions,
        )

    async def open_balances(self) -> dict[int, int]:
        """Minor units by account, of the accounts that owe something."""
        accounts = await read_rows(
            self.services.accounts.ListAccounts,
            ListAccountsRequest(client_no=CLIENT),
            lambda page: page.accounts,
        )
        owed = await balances_due(self.services, CLIENT, [account.acct_no for account in accounts])
        return {acct_no: balance.minor_units for acct_no, balance in owed.items()}

    async def sessions_in_the_audit_log(self, expected: set[str]) -> list[Any]:
        """What an auditor finds for the day; the log hears of a session within moments."""
        sessions: list[Any] = []
        for _ in range(60):
            found = await self.document("audit", "batches", "--from", str(DAY), "--to", str(DAY))
            sessions = found["sessions"]
            ended = {each["sessionNo"] for each in sessions if each.get("endedAt")}
            if ended >= expected:
                return sessions
            await asyncio.sleep(0.5)
        raise AssertionError(f"the audit log has {sessions}, and not all of the sessions {expected}")


@pytest.fixture(scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """Everything on free ports and data of its own."""
    ports = Ports.free()
    async with (
        running_tallybook(tmp_path_factory.mktemp("tallybook"), ports, print),
        Connections(ports.targets) as services,
    ):
        yield House(ports.targets, services)


IMPORT = (
    *("accounts", "import", str(SUBSCRIBERS), "--client", str(CLIENT)),
    *("--column", "external_id=customerID", "--column", "price=MonthlyCharges"),
    *("--column", "payment_kind=PaymentMethod"),
    *("--value", "payment_kind:Bank transfer (automatic)=electronic_check"),
    *("--value", "payment_kind:Electronic check=electronic_check"),
    *("--value", "payment_kind:Credit card (automatic)=card"),
    *("--value", "payment_kind:Mailed check=external"),
    *("--set", "currency=USD", "--set", "payment_token=tok_approve", "--set", "plan_name=Monthly plan"),
    *("--set", f"start_date={DAY}", "--set", "anchor_day=1"),
)

CYCLE = ("cycle", "--date", str(DAY), "--wait")


async def test_a_month_of_real_subscribers_is_billed_collected_paid_and_proven(house: House) -> None:
    assert _expected_from(SUBSCRIBERS) == (INVOICES, BILLED, PAYMENTS, COLLECTED)

    assert "7,043 accounts opened" in await house.tallybook(*IMPORT)
    assert "0 accounts opened, 7,043 already there" in await house.tallybook(*IMPORT)

    sessions = (await house.document(*CYCLE))["sessions"]
    assert [session["processCode"] for session in sessions] == [
        "housekeeping",
        "invoicer",
        "billing_manager",
        "dunning_manager",
    ]
    assert {session["status"] for session in sessions} == {"BATCH_STATUS_OK"}

    invoices = await house.invoices()
    assert (len(invoices), _total(invoice.total.minor_units for invoice in invoices)) == (INVOICES, BILLED)
    payments = await house.transactions(TransactionType.TRANSACTION_TYPE_ELECTRONIC_PAYMENT)
    assert (len(payments), _total(each.amount.minor_units for each in payments)) == (PAYMENTS, COLLECTED)
    owed = await house.open_balances()
    assert (len(owed), _total(owed.values())) == (CHECKS, OPEN)

    await _a_second_run_changes_nothing(house, sessions)
    await _record_the_checks(house, list(owed))
    await _prove(house, {session["sessionNo"] for session in sessions})


async def _a_second_run_changes_nothing(house: House, first: Sequence[Any]) -> None:
    before = await house.transactions()
    second = (await house.document(*CYCLE))["sessions"]
    assert second == first
    after = await house.transactions()
    assert [each.event_no for each in after] == [each.event_no for each in before]
    assert len(await house.invoices()) == INVOICES


async def _record_the_checks(house: House, payers: Sequence[int]) -> None:
    owed = await balances_due(house.services, CLIENT, payers)
    drafts = [check_draft(acct_no, balance, DAY) for acct_no, balance in owed.items()]
    assert len(drafts) == CHECKS
    await post_all(house.services, CLIENT, drafts)
    assert await house.open_balances() == {}


async def _prove(house: House, sessions: set[str]) -> None:
    verified = await house.document("ledger", "verify")
    assert verified["findings"] == []
    assert verified["summary"]["transactions"] == str(INVOICES + PAYMENTS + CHECKS)
    assert verified["summary"]["accounts"] == str(INVOICES)

    (trial_balance,) = (await house.document("ledger", "trial-balance"))["trialBalances"]
    assert trial_balance["totalDebits"] == trial_balance["totalCredits"]
    assert int(trial_balance["totalDebits"]["minorUnits"]) == 2 * BILLED

    logged = await house.sessions_in_the_audit_log(sessions)
    assert {session["sessionNo"] for session in logged} == sessions
    assert {session["status"] for session in logged} == {"BATCH_STATUS_OK"}


def _expected_from(file: Path) -> tuple[int, int, int, int]:
    """Subscribers and their monthly charges, then those of them who don't pay by a mailed check."""
    with file.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    electronic = [row for row in rows if row["PaymentMethod"] != "Mailed check"]
    return len(rows), _cents(rows), len(electronic), _cents(electronic)


def _cents(rows: Sequence[dict[str, str]]) -> int:
    return int(sum(Decimal(row["MonthlyCharges"]) for row in rows) * 100)


def _total(minor_units: Any) -> int:
    return sum(minor_units)
