"""What came of the month, asked from the services as anybody would ask."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

from rich.text import Text

from console.commands.ledger import verify_books
from console.connections import Connections
from console.demo.driver import Story
from console.demo.sample import DEARER_CUSTOMER, OUTAGE_DAY, USAGE_FILE_DAYS
from console.paging import read_rows
from console.rendering import Screen, count, plural, verdict_mark
from console.views.accounts import aging_summary, statement, transactions_table
from console.views.books import balances, trial_balances, verification_view
from console.views.credits import open_items_table
from console.views.sessions import records_table, sessions_table
from service_kit.dates import date_to_proto
from tallybook.audit.v1.audit_pb2 import SearchAuditEventsRequest, SearchBatchProcessesRequest
from tallybook.batch.v1.batch_pb2 import BatchSession, ListBatchRecordsRequest, RecordOutcome
from tallybook.ledger.v1.account_pb2 import GetStatementRequest, ListAgingRequest
from tallybook.ledger.v1.application_pb2 import ListOpenItemsRequest
from tallybook.ledger.v1.ledger_pb2 import BatchGetTransactionsRequest
from tallybook.ledger.v1.transaction_type_pb2 import ListTransactionTypesRequest
from tallybook.ledger.v1.verification_pb2 import GetTrialBalanceRequest

_LONGEST_SEARCH: Final = timedelta(days=7)
_AUDIT_PATIENCE_SECONDS: Final = 30.0
_AUDIT_POLL_SECONDS: Final = 0.5


async def show_report(services: Connections, screen: Screen, story: Story) -> bool:
    """Show what happened; False when the books or the audit log are not as they must be."""
    await _show_days(services, screen, story)
    await _show_statement(services, screen, story)
    await _show_corrections(services, screen, story)
    await _show_aging(services, screen, story)
    books_are_sound = await _show_books(services, screen, story)
    log_is_complete = await _show_audit(services, screen, story)
    return books_are_sound and log_is_complete


def _chapter(screen: Screen, title: str, explanation: str) -> None:
    screen.show("", Text(title, "bold underline"), Text(explanation, "dim"))


async def _show_days(services: Connections, screen: Screen, story: Story) -> None:
    _chapter(
        screen,
        "The days that were interesting",
        "An activity file with bad lines; the gateway's outage; the day after, which makes it good.",
    )
    month = story.month
    days = [month.day(USAGE_FILE_DAYS[0]), month.day(OUTAGE_DAY), month.day(OUTAGE_DAY + 1)]
    screen.show(sessions_table(session for day in days for session in story.sessions[day]))
    loader = story.sessions[days[0]][0]
    failed = await read_rows(
        services.batch.ListBatchRecords,
        ListBatchRecordsRequest(
            client_no=story.client_no,
            session_no=loader.session_no,
            outcomes=[RecordOutcome.RECORD_OUTCOME_FAILED],
        ),
        lambda page: page.records,
    )
    screen.show("", records_table(failed, f"The lines of {loader.file_name} that could not be used"))


async def _show_statement(services: Connections, screen: Screen, story: Story) -> None:
    _chapter(
        screen,
        "One customer's statement",
        "A new price, a router and a coupon; billed on the 15th, collected when the gateway is back.",
    )
    month = story.month
    answer = await services.accounts.GetStatement(
        GetStatementRequest(
            client_no=story.client_no,
            acct_no=story.accounts.accounts[DEARER_CUSTOMER].acct_no,
            period_start=date_to_proto(month.first),
            period_end=date_to_proto(month.last),
        )
    )
    screen.show(statement(answer, str(month)))


async def _show_corrections(services: Connections, screen: Screen, story: Story) -> None:
    _chapter(
        screen,
        "What was put right",
        "A dispute, held back and settled; a balance that another account pays; a refund with its reversal.",
    )
    found = await services.transactions.BatchGetTransactions(
        BatchGetTransactionsRequest(client_no=story.client_no, event_nos=story.corrections)
    )
    types = await services.transaction_types.ListTransactionTypes(ListTransactionTypesRequest())
    table = {info.transaction_type: info for info in types.transaction_types}
    screen.show(transactions_table(found.transactions, table))


async def _show_aging(services: Connections, screen: Screen, story: Story) -> None:
    accounts = await read_rows(
        services.accounts.ListAging,
        ListAgingRequest(client_no=story.client_no, as_of_date=date_to_proto(story.month.last)),
        lambda page: page.accounts,
    )
    _chapter(
        screen,
        f"What is owed on {story.month.last}",
        "By days past due; credits paid the oldest charges first.",
    )
    screen.show(aging_summary(accounts, ""))
    indebted = next((each for each in accounts if each.HasField("oldest_due_date")), None)
    if indebted is not None:
        answer = await services.applications.ListOpenItems(
            ListOpenItemsRequest(client_no=story.client_no, acct_no=indebted.acct_no)
        )
        screen.show("", f"What is open of {indebted.name}, account {indebted.acct_no}:")
        screen.show(open_items_table(answer.open_items))


async def _show_books(services: Connections, screen: Screen, story: Story) -> bool:
    _chapter(screen, "The books", "Debits equal credits, and every balance is the sum of its transactions.")
    answer = await services.verification.GetTrialBalance(GetTrialBalanceRequest(client_no=story.client_no))
    verification = await verify_books(services, story.client_no, screen)
    screen.show(trial_balances(answer), "", verification_view(verification))
    return verification.clean and all(balances(each) for each in answer.trial_balances)


async def _show_audit(services: Connections, screen: Screen, story: Story) -> bool:
    _chapter(
        screen, "The audit log", "Every session of the month is in the log, and every group of postings."
    )
    expected = {session.session_no for session in story.all_sessions}
    found = await _search_until_complete(services, story, expected)
    complete = {session.session_no for session in found} >= expected
    events = await _count_events(services, story)
    sessions = f"{count(len(found))} of {plural(len(expected), 'session')} found"
    screen.show(verdict_mark(complete, f"{sessions}, {plural(events, 'event')} in the log"))
    return complete


async def _search_until_complete(
    services: Connections, story: Story, expected: set[int]
) -> Sequence[BatchSession]:
    """Search the month week by week. The log hears of a change within moments: not at once."""
    loop = asyncio.get_running_loop()
    patience_ends = loop.time() + _AUDIT_PATIENCE_SECONDS
    while True:
        found = [session for week in _weeks(story) for session in await _search(services, story, week)]
        if {session.session_no for session in found} >= expected or loop.time() > patience_ends:
            return found
        await asyncio.sleep(_AUDIT_POLL_SECONDS)


def _weeks(story: Story) -> Iterable[tuple[date, date]]:
    first = story.month.first
    while first <= story.month.last:
        yield first, min(first + _LONGEST_SEARCH - timedelta(days=1), story.month.last)
        first += _LONGEST_SEARCH


async def _search(services: Connections, story: Story, week: tuple[date, date]) -> list[BatchSession]:
    request = SearchBatchProcessesRequest(
        from_date=date_to_proto(week[0]), to_date=date_to_proto(week[1]), client_nos=[story.client_no]
    )
    return await read_rows(services.audit.SearchBatchProcesses, request, lambda page: page.sessions)


async def _count_events(services: Connections, story: Story) -> int:
    today = datetime.now(UTC).date()
    request = SearchAuditEventsRequest(
        # A demonstration over midnight has events of two days.
        from_date=date_to_proto(today - timedelta(days=1)),
        to_date=date_to_proto(today),
        client_nos=[story.client_no],
    )
    return len(await read_rows(services.audit.SearchAuditEvents, request, lambda page: page.events))
