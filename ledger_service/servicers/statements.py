"""StatementService: closes statements and reads those that are closed."""

from collections.abc import Sequence
from datetime import date
from functools import partial
from typing import Any, Final, TypeAlias

import grpc

from ledger_service.rules import refusals
from ledger_service.rules.closed_statements import ClosedStatement
from ledger_service.rules.statements import StatementLine, compose_statement
from ledger_service.servicers.draft_batch import status_of
from ledger_service.servicers.draft_contract import business_date_from_proto
from ledger_service.servicers.money_contract import sum_to_proto
from ledger_service.servicers.posting_calls import PostingCalls, keyed_call
from ledger_service.servicers.transaction_contract import transaction_to_proto
from ledger_service.statement_closing import Closed, Closing, StatementCloser
from ledger_service.statement_reader import StatementReader
from ledger_service.store_statements import StatementFilter
from service_kit.answer_sizes import as_many_as_fit
from service_kit.dates import date_from_proto, date_to_proto, instant_to_proto
from service_kit.errors import DomainError
from service_kit.paging import page_size, page_start, page_token
from service_kit.ready_answers import ready_answer
from tallybook.ledger.v1 import account_pb2, statement_pb2, statement_pb2_grpc
from tallybook.type.v1.money_pb2 import Money

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

_DEFAULT_PAGE_SIZE: Final = 100
_LINES: Final = 1_000
_AFTER_ALL: Final = 2**63 - 1


class StatementServicer(statement_pb2_grpc.StatementServiceServicer):
    """Translates; which period is closed with what balance is decided in `rules`."""

    def __init__(self, calls: PostingCalls, closer: StatementCloser, reader: StatementReader) -> None:
        self._calls = calls
        self._closer = closer
        self._reader = reader

    async def CloseStatements(
        self, request: statement_pb2.CloseStatementsRequest, context: Context
    ) -> statement_pb2.CloseStatementsResponse:
        """Each account is decided on its own."""
        acct_nos = list(request.acct_nos)

        def answer(outcomes: Sequence[Closed | DomainError]) -> bytes:
            results = map(_result_to_proto, acct_nos, outcomes)
            response = statement_pb2.CloseStatementsResponse(results=results)
            return response.SerializeToString(deterministic=True)

        period_end = business_date_from_proto(request.period_end, "period_end", self._calls.today())
        closing = Closing(keyed_call(request), acct_nos, period_end, answer)
        return ready_answer(await self._closer.close(closing), statement_pb2.CloseStatementsResponse)

    async def ListStatements(
        self, request: statement_pb2.ListStatementsRequest, context: Context
    ) -> statement_pb2.ListStatementsResponse:
        """Newest first; the token is the last number shown."""
        size = page_size(request.page_size, default=_DEFAULT_PAGE_SIZE)
        (before,) = page_start(request, int) or (_AFTER_ALL,)
        found = await self._reader.statements(
            _filter_from_proto(request), before_statement_no=before, limit=size + 1
        )
        shown = found[:size]
        return statement_pb2.ListStatementsResponse(
            statements=map(_statement_to_proto, shown),
            next_page_token=page_token(request, [shown[-1].statement_no]) if len(found) > size else "",
        )

    async def GetClosedStatement(
        self, request: statement_pb2.GetClosedStatementRequest, context: Context
    ) -> statement_pb2.GetClosedStatementResponse:
        """A page of lines; the token is the last line shown, and the balance after it."""
        size = page_size(request.page_size, default=_LINES, largest=_LINES)
        start = page_start(request, date, int, int)
        day, event_no, balance = start or (date.min, 0, None)
        page = await self._reader.statement(
            request.client_no, request.statement_no, after=(day, event_no), limit=size + 1
        )
        statement = page.statement
        opening = statement.opening_balance if balance is None else balance
        lines = compose_statement(opening, page.transactions).lines
        shown = as_many_as_fit(_line_to_proto(line, statement) for line in lines[:size])
        last = lines[len(shown) - 1] if len(shown) < len(lines) else None
        money = partial(sum_to_proto, statement.currency_code)
        return statement_pb2.GetClosedStatementResponse(
            statement=_statement_to_proto(statement),
            lines=shown,
            total_charges=money(page.total_charges),
            total_credits=money(page.total_credits),
            next_page_token=page_token(request, _place_of(last)) if last is not None else "",
        )


def _place_of(line: StatementLine) -> tuple[date, int, int]:
    return line.transaction.effective_date, line.transaction.event_no, line.running_balance


def _line_to_proto(line: StatementLine, statement: ClosedStatement) -> statement_pb2.ClosedStatementLine:
    money = partial(sum_to_proto, statement.currency_code)
    transaction = line.transaction
    if transaction.voided_by_event_no > statement.through_event_no:
        # Voided later: the statement is as it was closed.
        transaction = transaction._replace(voided_by_event_no=0)
    return statement_pb2.ClosedStatementLine(
        line=account_pb2.StatementLine(
            transaction=transaction_to_proto(transaction),
            description=line.description,
            effect=money(transaction.effect),
            running_balance=money(line.running_balance),
        ),
        adjustment=transaction.effective_date < statement.period_start,
    )


def _result_to_proto(acct_no: int, outcome: Closed | DomainError) -> statement_pb2.CloseStatementResult:
    if isinstance(outcome, Closed):
        return statement_pb2.CloseStatementResult(
            acct_no=acct_no, statement=_statement_to_proto(outcome.statement), closed_now=outcome.now
        )
    return statement_pb2.CloseStatementResult(acct_no=acct_no, error=status_of(outcome))


def _statement_to_proto(statement: ClosedStatement) -> statement_pb2.ClosedStatement:
    def money(minor_units: int) -> Money:
        return Money(currency_code=statement.currency_code, minor_units=minor_units)

    return statement_pb2.ClosedStatement(
        client_no=statement.client_no,
        statement_no=statement.statement_no,
        acct_no=statement.acct_no,
        period_start=date_to_proto(statement.period_start),
        period_end=date_to_proto(statement.period_end),
        opening_balance=money(statement.opening_balance),
        closing_balance=money(statement.closing_balance),
        after_event_no=statement.after_event_no,
        through_event_no=statement.through_event_no,
        transactions=statement.transactions,
        adjustments=statement.adjustments,
        closed_at=instant_to_proto(statement.closed_at),
    )


def _filter_from_proto(request: statement_pb2.ListStatementsRequest) -> StatementFilter:
    first, last = (
        date_from_proto(getattr(request, field), field) if request.HasField(field) else None
        for field in ("period_end_from", "period_end_to")
    )
    if first is not None and last is not None and last < first:
        raise refusals.date_invalid("period_end_to", f"{last} is before {first}")
    return StatementFilter(request.client_no, request.acct_no, first, last)
