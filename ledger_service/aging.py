"""Lists of aging: pages of accounts that owe something, found without reading those that don't."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from ledger_service import store_reads
from ledger_service.rules.aging import Aging, age, age_open
from ledger_service.store_reads import AgingCandidate

# How many accounts are read at once. A filter may select one in a hundred, so a short page must not read them
# two by two; and what is read at once is worked out at once, while every other call waits.
_SMALLEST_BATCH: Final = 50
_LARGEST_BATCH: Final = 250


@dataclass(frozen=True, slots=True)
class AgingQuery:
    """Which accounts of a client are listed.

    acct_nos: only these; empty: all that owe something or have unapplied credit.
    min_days_past_due: only those with something overdue for at least so many days; 0: no such filter.
    after: only accounts with a number above this one.
    """

    client_no: int
    as_of: date
    acct_nos: Sequence[int]
    min_days_past_due: int
    after: int


@dataclass(frozen=True, slots=True)
class AccountAging:
    """An account and what it owes by days past due."""

    account: AgingCandidate
    aging: Aging


async def list_aging(snapshot: AsyncConnection, query: AgingQuery, limit: int) -> list[AccountAging]:
    """The first `limit` accounts that the query selects, by number; fewer only when there are no more.

    `snapshot` sees one state of the books. However few accounts are selected, they are read a batch at a
    time: memory is bounded by the page and not by the client.
    """
    selected: list[AccountAging] = []
    after = query.after
    batch = min(max(limit, _SMALLEST_BATCH), _LARGEST_BATCH)
    while len(selected) < limit:
        candidates = await _candidates(snapshot, query, after, batch)
        agings = await _agings(snapshot, query, candidates)
        for candidate in candidates:
            aging = agings[candidate.acct_no]
            if _is_selected(aging, query):
                selected.append(AccountAging(candidate, aging))
        if len(candidates) < batch:
            break
        after = candidates[-1].acct_no
    return selected[:limit]


async def _candidates(
    snapshot: AsyncConnection, query: AgingQuery, after: int, limit: int
) -> list[AgingCandidate]:
    if query.acct_nos:
        return await store_reads.aging_named(
            snapshot, query.client_no, query.acct_nos, query.as_of, after=after, limit=limit
        )
    return await store_reads.aging_candidates(
        snapshot,
        query.client_no,
        query.as_of,
        with_credit=not query.min_days_past_due,
        after=after,
        limit=limit,
    )


async def _agings(
    snapshot: AsyncConnection, query: AgingQuery, candidates: Sequence[AgingCandidate]
) -> dict[int, Aging]:
    """By account: from its open items or, where it has transactions after the date, from those up to it."""
    now = [each.acct_no for each in candidates if not each.has_later]
    then = [each.acct_no for each in candidates if each.has_later]
    agings: dict[int, Aging] = {}
    if now:
        items = await store_reads.aging_open_items(snapshot, query.client_no, now)
        agings |= {
            acct_no: age_open(charges, unapplied_credit, query.as_of)
            for acct_no, (charges, unapplied_credit) in items.items()
        }
    if then:
        entries = await store_reads.aging_entries(snapshot, query.client_no, then, query.as_of)
        agings |= {acct_no: age(entries[acct_no], query.as_of) for acct_no in then}
    return agings


def _is_selected(aging: Aging, query: AgingQuery) -> bool:
    is_wanted = bool(query.acct_nos) or not aging.is_settled
    return is_wanted and aging.is_overdue_for(query.min_days_past_due, query.as_of)
