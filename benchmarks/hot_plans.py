"""The plans of the statements that posting and reading run most."""

from typing import Final

from benchmarks.explaining import Explained, explained
from benchmarks.requests import check_calls, single_checks
from benchmarks.stand import Stand, send
from tallybook.ledger.v1.account_pb2 import GetBalanceRequest
from tallybook.ledger.v1.ledger_pb2 import ListTransactionsRequest

_ACCOUNTS: Final = 1_000
_CALLS: Final = 8
_DRAFTS: Final = 1_000


async def hot_plans(stand: Stand) -> list[str]:
    """Each statement of a call of many drafts, a single one, a balance and a page, with its plan."""
    books = await stand.open_books(_ACCOUNTS)
    ledger = stand.ledger
    await send(ledger.transactions.PostTransactions, check_calls(books, _CALLS, _DRAFTS), _CALLS)
    client_no, acct_no = books.client_no, books.acct_nos[0]
    balance = GetBalanceRequest(client_no=client_no, acct_no=acct_no)
    page = ListTransactionsRequest(client_no=client_no, acct_no=acct_no)
    # The first of a kind asks the database for more than it needs later.
    await ledger.accounts.GetBalance(balance)
    await ledger.transactions.ListTransactions(page)
    kinds: dict[str, list[Explained]] = {}
    async with explained(stand) as kinds[f"PostTransactions of {_DRAFTS:,} drafts"]:
        await ledger.transactions.PostTransactions(check_calls(books, 1, _DRAFTS)[0])
    async with explained(stand) as kinds["RecordExternalPayment"]:
        await ledger.transactions.RecordExternalPayment(single_checks(books, 1)[0])
    async with explained(stand) as kinds["GetBalance"]:
        await ledger.accounts.GetBalance(balance)
    async with explained(stand) as kinds["ListTransactions"]:
        await ledger.transactions.ListTransactions(page)
    return [line for name, statements in kinds.items() for line in _lines(name, statements)]


def _lines(name: str, statements: list[Explained]) -> list[str]:
    lines = [name, "=" * len(name)]
    for each in statements:
        lines += [" ".join(each.statement.split()), f"{each.milliseconds:.2f} ms", *each.lines(), ""]
    return lines
