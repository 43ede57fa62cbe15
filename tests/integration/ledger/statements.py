"""Calls of StatementService, for tests."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from tallybook.ledger.v1 import statement_pb2, statement_pb2_grpc
from tests.integration.ledger.caller import Ledger, day, key, refusal_of


class Statements:
    """Closes and reads the statements of a client."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.stub = statement_pb2_grpc.StatementServiceStub(ledger.channel)

    async def call(self, operation: str, **fields: Any) -> Any:
        """Call an operation by its name."""
        request = getattr(statement_pb2, f"{operation}Request")(client_no=self._ledger.client_no, **fields)
        return await self._ledger._call(getattr(self.stub, operation), request)

    async def close(
        self, period_end: date, *acct_nos: int, request_id: str = ""
    ) -> Sequence[statement_pb2.CloseStatementResult]:
        """Close the statements of accounts up to a day."""
        response = await self.call(
            "CloseStatements", acct_nos=acct_nos, period_end=day(period_end), request_id=request_id or key()
        )
        results: Sequence[statement_pb2.CloseStatementResult] = response.results
        return results

    async def closed(self, period_end: date, acct_no: int) -> statement_pb2.ClosedStatement:
        """The statement of one account up to a day."""
        (result,) = await self.close(period_end, acct_no)
        assert not result.HasField("error"), refusal_of(result.error)
        return result.statement

    async def lines(
        self, statement_no: int, *, page_size: int = 0
    ) -> list[statement_pb2.ClosedStatementLine]:
        """All lines of a statement, however many pages they are."""
        lines: list[statement_pb2.ClosedStatementLine] = []
        token = ""
        while True:
            page = await self.call(
                "GetClosedStatement", statement_no=statement_no, page_size=page_size, page_token=token
            )
            lines += page.lines
            token = page.next_page_token
            if not token:
                return lines

    async def all(self, acct_no: int = 0) -> list[statement_pb2.ClosedStatement]:
        """All statements of an account, the first one first."""
        response = await self.call("ListStatements", acct_no=acct_no, page_size=1_000)
        return list(reversed(response.statements))
