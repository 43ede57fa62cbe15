"""The books: the table of transaction types, the trial balance, the check of the ledger."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

from rich.console import Group, RenderableType
from rich.text import Text

from console.rendering import (
    amount,
    count,
    day,
    money,
    plural,
    prose,
    right,
    table,
    verdict_mark,
    word,
)
from tallybook.ledger.v1.statement_pb2 import CloseStatementResult
from tallybook.ledger.v1.transaction_pb2 import Transaction
from tallybook.ledger.v1.transaction_type_pb2 import ListTransactionTypesResponse
from tallybook.ledger.v1.verification_pb2 import (
    GetTrialBalanceResponse,
    TrialBalance,
    VerificationCheck,
    VerificationFinding,
    VerificationProgress,
    VerificationSummary,
    VerifyLedgerResponse,
)


def transaction_types_table(response: ListTransactionTypesResponse) -> RenderableType:
    """The 32 codes: what each does to the balance, where its source row is, its two general ledger
    accounts.
    """
    grid = table(
        right("Code"),
        prose("Name"),
        word("Sign"),
        word("Source table"),
        word("Key"),
        word("Dr"),
        word("Cr"),
    )
    for info in response.transaction_types:
        grid.add_row(
            str(info.transaction_type),
            Text(info.name, "dim" if info.transaction_type < 0 else ""),
            "+" if info.results_in_charge else Text("-", "green"),
            info.source_table,
            info.source_key,
            info.debit_gl_account or Text("line", "dim"),
            info.credit_gl_account or Text("line", "dim"),
        )
    return grid


def trial_balances(response: GetTrialBalanceResponse) -> RenderableType:
    """One trial balance a currency, with its sums and whether they agree."""
    if not response.trial_balances:
        return Text("Nothing is posted yet.", "dim")
    return Group(*(_trial_balance(each) for each in response.trial_balances))


def balances(trial_balance: TrialBalance) -> bool:
    """Whether debits and credits agree."""
    return trial_balance.total_debits == trial_balance.total_credits


def _trial_balance(trial_balance: TrialBalance) -> RenderableType:
    grid = table(word("Account"), prose("Name"), right("Debit"), right("Credit"), footer=True)
    for line in trial_balance.lines:
        grid.add_row(line.gl_account, line.name, amount(line.debits), amount(line.credits))
    agree = balances(trial_balance)
    grid.title = f"Trial balance in {trial_balance.currency_code}"
    grid.columns[0].footer = verdict_mark(agree)
    grid.columns[1].footer = (
        "debits and credits agree" if agree else Text("debits and credits differ", "bold red")
    )
    grid.columns[2].footer = money(trial_balance.total_debits)
    grid.columns[3].footer = money(trial_balance.total_credits)
    return grid


@dataclass(slots=True)
class Verification:
    """What a full check of the books said, gathered from its stream."""

    checks: dict[int, VerificationProgress] = field(default_factory=dict)
    findings: list[VerificationFinding] = field(default_factory=list)
    summary: VerificationSummary | None = None

    def add(self, response: VerifyLedgerResponse) -> None:
        """Take the next part of the stream."""
        if response.HasField("progress"):
            self.checks[response.progress.check] = response.progress
        elif response.HasField("finding"):
            self.findings.append(response.finding)
        elif response.HasField("summary"):
            self.summary = response.summary

    @property
    def clean(self) -> bool:
        """Whether the check came to its end and found nothing."""
        return self.summary is not None and not self.summary.findings and not self.findings


def verification_view(verification: Verification) -> RenderableType:
    """What was checked, what was found, and the verdict."""
    parts: list[RenderableType] = [_checks_table(verification.checks.values(), verification.findings)]
    if verification.findings:
        parts += ["", _findings_table(verification.findings)]
    parts += ["", _verdict(verification)]
    return Group(*parts)


def _checks_table(
    checks: Iterable[VerificationProgress], findings: Sequence[VerificationFinding]
) -> RenderableType:
    faulty = {finding.check for finding in findings}
    grid = table(word(""), prose("Check"), right("Rows"))
    for progress in checks:
        good = progress.complete and progress.check not in faulty
        grid.add_row(verdict_mark(good), check_name(progress.check), count(progress.rows_checked))
    return grid


def check_name(check: VerificationCheck.ValueType) -> str:
    """ "commit group" """
    return VerificationCheck.Name(check).removeprefix("VERIFICATION_CHECK_").replace("_", " ").lower()


def _findings_table(findings: Iterable[VerificationFinding]) -> RenderableType:
    grid = table(word("Check"), right("Account"), right("Event"), word("Table"), prose("What is wrong"))
    for finding in findings:
        grid.add_row(
            check_name(finding.check),
            str(finding.acct_no or ""),
            str(finding.event_no or ""),
            finding.table,
            Text(finding.message, "red"),
        )
    return grid


def _verdict(verification: Verification) -> RenderableType:
    summary = verification.summary
    if summary is None:
        return verdict_mark(False, "the check did not come to its end")
    read = f"{plural(summary.transactions, 'transaction')} of {plural(summary.accounts, 'account')}"
    found = plural(summary.findings, "finding") if summary.findings else "no findings"
    return verdict_mark(verification.clean, f"{read}: {found}")


def closing_summary(results: Sequence[CloseStatementResult], last: date) -> RenderableType:
    """How many statements were closed, and which accounts were refused."""
    refused = [result for result in results if result.HasField("error")]
    closed = sum(result.closed_now for result in results)
    before = len(results) - len(refused) - closed
    parts: list[RenderableType] = [
        verdict_mark(
            not refused,
            f"up to {last}: {plural(closed, 'statement')} closed, {count(before)} closed before,"
            f" {count(len(refused))} refused",
        )
    ]
    if refused:
        grid = table(right("Account"), prose("Why it was refused"))
        for result in refused:
            grid.add_row(str(result.acct_no), Text(result.error.message, "red"))
        parts += ["", grid]
    return Group(*parts)


def disputes_table(holds: Iterable[Transaction]) -> RenderableType:
    """One line a dispute hold."""
    grid = table(
        word("Settle by"), right("Event"), right("Account"), right("Invoice"), right("Held"), prose("Why")
    )
    for hold in holds:
        grid.add_row(
            day(hold.write_off.expires_on),
            str(hold.event_no),
            str(hold.acct_no),
            str(hold.write_off.invoice_no),
            money(hold.amount),
            f"{hold.reason_code}: {hold.comment}",
        )
    return grid if grid.row_count else Text("No disputes.", "dim")
