"""Exports the journal of a client: every line of one state of the books, and what they come to."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from sqlalchemy.ext.asyncio import AsyncEngine

from ledger_service.rules import refusals
from ledger_service.rules.trial_balance import TrialBalance, TrialBalanceLine, by_currency
from ledger_service.store_chart import read_account_names
from ledger_service.store_journal import JournalLine, JournalRange, journal_pages
from ledger_service.store_reads import single_statements_of, snapshot_of
from ledger_service.store_verification import prepare_snapshot
from ledger_service.store_watch import read_glimpse
from service_kit.database import raw_connection

_DEBIT: Final = 1
# A group takes less than a second to commit: whoever takes longer may take very much longer.
_LONGEST_WAIT_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Totals:
    """The end of an export."""

    transactions: int
    trial_balances: list[TrialBalance]


Part: TypeAlias = Sequence[JournalLine] | Totals


class JournalExporter:
    """Streams the journal."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._snapshots = snapshot_of(engine)

    async def export(self, wanted: JournalRange) -> AsyncGenerator[Part, None]:
        """The lines by event_no, debit before credit, in pages; then the totals. CONCURRENT_CHANGE.

        Holds a connection and a snapshot as long as it is iterated, and one page.
        """
        if wanted.recorded_to is not None:
            await self._wait_for_what_is_under_way()
        sums = _Sums()
        async with self._snapshots.connect() as snapshot:
            await prepare_snapshot(snapshot)
            driver = await raw_connection(snapshot)
            async for lines in journal_pages(driver, wanted):
                sums.add(lines)
                if lines:
                    yield lines
            names = await read_account_names(driver, wanted.client_no)
        yield sums.totals(names)

    async def _wait_for_what_is_under_way(self) -> None:
        """Return once every transaction that runs now has ended.

        The time of recording is taken before the commit (but, as a day ends, never before a transaction runs:
        `group_posting`). So what was recorded yesterday, a moment before midnight, may become visible only
        now: an export that did not wait would miss it, and the next one, which begins with today, too.
        """
        async with single_statements_of(self._engine).connect() as connection:
            driver = await raw_connection(connection)
            awaited = (await read_glimpse(driver, ())).next_number
            for _ in range(int(_LONGEST_WAIT_SECONDS / _PAUSE_SECONDS)):
                if (await read_glimpse(driver, ())).oldest_running >= awaited:
                    return
                await asyncio.sleep(_PAUSE_SECONDS)
        raise refusals.recording_under_way()


class _Sums:
    """What the lines come to, by currency and account."""

    def __init__(self) -> None:
        self._transactions = 0
        self._sides: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])

    def add(self, lines: Sequence[JournalLine]) -> None:
        for line in lines:
            self._sides[line.currency_code, line.gl_account][line.line_no - _DEBIT] += line.amount
        self._transactions += len(lines) // 2

    def totals(self, names: Mapping[str, str]) -> Totals:
        lines = [
            TrialBalanceLine(currency_code, gl_account, names.get(gl_account, ""), debits, credits_)
            for (currency_code, gl_account), (debits, credits_) in self._sides.items()
        ]
        return Totals(self._transactions, by_currency(lines))
