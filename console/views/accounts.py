"""Accounts: who they are, what they owe, their transactions, statements and aging."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from console.rendering import (
    amount,
    count,
    day,
    facts,
    instant,
    money,
    prose,
    right,
    signed_amount,
    table,
    word,
)
from tallybook.ledger.v1.account_pb2 import (
    Account,
    AccountAging,
    GetBalanceResponse,
    GetStatementResponse,
    StatementLine,
)
from tallybook.ledger.v1.statement_pb2 import ClosedStatement, GetClosedStatementResponse
from tallybook.ledger.v1.transaction_pb2 import Transaction
from tallybook.ledger.v1.transaction_type_pb2 import TransactionType, TransactionTypeInfo
from tallybook.type.v1.money_pb2 import Money as MoneyMessage

TypeTable = Mapping[TransactionType.ValueType, TransactionTypeInfo]


def account_detail(account: Account, balance: GetBalanceResponse) -> RenderableType:
    """An account with its plan instances and what each owes."""
    head = facts(
        [
            ("Account", f"{account.acct_no}  {account.name}"),
            ("Client", str(account.client_no)),
            ("External id", account.external_id),
            ("Currency", account.currency_code),
            ("Payment terms", f"{account.payment_term_days} days"),
            ("Opened (UTC)", instant(account.created_at)),
        ]
    )
    return Group(head, "", balance_table(balance))


def balance_table(response: GetBalanceResponse) -> RenderableType:
    """The balance of each plan instance, of the account itself, and of all together."""
    grid = table(right("Plan instance"), prose("Name"), right("Balance"), footer=True)
    for part in response.plan_instance_balances:
        grid.add_row(str(part.plan_instance_no), part.name, _owed(part.balance))
    grid.add_row("", Text("on the account itself", "dim"), _owed(response.account_only_balance))
    grid.columns[1].footer = "Balance"
    grid.columns[2].footer = _owed(response.balance)
    return grid


def _owed(value: MoneyMessage) -> Text:
    return Text(money(value), "green" if value.minor_units < 0 else "")


def transactions_table(transactions: Iterable[Transaction], types: TypeTable) -> RenderableType:
    """One line a transaction; voids and what they voided name each other."""
    grid = table(
        right("Event"),
        word("Effective"),
        right("Account"),
        right("Code"),
        prose("Type"),
        right("Source"),
        right("Amount"),
        word(""),
    )
    for transaction in transactions:
        info = types.get(transaction.transaction_type, TransactionTypeInfo())
        sign = "+" if info.results_in_charge else "-"
        grid.add_row(
            str(transaction.event_no),
            day(transaction.effective_date),
            str(transaction.acct_no),
            str(transaction.transaction_type),
            info.name,
            str(transaction.source_no),
            Text(f"{sign}{money(transaction.amount)}", "" if info.results_in_charge else "green"),
            Text(_void_note(transaction), "yellow"),
        )
    return grid if grid.row_count else Text("No transactions.", "dim")


def _void_note(transaction: Transaction) -> str:
    if transaction.voids_event_no:
        return f"voids {transaction.voids_event_no}"
    return f"voided by {transaction.voided_by_event_no}" if transaction.voided_by_event_no else ""


def statement(response: GetStatementResponse, period: str) -> RenderableType:
    """A statement as the customer would get it."""
    account = response.account
    head = facts([("Statement", f"{account.name}, account {account.acct_no}"), ("Period", period)])
    rows = [_statement_row(line) for line in response.lines]
    return Group(head, "", _statement_grid(response, account.currency_code, rows))


def closed_statement(response: GetClosedStatementResponse) -> RenderableType:
    """A closed statement as the customer got it."""
    closed = response.statement
    head = facts(
        [
            ("Statement", f"{closed.statement_no}, account {closed.acct_no}"),
            ("Period", f"{day(closed.period_start)} to {day(closed.period_end)}"),
            ("Closed (UTC)", instant(closed.closed_at)),
        ]
    )
    rows = [_statement_row(each.line, "  (adjustment)" if each.adjustment else "") for each in response.lines]
    totals = GetStatementResponse(
        opening_balance=closed.opening_balance,
        total_charges=response.total_charges,
        total_credits=response.total_credits,
        closing_balance=closed.closing_balance,
    )
    return Group(head, "", _statement_grid(totals, closed.opening_balance.currency_code, rows))


def _statement_grid(
    totals: GetStatementResponse, currency: str, rows: Iterable[Sequence[RenderableType]]
) -> RenderableType:
    grid = table(
        word("Date"),
        right("Event"),
        prose("Description"),
        right(f"Charge {currency}"),
        right(f"Credit {currency}"),
        right(f"Balance {currency}"),
        footer=True,
    )
    grid.add_row("", "", Text("opening balance", "dim"), "", "", signed_amount(totals.opening_balance))
    for row in rows:
        grid.add_row(*row)
    grid.columns[2].footer = "closing balance"
    grid.columns[3].footer = amount(totals.total_charges)
    grid.columns[4].footer = amount(totals.total_credits)
    grid.columns[5].footer = signed_amount(totals.closing_balance)
    return grid


def _statement_row(line: StatementLine, note: str = "") -> Sequence[RenderableType]:
    charge = line.effect.minor_units > 0
    value = amount(line.transaction.amount)
    return (
        day(line.transaction.effective_date),
        str(line.transaction.event_no),
        Text.assemble(line.description, (note, "yellow")),
        value if charge else "",
        "" if charge else Text(value, "green"),
        signed_amount(line.running_balance),
    )


def closed_statements_table(statements: Iterable[ClosedStatement]) -> RenderableType:
    """One line a closed statement."""
    grid = table(
        right("Statement"),
        right("Account"),
        word("From"),
        word("To"),
        right("Opening"),
        right("Closing"),
        right("Lines"),
        right("Adjustments"),
        word("Closed (UTC)"),
    )
    for each in statements:
        grid.add_row(
            str(each.statement_no),
            str(each.acct_no),
            day(each.period_start),
            day(each.period_end),
            money(each.opening_balance),
            money(each.closing_balance),
            count(each.transactions),
            count(each.adjustments),
            instant(each.closed_at),
        )
    return grid if grid.row_count else Text("No closed statements.", "dim")


_BUCKETS: Final[Mapping[str, str]] = {
    "not_due": "Not due",
    "days_1_to_30": "1-30 days",
    "days_31_to_60": "31-60 days",
    "days_61_to_90": "61-90 days",
    "days_over_90": "Over 90 days",
    "unapplied_credit": "Unapplied credit",
}
"""Field -> what people call it, in the order in which they add up to the balance."""


def aging_summary(accounts: Sequence[AccountAging], title: str) -> RenderableType:
    """What all accounts together owe, by how long it is overdue: one column a currency."""
    by_currency: dict[str, list[AccountAging]] = {}
    for account in accounts:
        by_currency.setdefault(account.balance.currency_code, []).append(account)
    if not by_currency:
        return Text("Nobody owes anything.", "dim")
    columns = sorted(by_currency.items())
    grid = table(word(""), *(right(currency) for currency, _ in columns), title=title, footer=True)
    grid.add_row("Accounts", *(count(len(owing)) for _, owing in columns))
    for bucket, name in _BUCKETS.items():
        # Credit is taken off: the column adds up.
        sign = -1 if bucket == "unapplied_credit" else 1
        grid.add_row(name, *(_sum(currency, owing, bucket, sign) for currency, owing in columns))
    grid.columns[0].footer = "Balance"
    for place, (currency, owing) in enumerate(columns, 1):
        grid.columns[place].footer = _sum(currency, owing, "balance")
    return grid


def _sum(currency: str, accounts: Iterable[AccountAging], bucket: str, sign: int = 1) -> str:
    minor_units = sign * sum(getattr(account, bucket).minor_units for account in accounts)
    return amount(MoneyMessage(currency_code=currency, minor_units=minor_units))


def accounts_table(accounts: Iterable[Account]) -> RenderableType:
    """One line an account."""
    grid = table(
        right("Account"),
        word("External id"),
        prose("Name"),
        word("Currency"),
        prose("Plans"),
        word("Opened (UTC)"),
    )
    for account in accounts:
        grid.add_row(
            str(account.acct_no),
            account.external_id,
            account.name,
            account.currency_code,
            ", ".join(f"{plan.name} ({plan.plan_instance_no})" for plan in account.plan_instances),
            instant(account.created_at),
        )
    return grid if grid.row_count else Text("No accounts.", "dim")
