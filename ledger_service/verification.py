"""The full check of a client's books: every check in turn, in one snapshot, as a stream."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import date
from functools import partial
from types import MappingProxyType
from typing import Final, TypeAlias

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ledger_service.rules.trial_balance import TrialBalance, by_currency
from ledger_service.rules.verification import Check, Finding, Progress, Summary
from ledger_service.store_reads import snapshot_of
from ledger_service.store_verification import (
    BOOK_QUESTIONS,
    ask,
    ask_commit_groups,
    ask_journal,
    count_books,
    prepare_snapshot,
    read_trial_balance,
)
from ledger_service.store_verification_applications import APPLICATION_QUESTIONS
from ledger_service.store_verification_documents import DOCUMENT_QUESTIONS
from ledger_service.store_verification_statements import STATEMENT_QUESTIONS

Part: TypeAlias = Progress | Finding | Summary
# What examines the books of a client, so many rows at once: yields each fault, and the rows of each batch.
Examination: TypeAlias = Callable[[AsyncConnection, int, int], AsyncGenerator[Finding | int, None]]

_QUESTIONS: Final = (*BOOK_QUESTIONS, *DOCUMENT_QUESTIONS, *APPLICATION_QUESTIONS, *STATEMENT_QUESTIONS)
_BEYOND_QUESTIONS: Final[Mapping[Check, Sequence[Examination]]] = MappingProxyType(
    {Check.JOURNAL: (ask_journal,), Check.COMMIT_GROUP: (ask_commit_groups,)}
)


def _examinations(check: Check) -> list[Examination]:
    asked = [partial(ask, question=question) for question in _QUESTIONS if question.check is check]
    return [*asked, *_BEYOND_QUESTIONS.get(check, ())]


class LedgerVerifier:
    """Proves the books of a client."""

    def __init__(self, engine: AsyncEngine, *, batch_rows: int = 20_000) -> None:
        """So many rows are judged at once: what bounds the memory of a check and the time of a statement."""
        self._snapshots = snapshot_of(engine)
        self._batch_rows = batch_rows

    async def verify(self, client_no: int) -> AsyncGenerator[Part, None]:
        """Progress of each check, the faults that it finds, and at the end a summary.

        Reads one state of the books, while postings go on. Holds a connection as long as it is iterated.
        """
        async with self._snapshots.connect() as snapshot:
            await prepare_snapshot(snapshot)
            findings = 0
            for check in Check:
                rows_checked = 0
                yield Progress(check, rows_checked)
                for examine in _examinations(check):
                    async with aclosing(examine(snapshot, client_no, self._batch_rows)) as steps:
                        async for step in steps:
                            if isinstance(step, Finding):
                                findings += 1
                                yield step
                            else:
                                rows_checked += step
                                yield Progress(check, rows_checked)
                yield Progress(check, rows_checked, complete=True)
            transactions, accounts = await count_books(snapshot, client_no)
        yield Summary(transactions, accounts, findings)

    async def trial_balance(self, client_no: int, as_of: date | None = None) -> list[TrialBalance]:
        """The trial balance of each currency, by currency code; with `as_of`, of what is effective then."""
        async with self._snapshots.connect() as snapshot:
            return by_currency(await read_trial_balance(snapshot, client_no, as_of))
